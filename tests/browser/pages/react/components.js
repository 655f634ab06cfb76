// What the tests of the hooks show, in pages and on servers. Each counts how often it is rendered.
import { createElement as h, memo } from 'react';
import { PinyonProvider, useDocument, useQuery, useSyncStatus } from 'pinyon/react';

export const renders = {};
const count = (name) => { renders[name] = (renders[name] ?? 0) + 1; };

const Child = memo(({ child }) => {
    count(child.id);
    return h('li', null, child.name);
});

function Children({ group }) {
    count('children');
    const { results, isLoading } = useQuery((session) =>
        session.query({ collection: 'Children' }).whereEquals('group', group).orderBy('name'));
    return h('ul', { id: 'children', 'aria-busy': isLoading }, results.map((child) => h(Child, { key: child.id, child })));
}

function Group({ id }) {
    count('group');
    const { document, isLoading } = useDocument(id);
    return h('h1', null, isLoading ? 'loading' : (document?.name ?? 'none'));
}

function Wrong() {
    const { error } = useQuery('from Children where ((');
    return h('p', { id: 'error' }, error?.code ?? 'none');
}

function Status() {
    return h('p', { id: 'status' }, useSyncStatus()?.phase ?? 'alone');
}

export function App({ store, group }) {
    return h(PinyonProvider, { store }, h(Group, { id: group }), group && h(Children, { group }), h(Wrong), h(Status));
}
