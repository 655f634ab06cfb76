// Fields and what they are called in results.

/** `new QueryData(['name', 'address.city'], ['name', 'city'])`. */
export class QueryData {
    /** @internal */
    isCustomFunction = false;
    fromAlias: string | undefined;

    constructor(public fields: string[], public projections: string[]) {}

    /** An object computed from each document: `QueryData.customFunction('o', '{ total: o.price * o.count }')`. */
    static customFunction(alias: string, func: string): QueryData {
        return Object.assign(new QueryData([func], []), { isCustomFunction: true, fromAlias: alias });
    }
}
