// What is loaded with documents, as a builder says it.

/** Takes the paths of what to include: `(it) => it.includeDocuments('group')`. */
export interface IncludeBuilder {
    includeDocuments(path: string): IncludeBuilder;
}

/** The paths that are given, or built. */
export function includePaths(includes: string[] | ((builder: IncludeBuilder) => void) = []): string[] {
    if (typeof includes !== 'function') return includes;
    const paths: string[] = [];
    const builder: IncludeBuilder = { includeDocuments: (path) => { paths.push(path); return builder; } };
    includes(builder);
    return paths;
}
