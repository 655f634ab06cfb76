// The names of documents that others refer to.

import { listAll, openReading } from './database.js';
import { KINDS } from './kinds.js';
import { ofCollections, useLive } from './live.js';

const REFERRED = ['children', 'groups', 'parents'];

/** All that can be referred to, by kind, and a function from id to name. */
export function useNames() {
    const { value: names = {} } = useLive(async () => {
        const lists = await Promise.all(REFERRED.map((kind) => listAll(kind)));
        return Object.fromEntries(REFERRED.map((kind, at) => [kind, lists[at]]));
    }, [], ofCollections(...REFERRED.map((kind) => KINDS[kind].collection)));
    const byId = new Map(Object.values(names).flat().map((it) => [it.id, it.name]));
    return { names, nameOf: (id) => byId.get(id) ?? 'One that is not here' };
}

/** The registrations that have not ended, by child. */
export function useGroupsOfChildren() {
    const { value = new Map() } = useLive(async () => {
        const running = await openReading().query({ collection: 'Registrations' })
            .whereNotEquals('status', 'ended').waitForNonStaleResults().all();
        return new Map(running.map((it) => [it.child, it.group]));
    }, [], ofCollections('Registrations'));
    return value;
}
