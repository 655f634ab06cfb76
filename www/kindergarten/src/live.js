// What is on the screen follows the database.

import { useEffect, useState } from '../vendor/preact.js';
import { store } from './database.js';

/**
 * What a live query or a live document says, now and whenever it changes: `make` gives one, or
 * nothing. The former answer stays until the next one is there.
 */
export function useFollowed(make, inputs) {
    const [state, setState] = useState({ results: [], document: null, isLoading: true });
    useEffect(() => {
        const live = make();
        if (!live) return undefined;
        const update = () => {
            const now = live.getSnapshot();
            // The first answer may be of an index that has just begun to read.
            const isEarly = now.results?.length === 0 && now.statistics?.isStale;
            if (!now.isLoading && !isEarly) setState(now);
        };
        const leave = live.subscribe(update);
        update();
        return leave;
    }, inputs);
    return state;
}

/** What `read` gives, now and after every change of a document. Gives `{ value, error }`. */
export function useRead(read) {
    const [answer, setAnswer] = useState({ value: undefined, error: undefined });
    useEffect(() => {
        let isOver = false;
        let isRunning = false;
        let mustRunAgain = false;
        const run = async () => {
            mustRunAgain = isRunning;
            if (isRunning) return;
            isRunning = true;
            do {
                mustRunAgain = false;
                try {
                    const value = await read();
                    if (!isOver) setAnswer({ value, error: undefined });
                } catch (error) {
                    if (!isOver) setAnswer((former) => ({ value: former.value, error }));
                }
            } while (mustRunAgain && !isOver);
            isRunning = false;
        };
        const changes = store.changes().forAllDocuments();
        changes.on('data', run);
        // Listening first: what is written while the first read runs is not missed.
        store.changes().ensureConnectedNow().then(run, (error) => { if (!isOver) setAnswer({ value: undefined, error }); });
        return () => {
            isOver = true;
            changes.off('data', run);
        };
    }, []);
    return answer;
}

/** The state of the sync, as it changes. */
export function useSyncStatus(sync) {
    const [status, setStatus] = useState(sync.status);
    useEffect(() => {
        setStatus(sync.status);
        sync.on('status', setStatus);
        return () => { sync.off('status', setStatus); };
    }, [sync]);
    return status;
}
