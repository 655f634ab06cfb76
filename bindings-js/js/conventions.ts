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
    /** What stands between the parts of ids that are made here. */
    identityPartsSeparator = '/';
    /** Whether changes of loaded documents are refused when somebody else changed them first. */
    useOptimisticConcurrency = true;
    /** The collection of entities that are no instances of a class; `undefined` for none. */
    findCollectionNameForObjectLiteral: (entity: object) => string | undefined = () => undefined;
    /** The collection of a class's instances; what it does not know, as it is by default. */
    findCollectionName: (type: DocumentType) => string | undefined = (type) => DocumentConventions.defaultGetCollectionName(type);
    /** What ids of a collection's documents begin with. */
    transformClassCollectionNameToDocumentIdPrefix: (collection: string) => string = (collection) =>
        collection.replace(/[^A-Z]/g, '').length <= 1 ? collection.toLowerCase() : collection;

    readonly #types = new Map<string, EntityClass>();

    /** `Children` of `Child`. */
    static defaultGetCollectionName(type: DocumentType): string {
        return pluralize.plural(nameOf(type));
    }

    /** Lets loaded documents of this type become instances of the class, as those do that were stored or asked for with it. */
    registerEntityType(entityClass: EntityClass, name = entityClass.name): this {
        this.#types.set(name, entityClass);
        return this;
    }

    getCollectionNameForType(type: DocumentType): string {
        return this.findCollectionName(type) ?? DocumentConventions.defaultGetCollectionName(type);
    }

    /** @internal The class of a type, which is known by its name from then on. */
    classOf(type: DocumentType | null | undefined): EntityClass | undefined {
        if (typeof type !== 'function') return this.#types.get(type ?? '');
        if (type === Object) return undefined;
        this.registerEntityType(type);
        return type;
    }

    /** @internal What an entity is an instance of, unless it is a plain object. */
    typeOf(entity: object, documentType?: DocumentType): DocumentType | undefined {
        const type = documentType ?? (Object.getPrototypeOf(entity) as { constructor?: EntityClass } | null)?.constructor;
        return type === Object ? undefined : type;
    }

    /** @internal An entity's collection, and the name of its class. */
    describe(entity: object, documentType?: DocumentType): { collection: string | undefined; typeName: string | undefined } {
        const type = this.typeOf(entity, documentType);
        if (type === undefined) return { collection: this.findCollectionNameForObjectLiteral(entity), typeName: undefined };
        this.classOf(type);
        return { collection: this.getCollectionNameForType(type), typeName: nameOf(type) };
    }

    /** @internal An id nobody else makes, however long this device was offline. */
    generateId(collection: string | undefined): string {
        const name = collection ?? 'documents';
        return `${this.transformClassCollectionNameToDocumentIdPrefix(name)}${this.identityPartsSeparator}${sortableId()}`;
    }
}

const nameOf = (type: DocumentType): string => (typeof type === 'string' ? type : type.name);

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
