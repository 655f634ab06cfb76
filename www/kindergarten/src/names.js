// The names of documents that others refer to.

import { useMemo } from '../vendor/preact.js';
import { listAll, store } from './database.js';
import { useFollowed } from './live.js';

/** All that can be referred to, by kind, and a function from id to name. */
export function useNames() {
    const { results: children } = useFollowed(() => listAll('children'), []);
    const { results: groups } = useFollowed(() => listAll('groups'), []);
    const { results: parents } = useFollowed(() => listAll('parents'), []);
    return useMemo(() => {
        const byId = new Map([children, groups, parents].flat().map((it) => [it.id, it.name]));
        return { names: { children, groups, parents }, nameOf: (id) => byId.get(id) ?? 'One that is not here' };
    }, [children, groups, parents]);
}

/** The groups that children are registered for now, by child. */
export function useGroupsOfChildren() {
    const { results } = useFollowed(() => store.liveQuery("from Registrations where status != 'ended'"), []);
    return useMemo(() => new Map(results.map((it) => [it.child, it.group])), [results]);
}
