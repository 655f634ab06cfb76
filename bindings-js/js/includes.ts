// What is loaded with documents, as a builder says it.

import { refuseAll } from './unsupported.js';

/** Takes the paths of what to include: `(it) => it.includeDocuments('group')`. */
export interface IncludeBuilder {
    includeDocuments(path: string): IncludeBuilder;
}

class Builder implements IncludeBuilder {
    readonly paths: string[] = [];

    includeDocuments(path: string): this {
        this.paths.push(path);
        return this;
    }
}

/** The paths that are given, or built. */
export function includePaths(includes: string[] | ((builder: IncludeBuilder) => void) = []): string[] {
    if (typeof includes !== 'function') return includes;
    const builder = new Builder();
    includes(builder);
    return builder.paths;
}

refuseAll(Builder.prototype, {
    'includeCounter includeCounters includeAllCounters': 'there are no counters',
    'includeTimeSeries includeAllTimeSeries': 'there are no time series',
    includeCompareExchangeValue: 'there are no compare-exchange values',
    includeRevisions: 'load revisions with session.advanced.revisions',
});
