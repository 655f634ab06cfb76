// Patches of a session: changes of documents that need not be loaded, saved with the session.

import { PinyonError } from './errors.js';
import { asStored } from './nested_types.js';
import { partsOf } from './operations.js';
import type { DocumentSession } from './session.js';

type Step = { Path: (string | number)[] } & ({ Set: unknown } | { Increment: number } | { Push: unknown[] } | { Remove: true });

/** An operation of a JSON Patch (RFC 6902). */
export interface JsonPatchOperation {
    op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
    path: string;
    from?: string;
    value?: unknown;
}

/** A script and its values, in which `this` is the document: `this.count += args.by`. */
export interface PatchRequest {
    script: string;
    values?: Record<string, unknown>;
}

/** What happens to an array: calls are done in their order. */
export interface JavaScriptArray<T> {
    push(...items: T[]): JavaScriptArray<T>;
    removeAt(index: number): JavaScriptArray<T>;
}

/** What happens to an object used as a map. */
export interface JavaScriptMap<T> {
    set(key: string, value: T): JavaScriptMap<T>;
    remove(key: string): JavaScriptMap<T>;
}

function arraySteps<T>(path: string, change: (array: JavaScriptArray<T>) => void): Step[] {
    const steps: Step[] = [];
    const array: JavaScriptArray<T> = {
        push: (...items) => { steps.push({ Path: partsOf(path), Push: items }); return array; },
        removeAt: (index) => { steps.push({ Path: [...partsOf(path), index], Remove: true }); return array; },
    };
    change(array);
    return steps;
}

/** The patches of `session.advanced`. */
export class SessionPatches {
    /** @internal */
    protected readonly session: DocumentSession;

    /** @internal */
    constructor(session: DocumentSession) {
        this.session = session;
    }

    /** Sets a field: `patch('orders/1', 'lines[0].price', 12)`. */
    patch(entityOrId: object | string, path: string, value: unknown): void {
        this.#addSteps(entityOrId, [{ Path: partsOf(path), Set: value ?? null }]);
    }

    /** Adds to a number; one that is missing counts as zero. */
    increment(entityOrId: object | string, path: string, valueToAdd: number): void {
        this.#addSteps(entityOrId, [{ Path: partsOf(path), Increment: valueToAdd }]);
    }

    /** Changes an array: `patchArray(order, 'lines', (lines) => lines.push(line))`. */
    patchArray<T>(entityOrId: object | string, path: string, change: (array: JavaScriptArray<T>) => void): void {
        this.#addSteps(entityOrId, arraySteps(path, change));
    }

    /** Changes the members of an object: `patchObject(order, 'tags', (tags) => tags.set('new', 1))`. */
    patchObject<T>(entityOrId: object | string, path: string, change: (map: JavaScriptMap<T>) => void): void {
        const steps: Step[] = [];
        const map: JavaScriptMap<T> = {
            set: (key, value) => { steps.push({ Path: [...partsOf(path), key], Set: value }); return map; },
            remove: (key) => { steps.push({ Path: [...partsOf(path), key], Remove: true }); return map; },
        };
        change(map);
        this.#addSteps(entityOrId, steps);
    }

    /** Sets a field, or stores `entity` where there is no such document. */
    addOrPatch(id: string, entity: object, path: string, value: unknown): void {
        this.#addSteps(id, [{ Path: partsOf(path), Set: value ?? null }], entity);
    }

    /** Changes an array, or stores `entity` where there is no such document. */
    addOrPatchArray<T>(id: string, entity: object, path: string, change: (array: JavaScriptArray<T>) => void): void {
        this.#addSteps(id, arraySteps(path, change), entity);
    }

    /** Adds to a number, or stores `entity` where there is no such document. */
    addOrIncrement(id: string, entity: object, path: string, valueToAdd: number): void {
        this.#addSteps(id, [{ Path: partsOf(path), Increment: valueToAdd }], entity);
    }

    /** Patches a document by the operations of a JSON Patch. */
    jsonPatch(entityOrId: object | string, operations: JsonPatchOperation[]): void {
        this.#add(entityOrId, { Type: 'JsonPatch', Operations: operations });
    }

    /**
     * Patches a document by a script, as servers do. It is text that runs as a script, and is
     * refused where the content security policy refuses that.
     */
    patchByScript(entityOrId: object | string, patch: PatchRequest, patchIfMissing?: PatchRequest): void {
        const toWire = ({ script, values = {} }: PatchRequest): object => ({ Script: script, Values: values });
        this.#add(entityOrId, {
            Type: 'PATCH',
            Patch: toWire(patch),
            ...(patchIfMissing && { PatchIfMissing: toWire(patchIfMissing) }),
        });
    }

    #addSteps(entityOrId: object | string, steps: Step[], createIfMissing?: object): void {
        const created = createIfMissing && { CreateIfMissing: this.session.documentOf(createIfMissing) };
        this.#add(entityOrId, { Type: 'FieldPATCH', Operations: steps, ...created });
    }

    #add(entityOrId: object | string, command: Record<string, unknown>): void {
        const { session } = this;
        const id = typeof entityOrId === 'string' ? entityOrId : session.advanced.getDocumentId(entityOrId);
        if (id === null) throw new PinyonError('InvalidRequest', 'the entity does not belong to this session');
        session.deferred.push({ command: { ...asStored(command), Id: id, ChangeVector: null } });
    }
}
