/** What the caller of a failed operation should do; stable, unlike messages. */
export type ErrorCode =
    | 'NotFound'
    | 'ConcurrencyConflict'
    | 'DocumentConflict'
    | 'InvalidRequest'
    | 'LimitExceeded'
    | 'Unsupported'
    | 'NotLoaded'
    /** The content of an attachment is not on this device, and cannot be had now: try again online. */
    | 'NotLocal'
    | 'Unauthorized'
    | 'Unavailable'
    | 'TimedOut'
    | 'StorageFull'
    | 'Corrupted'
    | 'Closed'
    | 'Internal';

/** An error as it travels between workers and tabs. */
export interface ErrorDetails {
    code: ErrorCode;
    message: string;
    id?: string;
    expectedChangeVector?: string;
    actualChangeVector?: string | null;
    isDoneAlready?: boolean;
}

/** Whether the small module has no part for what was asked. */
export function isNotLoaded(reason: unknown): boolean {
    return (reason as Partial<ErrorDetails> | undefined)?.code === 'NotLoaded';
}

/** Every error of this package: `code` says what to do, `message` what happened. */
export class PinyonError extends Error {
    readonly code: ErrorCode;

    constructor(code: ErrorCode, message: string) {
        super(message);
        this.name = 'PinyonError';
        this.code = code;
    }
}

/** Somebody else changed a document first: load it again and retry. */
export class ConcurrencyError extends PinyonError {
    /** The document. */
    readonly id: string;
    /** The change vector this session knows; empty for "must not exist". */
    readonly expectedChangeVector: string;
    /** The stored one; `null` when the document is missing. */
    readonly actualChangeVector: string | null;

    constructor(details: ErrorDetails) {
        super('ConcurrencyConflict', details.message);
        this.name = 'ConcurrencyException';
        this.id = details.id ?? '';
        this.expectedChangeVector = details.expectedChangeVector ?? '';
        this.actualChangeVector = details.actualChangeVector ?? null;
    }
}

/** Several versions of a document live: `store.conflicts` shows them, a put or delete settles it. */
export class DocumentConflictError extends PinyonError {
    /** The document. */
    readonly id: string;

    constructor(details: ErrorDetails) {
        super('DocumentConflict', details.message);
        this.name = 'DocumentConflictException';
        this.id = details.id ?? '';
    }
}

/** The details of anything thrown. */
export function toDetails(thrown: unknown): ErrorDetails {
    const error = thrown as Partial<ErrorDetails> & { message?: string };
    const details: ErrorDetails = {
        code: error?.code ?? 'Internal',
        message: error?.message ?? String(thrown),
    };
    for (const name of ['id', 'expectedChangeVector', 'actualChangeVector', 'isDoneAlready'] as const) {
        if (error?.[name] !== undefined) Object.assign(details, { [name]: error[name] });
    }
    return details;
}

/** The error that details describe. */
export function toError(details: ErrorDetails): PinyonError {
    if (details.code === 'ConcurrencyConflict' && details.id !== undefined) return new ConcurrencyError(details);
    if (details.code === 'DocumentConflict' && details.id !== undefined) return new DocumentConflictError(details);
    const error = new PinyonError(details.code, details.message);
    if (details.isDoneAlready) Object.assign(error, { isDoneAlready: true });
    return error;
}
