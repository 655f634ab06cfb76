// Attachments of documents, as Blobs.

import { checkedId } from './document_id.js';
import { PinyonError } from './errors.js';
import type { DocumentSession } from './session.js';

/** An attachment without its content. */
export interface AttachmentDetails {
    documentId: string;
    name: string;
    contentType: string;
    hash: string;
    size: number;
    changeVector: string;
}

/** An attachment with its content. */
export interface Attachment {
    details: AttachmentDetails;
    content: Blob;
}

/** An attachment as a loaded document lists it. */
export interface AttachmentName {
    name: string;
    contentType: string;
    hash: string;
    size: number;
}

/** What may become an attachment. */
export type AttachmentContent = Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | string;

interface WireDetails {
    Name: string;
    ContentType: string;
    Hash: string;
    Size: number;
    ChangeVector: string;
}

/** `session.advanced.attachments`. Changes are saved with the session. */
export class SessionAttachments {
    readonly #session: DocumentSession;

    /** @internal */
    constructor(session: DocumentSession) {
        this.#session = session;
    }

    /** Adds or replaces an attachment; the type of a Blob is kept unless another is given. */
    store(entityOrId: object | string, name: string, content: AttachmentContent, contentType?: string): void {
        const blob = asBlob(content, name);
        const command = {
            Type: 'AttachmentPUT',
            Id: this.#idOf(entityOrId),
            Name: name,
            ContentType: contentType ?? blob.type,
            ChangeVector: null,
        };
        this.#session.deferred.push({ command, content: blob });
    }

    delete(entityOrId: object | string, name: string): void {
        const command = { Type: 'AttachmentDELETE', Id: this.#idOf(entityOrId), Name: name, ChangeVector: null };
        this.#session.deferred.push({ command });
    }

    copy(source: object | string, name: string, destination: object | string, destinationName: string): void {
        this.#copyOrMove('AttachmentCOPY', source, name, destination, destinationName);
    }

    move(source: object | string, name: string, destination: object | string, destinationName: string): void {
        this.#copyOrMove('AttachmentMOVE', source, name, destination, destinationName);
    }

    rename(entityOrId: object | string, name: string, newName: string): void {
        this.move(entityOrId, name, entityOrId, newName);
    }

    /**
     * An attachment with its content, or `null`. A content that was left on the server (see
     * `SyncRequest.attachments`) is fetched; that rejects with the code `NotLocal` where there is no
     * connection to the server, and with `NotFound` where the document has changed there.
     */
    async get(entityOrId: object | string, name: string): Promise<Attachment | null> {
        const id = this.#idOf(entityOrId);
        this.#session.requestCount += 1;
        const found = await this.#session.connection.call('attachment', id, name);
        return found ? { details: toAttachmentDetails(id, found.details), content: found.content } : null;
    }

    async exists(entityOrId: object | string, name: string): Promise<boolean> {
        this.#session.requestCount += 1;
        return (await this.#session.connection.call('attachmentDetails', this.#idOf(entityOrId), name)) !== undefined;
    }

    /** Whether the content of an attachment is on this device, so that it can be read offline. */
    async isLocal(entityOrId: object | string, name: string): Promise<boolean> {
        this.#session.requestCount += 1;
        const details = await this.#session.connection.call('attachmentDetails', this.#idOf(entityOrId), name);
        return details !== undefined && (JSON.parse(details) as { IsLocal: boolean }).IsLocal;
    }

    /** The attachments that a loaded entity had when it was loaded. */
    getNames(entity: object): AttachmentName[] {
        const { metadata } = this.#session.advanced.trackedOf(entity);
        const listed = (metadata['@attachments'] ?? []) as Omit<WireDetails, 'ChangeVector'>[];
        return listed.map((it) => ({ name: it.Name, contentType: it.ContentType, hash: it.Hash, size: it.Size }));
    }

    #copyOrMove(type: string, source: object | string, name: string, destination: object | string, destinationName: string): void {
        const command = {
            Type: type,
            Id: this.#idOf(source),
            Name: name,
            DestinationId: this.#idOf(destination),
            DestinationName: destinationName,
            ChangeVector: null,
        };
        this.#session.deferred.push({ command });
    }

    #idOf(entityOrId: object | string): string {
        if (typeof entityOrId === 'string') return checkedId(entityOrId);
        const id = this.#session.advanced.getDocumentId(entityOrId);
        if (id === null) throw new PinyonError('InvalidRequest', 'the entity does not belong to this session');
        return id;
    }
}

/** The content as a Blob, of this window or of another; of anything else a Blob would have the text. */
function asBlob(content: unknown, name: string): Blob {
    const kind = Object.prototype.toString.call(content).slice(8, -1);
    if (kind === 'Blob' || kind === 'File') return content as Blob;
    if (typeof content === 'string' || kind === 'ArrayBuffer' || ArrayBuffer.isView(content)) {
        return new Blob([content as string | ArrayBuffer | ArrayBufferView<ArrayBuffer>]);
    }
    throw new PinyonError('InvalidRequest', `the content of the attachment '${name}' must be a Blob, bytes or a text, not '${String(content)}'`);
}

function toAttachmentDetails(documentId: string, text: string): AttachmentDetails {
    const { Name, ContentType, Hash, Size, ChangeVector } = JSON.parse(text) as WireDetails;
    return { documentId, name: Name, contentType: ContentType, hash: Hash, size: Size, changeVector: ChangeVector };
}
