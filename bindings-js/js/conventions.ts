// How entities become documents: collections, ids, types.

import pluralize from 'pluralize';

import type { OptimisticConcurrencyMode } from './session_options.js';
import { refuse, refuseAll } from './unsupported.js';

/** A class whose instances are stored. */
export type EntityClass<T extends object = object> = new (...args: never[]) => T;

/** A class, or the name of one. */
export type DocumentType<T extends object = object> = EntityClass<T> | string;

/** Makes the id of an entity that is stored without one. */
export type IdConvention = (databaseName: string, entity: object) => Promise<string>;

/** How entities become documents. Replace what your application does differently. */
export class DocumentConventions {
    /** The property that holds an entity's id. */
    identityProperty = 'id';
    /** What stands between the parts of ids that are made here. */
    identityPartsSeparator = '/';
    /** Whether changes of loaded documents are refused when somebody else changed them first. */
    useOptimisticConcurrency = true;
    /** Instead: nothing is checked, what is written, or what was read too. */
    optimisticConcurrencyMode: OptimisticConcurrencyMode | undefined;
    /** The collection of entities that are no instances of a class; `undefined` for none. */
    findCollectionNameForObjectLiteral: (entity: object) => string | undefined = () => undefined;
    /** The collection of a class's instances; what it does not know, as it is by default. */
    findCollectionName: (type: DocumentType) => string | undefined = (type) => pluralize.plural(this.#nameOf(type));
    /** What ids of a collection's documents begin with. */
    transformClassCollectionNameToDocumentIdPrefix: (collection: string) => string = (collection) =>
        collection.replace(/[^A-Z]/g, '').length <= 1 ? collection.toLowerCase() : collection;

    /** The ids of entities for whose class no convention was registered; what is there unless told is `generateId()` of devices. */
    documentIdGenerator: IdConvention | undefined;
    /** The class of a loaded document, before what its metadata say. */
    findJsType: ((id: string, document: object) => EntityClass | undefined) | undefined;
    /** What documents say of their class: its name unless told. */
    findJsTypeName: (type: DocumentType) => string = (type) => this.#nameOf(type);
    /** Whether changes of an entity are not to be saved. */
    shouldIgnoreEntityChanges: ((session: object, entity: object, documentId: string) => boolean) | undefined;

    readonly #types = new Map<string, EntityClass>();
    /** The names that classes were registered with. */
    readonly #names = new Map<EntityClass, string>();
    readonly #idConventions = new Map<EntityClass, IdConvention>();
    readonly #idProperties = new Map<EntityClass, string>();

    /** `Children` of `Child`. */
    static defaultGetCollectionName(type: DocumentType): string {
        return pluralize.plural(typeof type === 'string' ? type : type.name);
    }

    /**
     * Lets loaded documents of this type become instances of the class, as those do that were stored or asked
     * for with it. A name that is given is the class's from then on: bundlers change the one it has.
     */
    registerEntityType(entityClass: EntityClass, name?: string): this {
        if (name !== undefined) this.#names.set(entityClass, name);
        this.#types.set(this.#nameOf(entityClass), entityClass);
        return this;
    }

    /** The same. */
    registerJsType(entityClass: EntityClass, name?: string): this {
        return this.registerEntityType(entityClass, name);
    }

    #nameOf(type: DocumentType): string {
        if (typeof type === 'string') return type;
        const name = this.#names.get(type);
        if (name === undefined && type.name.length < SHORTEST_NAME) warnOfName(type);
        return name ?? type.name;
    }

    /** Makes the ids of a class's instances, and of those derived from it. */
    registerIdConvention(entityClass: EntityClass, convention: IdConvention): this {
        this.#idConventions.set(entityClass, convention);
        return this;
    }

    /** The property that holds the id of a class's instances. */
    registerEntityIdPropertyName(entityClass: EntityClass, idProperty: string): void {
        this.#idProperties.set(entityClass, idProperty);
    }

    getIdentityProperty(type?: DocumentType): string {
        const entityClass = typeof type === 'string' ? this.#types.get(type) : type;
        return (entityClass && this.#idProperties.get(entityClass)) ?? this.identityProperty;
    }

    /** @internal */
    identityPropertyOf(entity: object): string {
        // Most register none.
        return this.#idProperties.size === 0 ? this.identityProperty : this.getIdentityProperty(entity.constructor as EntityClass);
    }

    /** @internal What makes the id of an entity, unless that is done here. */
    idConventionOf(entity: object): IdConvention | undefined {
        // Most register none.
        if (this.#idConventions.size === 0) return this.documentIdGenerator;
        // The class nearest to its own.
        for (let type = Object.getPrototypeOf(entity) as object | null; type; type = Object.getPrototypeOf(type) as object | null) {
            const convention = this.#idConventions.get(type.constructor as EntityClass);
            if (convention) return convention;
        }
        return this.documentIdGenerator;
    }

    /** The id that storing the entity without one would give it. */
    async generateDocumentId(databaseName: string, entity: object): Promise<string> {
        return this.idConventionOf(entity)?.(databaseName, entity) ?? this.generateId(this.getCollectionNameForEntity(entity));
    }

    getCollectionNameForEntity(entity: object): string | undefined {
        return this.describe(entity).collection;
    }

    getJsTypeByDocumentType(type: DocumentType): EntityClass | undefined {
        return this.classOf(type);
    }

    isUseOptimisticConcurrency(): boolean {
        return this.useOptimisticConcurrency;
    }

    setUseOptimisticConcurrency(value: boolean): void {
        this.useOptimisticConcurrency = value;
    }

    getCollectionNameForType(type: DocumentType): string {
        return this.findCollectionName(type) ?? pluralize.plural(this.#nameOf(type));
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
        return { collection: this.getCollectionNameForType(type), typeName: this.findJsTypeName(type) };
    }

    /** @internal An id nobody else makes, however long this device was offline. */
    generateId(collection: string | undefined): string {
        const name = collection ?? 'documents';
        return `${this.transformClassCollectionNameToDocumentIdPrefix(name)}${this.identityPartsSeparator}${sortableId()}`;
    }
}

/** What bundlers call classes is shorter. */
const SHORTEST_NAME = 3;
const warnedOf = new WeakSet<EntityClass>();

/** Documents that are stored under another name by the next build are in another collection. */
function warnOfName(type: EntityClass): void {
    if (warnedOf.has(type)) return;
    warnedOf.add(type);
    console.warn(
        `pinyon: a class called '${type.name}' names documents' collection and type. Where a bundler renames classes, ` +
            "say store.conventions.registerEntityType(Child, 'Child') before the class is used.",
    );
}

refuseAll(DocumentConventions.prototype, { registerQueryValueConverter: 'give queries the values that documents have' });
/** Settings that would change results, and the only value that they can have here. */
const SETTINGS: [names: string, value: unknown, why: string][] = [
    ['localToServerFieldNameConverter serverToLocalFieldNameConverter', undefined, 'names are stored as they are written'],
    ['objectMapper dateUtil', undefined, 'entities are made of documents in one way'],
    ['returnPlainJsObjects storeDatesWithTimezoneInfo', false, 'entities are made of documents in one way'],
    ['storeDatesInUtc', true, 'dates are stored in UTC'],
];
for (const [names, value, why] of SETTINGS) {
    for (const name of names.split(' ')) {
        const set = (given: unknown): void => { if ((given ?? value) !== value) refuse(`the convention ${name}`, why); };
        Object.defineProperty(DocumentConventions.prototype, name, { set, get: () => value, configurable: true });
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
