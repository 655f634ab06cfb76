// Compiled and not run: the package's types as strict applications see them.
import DefaultStore, {
    AbstractJavaScriptIndexCreationTask,
    ConcurrencyError,
    DocumentStore,
    type DocumentQueryOptions,
    type IAdvancedSessionOperations,
    type IDocumentQuery,
    type IDocumentSession,
    type IDocumentStore,
    type IMetadataDictionary,
} from 'pinyon';
import { PinyonProvider, useDocument, useQuery, useSyncStatus } from 'pinyon/react';

class Child {
    id?: string;
    name = '';
    born?: Date;
}

interface Group {
    id?: string;
    size: number;
}

class Children_ByName extends AbstractJavaScriptIndexCreationTask<Child, { name: string }> {
    constructor() {
        super();
        this.map(Child, (child) => ({ name: child.name }));
    }
}

export const store: IDocumentStore = new DefaultStore({ database: 'typed' });
const same: DocumentStore = store;

export async function rename(session: IDocumentSession, id: string, name: string): Promise<string | undefined> {
    const child = await session.load<Child>(id, Child);
    if (child === null) return undefined;
    child.name = name;
    const advanced: IAdvancedSessionOperations = session.advanced;
    const metadata: IMetadataDictionary = advanced.getMetadataFor(child);
    try {
        await session.saveChanges();
    } catch (error) {
        if (error instanceof ConcurrencyError) return error.id;
        throw error;
    }
    return String(metadata['@collection']);
}

export async function ask(options: DocumentQueryOptions<Group>): Promise<number> {
    using session = same.openSession();
    const query: IDocumentQuery<Group> = session.query<Group>(options).whereGreaterThan('size', 3);
    const groups: Group[] = await query.all();
    const byId = await session.load<Group>(['groups/1', 'groups/2']);
    // @ts-expect-error There may be none.
    const size: number = byId['groups/1'].size;
    const indexed = await session.query<Child>({ index: Children_ByName }).first();
    // @ts-expect-error Groups have no names.
    groups[0]?.name;
    return groups.length + size + indexed.name.length;
}

export function List({ id }: { id: string }) {
    const { results, isLoading, error } = useQuery<Child>((session) => session.query<Child>({ collection: 'Children' }));
    const { document } = useDocument<Group>(id);
    const phase = useSyncStatus()?.phase;
    return (
        <PinyonProvider store={same}>
            {isLoading || error ? phase : results.map((child) => child.name)} {document?.size}
        </PinyonProvider>
    );
}
