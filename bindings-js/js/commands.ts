// Commands that are saved with a session: `session.advanced.defer(…)`.

import { PinyonError } from './errors.js';
import { asStored } from './nested_types.js';
import type { PatchRequest } from './session_patches.js';

/** A command, as the database reads it. */
export interface CommandData {
    serialize(): Record<string, unknown>;
}

/** Stores a document, whatever the session knows of it. */
export class PutCommandDataBase<T extends object = object> implements CommandData {
    readonly type = 'PUT';

    /** `changeVector` is the version to replace: '' for none yet, `null` for any. */
    constructor(readonly id: string, readonly changeVector: string | null, readonly document: T) {}

    serialize(): Record<string, unknown> {
        return { Type: this.type, Id: this.id, ChangeVector: this.changeVector, Document: this.document };
    }
}

/** Stores a document given as it is stored, with its `@metadata`. */
export class PutCommandDataWithJson extends PutCommandDataBase {}

export class DeleteCommandData implements CommandData {
    readonly type: string = 'DELETE';

    constructor(readonly id: string, readonly changeVector: string | null = null) {}

    serialize(): Record<string, unknown> {
        return { Type: this.type, Id: this.id, ChangeVector: this.changeVector };
    }
}

/** Deletes the documents whose ids begin so. */
export class DeletePrefixedCommandData extends DeleteCommandData {
    constructor(prefix: string) {
        super(prefix, null);
    }

    override serialize(): Record<string, unknown> {
        return { ...super.serialize(), IdPrefixed: true };
    }
}

/** Patches a document by a script, which the content security policy must let run. */
export class PatchCommandData implements CommandData {
    readonly type = 'PATCH';

    constructor(
        readonly id: string,
        readonly changeVector: string | null,
        readonly patch: PatchRequest,
        readonly patchIfMissing: PatchRequest | null = null,
    ) {}

    serialize(): Record<string, unknown> {
        const sent = ({ script, values = {} }: PatchRequest): object => ({ Script: script, Values: values });
        return {
            Type: this.type, Id: this.id, ChangeVector: this.changeVector, Patch: sent(this.patch),
            ...(this.patchIfMissing && { PatchIfMissing: sent(this.patchIfMissing) }),
        };
    }
}

/** @internal The command as it is sent: documents say of what classes they are. */
export function commandOf(command: CommandData, documentOf: (entity: object) => object): Record<string, unknown> {
    if (typeof command?.serialize !== 'function') {
        throw new PinyonError('InvalidRequest', 'defer() takes commands such as new DeleteCommandData(id, null)');
    }
    const sent = asStored(command.serialize());
    return command instanceof PutCommandDataBase ? { ...sent, Document: documentOf(command.document) } : sent;
}
