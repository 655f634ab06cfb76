// Hooks for React: components that show what is stored, and are rendered again when that changes.

import { createContext, createElement, useCallback, useContext, useMemo, useSyncExternalStore } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { DocumentType } from './conventions.js';
import type { LiveDocumentState, LiveResults } from './live.js';
import type { SyncState } from './protocol.js';
import type { DocumentQuery, RawDocumentQuery } from './query.js';
import type { DocumentSession } from './session.js';
import type { DocumentStore } from './store.js';

const StoreContext = createContext<DocumentStore | null>(null);

export interface PinyonProviderProps {
    store: DocumentStore;
    children?: ReactNode;
}

/** Gives a store to the components inside. */
export function PinyonProvider({ store, children }: PinyonProviderProps): ReactElement {
    return createElement(StoreContext.Provider, { value: store }, children);
}

/** The store of the nearest `PinyonProvider`. */
export function useStore(): DocumentStore {
    const store = useContext(StoreContext);
    if (!store) throw new Error('there is no store here: put <PinyonProvider store={store}> around this component');
    return store;
}

const nothing = (): undefined => undefined;
const noChange = (): (() => void) => nothing;

const none = { includes: {}, error: undefined, isLoading: false, metadataOf: nothing };
const NO_RESULTS: LiveResults<never> = { ...none, results: [], statistics: undefined };
const NO_DOCUMENT: LiveDocumentState<never> = { ...none, document: null };

/** What can be followed, and tells what it follows. */
interface Followed<S> {
    readonly key: string;
    readonly getSnapshot: () => S;
    readonly subscribe: (listener: () => void) => () => void;
}

/** The state of what is followed, which is replaced when something else is to be followed. */
function useLive<S>(store: DocumentStore, asked: Followed<S> | null, without: S): S {
    const key = asked?.key;
    // Of two that follow the same the first stays: it has the results already.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    const live = useMemo(() => asked, [store, key]);
    const getSnapshot = live ? live.getSnapshot : (): S => without;
    return useSyncExternalStore(live ? live.subscribe : noChange, getSnapshot, getSnapshot);
}

/** A query in RQL, or one built on a session; `null` for none yet. */
export type UsedQuery<T extends object> =
    | string
    | ((session: DocumentSession) => DocumentQuery<T> | RawDocumentQuery<T>)
    | null;

/**
 * The results of a query, as they are and whenever they change. The component is rendered again only
 * when they do. A function is called with each rendering; what counts is the query it makes.
 */
export function useQuery<T extends object>(
    query: UsedQuery<T>,
    parameters?: Record<string, unknown>,
    documentType?: DocumentType<T>,
): LiveResults<T> {
    const store = useStore();
    const asked = query === null ? null : store.liveQuery<T>(query, parameters, documentType);
    return useLive<LiveResults<T>>(store, asked, NO_RESULTS);
}

/** A document, as it is and whenever it changes; `null` as id for none yet. */
export function useDocument<T extends object>(
    id: string | null | undefined,
    options: { includes?: string[]; documentType?: DocumentType<T> } = {},
): LiveDocumentState<T> {
    const store = useStore();
    const asked = id === null || id === undefined ? null : store.liveDocument<T>(id, options);
    return useLive<LiveDocumentState<T>>(store, asked, NO_DOCUMENT);
}

/** How the database stands with its server; `undefined` while it does not sync. */
export function useSyncStatus(): SyncState | undefined {
    const store = useStore();
    const subscribe = useCallback((listener: () => void) => {
        store.on('syncStatus', listener);
        return () => { store.off('syncStatus', listener); };
    }, [store]);
    return useSyncExternalStore(subscribe, () => store.syncStatus, nothing);
}
