// How entities become documents: collections, ids, types.

import pluralize from 'pluralize';

/** A class whose instances are stored. */
export type EntityClass<T extends object = object> = new (...args: never[]) => T;

/** A class, or the name of one. */
export type DocumentType<T extends object = object> = EntityClass<T> | string;

/** How entities become documents. Replace what your application does differently. */
export class DocumentConventions {
    /** The property that holds an entity's id. */
    identityProperty = 'id';
    /** Whether changes of loaded documents are refused when somebody else changed them first. */
    useOptimisticConcurrency = true;
    /** The collection of entities that are no instances of a class; `undefined` for none. */
    findCollectionNameForObjectLiteral: (entity: object) => string | undefined = () => undefined;
    /** The collection of a class's instances, from its name. */
    findCollectionName: (typeName: string) => string = (typeName) => pluralize.plural(typeName);

    readonly #types = new Map<string, EntityClass>();

    /** Lets loaded documents of this type become instances of the class. */
    registerEntityType(entityClass: EntityClass): this {
        this.#types.set(entityClass.name, entityClass);
        return this;
    }

    /** @internal */
    classOf(typeName: string | undefined): EntityClass | undefined {
        return typeName === undefined ? undefined : this.#types.get(typeName);
    }

    /** @internal The name of an entity's class, unless it is a plain object. */
    typeNameOf(entity: object, documentType?: DocumentType): string | undefined {
        if (typeof documentType === 'string') return documentType;
        const entityClass = documentType ?? (Object.getPrototypeOf(entity) as object | null)?.constructor;
        return entityClass === undefined || entityClass === Object ? undefined : (entityClass as { name: string }).name;
    }

    /** @internal */
    collectionOf(entity: object, documentType?: DocumentType): string | undefined {
        const typeName = this.typeNameOf(entity, documentType);
        if (typeName === undefined) return this.findCollectionNameForObjectLiteral(entity);
        return this.findCollectionName(typeName);
    }

    /** @internal An id nobody else makes, however long this device was offline. */
    generateId(collection: string | undefined): string {
        const name = collection ?? 'documents';
        const isOneWord = name.replace(/[^A-Z]/g, '').length <= 1;
        return `${isOneWord ? name.toLowerCase() : name}/${sortableId()}`;
    }
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
let lastTime = 0;

/**
 * 48 bits of time and 80 random bits as text. Ids made one after another stand close together, and
 * with them the documents in the storage's pages.
 */
function sortableId(): string {
    // Rising within one page, also when the clock is set back.
    lastTime = Math.max(Date.now(), lastTime);
    let text = '';
    for (let time = lastTime, at = 0; at < 10; at += 1, time = Math.floor(time / 32)) text = DIGITS[time % 32] + text;
    for (const byte of crypto.getRandomValues(new Uint8Array(16))) text += DIGITS[byte % 32];
    return text;
}
