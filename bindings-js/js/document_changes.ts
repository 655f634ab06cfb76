// What differs between a document as it is stored and as it is, field by field: `whatChanged()`.

/** What happened to a field, in the official clients' words. */
export type ChangeType =
    | 'DocumentDeleted' | 'DocumentAdded' | 'FieldChanged' | 'NewField' | 'RemovedField'
    | 'ArrayValueChanged' | 'ArrayValueAdded' | 'ArrayValueRemoved';

/** One difference. Dates are in it as they are stored: as texts. */
export interface DocumentsChanges {
    change: ChangeType;
    /** What holds the field: '' for the document itself. */
    fieldPath: string;
    fieldName: string | null;
    /** `lines[0].price` */
    fieldFullName: string | null;
    fieldOldValue: unknown;
    fieldNewValue: unknown;
}

type Values = Record<string, unknown>;

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @internal */
export function changeOf(
    change: ChangeType,
    fieldPath = '',
    fieldName: string | null = null,
    fieldOldValue: unknown = null,
    fieldNewValue: unknown = null,
): DocumentsChanges {
    const fieldFullName = fieldPath && fieldName !== null ? `${fieldPath}.${fieldName}` : fieldName;
    return { change, fieldPath, fieldName, fieldFullName, fieldOldValue, fieldNewValue };
}

/** @internal What became of `old`, both as they are read from JSON. */
export function changesOf(old: Values, now: Values, path = ''): DocumentsChanges[] {
    const removed = Object.keys(old).filter((name) => !Object.hasOwn(now, name));
    return [
        ...removed.map((name) => changeOf('RemovedField', path, name, old[name])),
        ...Object.keys(now).flatMap((name) =>
            Object.hasOwn(old, name)
                ? changesOfValue(old[name], now[name], path === '' ? name : `${path}.${name}`, changeOf('FieldChanged', path, name, old[name], now[name]))
                : changeOf('NewField', path, name, null, now[name])),
    ];
}

/** `whole` is what to say where there is nothing to compare inside. */
function changesOfValue(old: unknown, now: unknown, path: string, whole: DocumentsChanges): DocumentsChanges[] {
    if (isObject(old) && isObject(now)) return changesOf(old, now, path);
    if (!Array.isArray(old) || !Array.isArray(now)) return old === now ? [] : [whole];
    return Array.from({ length: Math.max(old.length, now.length) }, (_, at) => {
        if (at >= now.length) return [changeOf('ArrayValueRemoved', path, whole.fieldName, old[at])];
        if (at >= old.length) return [changeOf('ArrayValueAdded', path, whole.fieldName, null, now[at])];
        const item = `${path}[${at}]`;
        return changesOfValue(old[at], now[at], item, changeOf('ArrayValueChanged', item, whole.fieldName, old[at], now[at]));
    }).flat();
}
