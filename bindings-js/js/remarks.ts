// Remarks on results: words that were found, why a document is a result, how long it took.

/** What is shown of texts in which words were found. */
export interface HighlightingParameters {
    fieldName: string;
    /** In characters, about. */
    fragmentLength: number;
    fragmentCount: number;
    /** Of groups: the field that tells them apart. */
    groupKey?: string;
    /** What stands before and after what was found, for each word in turn. */
    preTags?: string[];
    postTags?: string[];
}

/** The fragments of one field, by the ids of the documents. */
export class Highlightings {
    #fragments: Record<string, string[]> = {};

    constructor(readonly fieldName: string) {}

    get resultIndents(): string[] {
        return Object.keys(this.#fragments);
    }

    /** Those of a document, by its id; of a group, by its key. */
    getFragments(key: string): string[] {
        return this.#fragments[key] ?? [];
    }

    /** @internal */
    update(all: Record<string, Record<string, string[]>> | undefined): void {
        this.#fragments = all?.[this.fieldName] ?? {};
    }
}

export interface ExplanationOptions {
    /** Of groups: the field that tells them apart. */
    groupKey: string;
}

/** Why documents are results, by their ids. */
export interface Explanations {
    explanations: Record<string, string[]>;
}

/** How long the answer took, as the page saw it. */
export interface QueryTimings {
    durationInMs: number;
}
