// Addresses of the page's screens: #/children, #/children/01abc, #/children/01abc/edit.

import { useEffect, useState } from '../vendor/preact.js';

export const addressOf = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;

/** The address of a document's screen. */
export function documentAddress(id, ...more) {
    const slash = id.indexOf('/');
    return addressOf(id.slice(0, slash), id.slice(slash + 1), ...more);
}

function readRoute() {
    try {
        return location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
    } catch {
        return ['unreadable'];
    }
}

export function goTo(address) {
    location.hash = address;
}

/** The parts of the address, as they change. */
export function useRoute() {
    const [route, setRoute] = useState(readRoute);
    useEffect(() => {
        const changed = () => setRoute(readRoute());
        addEventListener('hashchange', changed);
        return () => removeEventListener('hashchange', changed);
    }, []);
    return route;
}
