// Photographs: made small enough to carry about, and shown from the local database.

import { html, useEffect, useState } from '../vendor/preact.js';
import { openReading } from './database.js';

const LONGEST_SIDE = 1280;
const QUALITY = 0.85;
/** Pictures in memory. */
const MOST_KEPT = 300;

/** The picture as a JPEG of a sensible size, upright. Fails when it is none. */
export async function shrinkPhoto(file) {
    let picture;
    try {
        picture = await createImageBitmap(file, { imageOrientation: 'from-image' });
    } catch (reason) {
        throw new Error('This file is no picture that the browser can read.', { cause: reason });
    }
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', QUALITY); });
    if (!blob) throw new Error('The picture could not be made smaller.');
    return blob;
}

// A photograph's name says which it is, so what was read once stays right.
const addresses = new Map();

const readAttachment = async (id, name) => (await openReading().advanced.attachments.get(id, name))?.content;

function addressOf(id, name, read) {
    const key = `${id} ${name}`;
    let address = addresses.get(key);
    if (!address) {
        address = read(id, name).then((content) => {
            if (content) return URL.createObjectURL(content);
            // It may still be on its way.
            addresses.delete(key);
            return undefined;
        });
        addresses.set(key, address);
        address.catch(() => addresses.delete(key));
        forgetOldest();
    }
    return address;
}

/** Those that are on the screen have been read by the browser already. */
function forgetOldest() {
    if (addresses.size <= MOST_KEPT) return;
    const [[key, address]] = addresses;
    addresses.delete(key);
    address.then((it) => { if (it) URL.revokeObjectURL(it); }, () => undefined);
}

const HUES = ['leaf', 'sun', 'sky', 'berry', 'plum'];

function hueOf(text) {
    let sum = 0;
    for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 9973;
    return HUES[sum % HUES.length];
}

const initialsOf = (name) => name.split(/\s+/).filter(Boolean).map((word) => [...word][0]).slice(0, 2).join('').toUpperCase();

/**
 * A child's photograph, or the first letters of the name. `version` changes when the child does;
 * `read` gets the picture where it is not the child's own.
 */
export function Photo({ id, name, photo, version, isLarge, read = readAttachment }) {
    const [shown, setShown] = useState({});
    useEffect(() => {
        let isOver = false;
        if (!photo) return undefined;
        addressOf(id, photo, read).then(
            (address) => { if (!isOver) setShown({ photo, address }); },
            () => { if (!isOver) setShown({}); },
        );
        return () => { isOver = true; };
    }, [id, photo, version]);
    const size = isLarge ? 'portrait' : 'thumb';
    if (photo && shown.photo === photo && shown.address) {
        return html`<img class=${size} src=${shown.address} alt=${isLarge ? `Photograph of ${name}` : ''} />`;
    }
    return html`<span class=${`${size} initials tint-${hueOf(id)}`} aria-hidden="true">${initialsOf(name)}</span>`;
}
