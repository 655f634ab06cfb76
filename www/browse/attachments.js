// The attachments of a document or a revision: what they are, how they look, and the way to have
// them. They come as downloads that may run nothing; a picture is shown as a picture only.

import { element } from "./elements.js";
import { button, link, readableSize } from "./pieces.js";
import { requestPath } from "./addresses.js";
import { fetchBlob } from "./server.js";

// A page should not load what its reader has not asked for, if it is large.
const PREVIEW_LIMIT_BYTES = 8_000_000;
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml", "image/x-icon"]);

/** A list of the attachments in `metadata`; of a revision, if its `changeVector` is given. */
export function attachmentSection(database, id, metadata, { changeVector, onTrouble } = {}) {
    const attachments = metadata["@attachments"] ?? [];
    if (attachments.length === 0) {
        return [];
    }
    const items = attachments.map(attachment => {
        const path = requestPath(database, "attachments", { id, name: attachment.Name });
        const download = changeVector === undefined
            ? link(path, "Download", { download: attachment.Name })
            : button("Download", () => downloadOfRevision(path, attachment.Name, changeVector).catch(onTrouble));
        download.ariaLabel = `Download ${attachment.Name}`;
        return element("li", {},
            changeVector === undefined && preview(path, attachment),
            element("div", { className: "what" },
                element("strong", {}, attachment.Name),
                element("span", { className: "note" }, attachment.ContentType || "unknown type", " · ",
                    element("span", { title: `${attachment.Size.toLocaleString()} bytes` }, readableSize(attachment.Size)))),
            download);
    });
    return [element("h2", {}, "Attachments"), element("ul", { className: "attachments" }, ...items)];
}

function preview(path, { Name: name, ContentType: type, Size: size }) {
    const isPicture = PICTURES.has(type.split(";")[0].trim().toLowerCase());
    if (!isPicture || size > PREVIEW_LIMIT_BYTES) {
        return element("span", { className: "sheet", ariaHidden: "true" }, (name.split(".").at(-1) ?? "").slice(0, 4));
    }
    const picture = element("img", { src: path, alt: `Preview of ${name}`, loading: "lazy", decoding: "async" });
    picture.addEventListener("error", () => picture.replaceWith(
        element("span", { className: "sheet", title: "It cannot be shown" }, "?")), { once: true });
    return picture;
}

/** The protocol asks for these with a body, which no link has. */
async function downloadOfRevision(path, name, changeVector) {
    const content = await fetchBlob(path, { Type: "Revision", ChangeVector: changeVector });
    const href = URL.createObjectURL(content);
    const anchor = element("a", { href, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    // The browser has to have read the address before it goes.
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
