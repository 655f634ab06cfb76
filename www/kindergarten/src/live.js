// What is on the screen follows the database: reads run again when a change concerns them.

import { useEffect, useState } from '../vendor/preact.js';
import { store } from './database.js';

const listeners = new Set();

/** Begins to follow the database; what is shown before would not. */
export function followChanges() {
    store.changes().forAllDocuments().on('data', (change) => {
        for (const listener of [...listeners]) listener(change);
    });
    return store.changes().ensureConnectedNow();
}

/**
 * What `read` gives, now and after every change of a document that `concerns` picks. The former
 * answer stays until the next one is there. Gives `{ value, error }`.
 */
export function useLive(read, inputs, concerns = () => true) {
    const [answer, setAnswer] = useState({ value: undefined, error: undefined });
    useEffect(() => {
        let isOver = false;
        let isRunning = false;
        let mustRunAgain = false;
        const run = async () => {
            if (isRunning) {
                mustRunAgain = true;
                return;
            }
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
        const listener = (change) => { if (concerns(change)) run(); };
        // Listening first: what is written while the first read runs is not missed.
        listeners.add(listener);
        run();
        return () => {
            isOver = true;
            listeners.delete(listener);
        };
    }, inputs);
    return answer;
}

/** Whether a change is of one of these collections. */
export const ofCollections = (...names) => (change) => names.includes(change.collectionName);

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
