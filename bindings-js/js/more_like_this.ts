// Documents like another: `moreLikeThis()` of queries over an index.

/** Which words of a document are telling. What is left out is as it is by default. */
export interface MoreLikeThisOptions {
    minimumTermFrequency?: number;
    maximumQueryTerms?: number;
    minimumWordLength?: number;
    maximumWordLength?: number;
    minimumDocumentFrequency?: number;
    maximumDocumentFrequency?: number;
    maximumDocumentFrequencyPercentage?: number;
    boost?: boolean;
    boostFactor?: number;
    /** A document with `StopWords`: words that do not count. */
    stopWordsDocumentId?: string;
    fields?: string[];
}

/** What results are to be like. */
export abstract class MoreLikeThisBase {
    options: MoreLikeThisOptions | undefined;
}

/** A document that need not be stored, as JSON. */
export class MoreLikeThisUsingDocument extends MoreLikeThisBase {
    constructor(public documentJson: string) {
        super();
    }
}

/** Any document that the conditions before it find. */
export class MoreLikeThisUsingAnyDocument extends MoreLikeThisBase {}

/** The document that conditions find. */
export class MoreLikeThisUsingDocumentForDocumentQuery<Q> extends MoreLikeThisBase {
    constructor(public forDocumentQuery: (query: Q) => unknown) {
        super();
    }
}

/** Says what results are to be like: `(it) => it.usingDocument((query) => query.whereEquals('id()', 'articles/1'))`. */
export class MoreLikeThisBuilder<Q> {
    /** @internal */
    moreLikeThis: MoreLikeThisBase = new MoreLikeThisUsingAnyDocument();

    usingAnyDocument(): this {
        this.moreLikeThis = new MoreLikeThisUsingAnyDocument();
        return this;
    }

    usingDocument(document: string | ((query: Q) => unknown)): this {
        this.moreLikeThis = typeof document === 'string'
            ? new MoreLikeThisUsingDocument(document)
            : new MoreLikeThisUsingDocumentForDocumentQuery<Q>(document);
        return this;
    }

    withOptions(options: MoreLikeThisOptions): this {
        this.moreLikeThis.options = options;
        return this;
    }
}

/** @internal What was given, built or made. */
export function moreLikeThisOf<Q>(given: MoreLikeThisBase | ((builder: MoreLikeThisBuilder<Q>) => void)): MoreLikeThisBase {
    if (typeof given !== 'function') return given;
    const builder = new MoreLikeThisBuilder<Q>();
    given(builder);
    return builder.moreLikeThis;
}
