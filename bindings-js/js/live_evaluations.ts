// Live queries where the database is: asked again when their answer may differ, and told when it does.
//
// One evaluation serves all who ask the same. It runs once at a time, so that what is written
// meanwhile makes one more run and not many; between runs stands a pause, for bursts of writes.

import type { Database, LiveQuery } from '../dist/whole/pinyon.js';
import { toDetails } from './errors.js';
import type { DocumentChange, LiveAnswer, LiveRequest } from './protocol.js';

/** Runs of one query are not begun more often than this. */
const SHORTEST_PAUSE_MS = 16;
const CHANGES_AT_ONCE = 1024;
/** In no text of JSON before it: quotes inside are escaped. */
const RESULTS = ',"Results":[';

type Tell = (caller: string, key: number, answer: LiveAnswer) => void;

/** What was written since the last look: ids, or too much to name. */
type Written = Set<string> | 'anything';

/** Something that is followed: how to look at it. */
interface Subject {
    /** What to tell, if it may be something else than last time. */
    look(isResumed: boolean): Promise<string | undefined>;
    /** Whether another look may tell more though nothing is written. */
    readonly isUnsettled: boolean;
    concerns(written: Written): boolean;
    free(): void;
}

class QuerySubject implements Subject {
    readonly #query: LiveQuery;
    #etag: string | undefined;
    #hasAnswered = false;
    isUnsettled = false;

    constructor(database: Database, query: string) {
        this.#query = database.prepareLive(query);
    }

    async look(isResumed: boolean): Promise<string | undefined> {
        const last = this.#etag;
        const isUnsettled = this.isUnsettled;
        // A look that fails begins anew with the next one.
        this.#etag = undefined;
        this.isUnsettled = false;
        if (last !== undefined && !isUnsettled && (await this.#query.resultEtag()) === last) {
            this.#etag = last;
            return undefined;
        }
        // The first answer comes at once; later ones wait for the index, or they would show what was.
        const waits = isResumed || this.#hasAnswered;
        const text = await this.#query.answer(waits);
        // What is known of the answer stands before its results.
        const facts = JSON.parse(`${text.slice(0, text.indexOf(RESULTS))}}`) as { ResultEtag: string; IsStale: boolean };
        this.#etag = facts.ResultEtag;
        this.isUnsettled = facts.IsStale && !waits;
        this.#hasAnswered = true;
        return text;
    }

    concerns(): boolean {
        return true;
    }

    free(): void {
        this.#query.free();
    }
}

class DocumentSubject implements Subject {
    readonly #database: Database;
    readonly #id: string;
    readonly #includes: string[];
    readonly isUnsettled = false;

    constructor(database: Database, id: string, includes: string[]) {
        this.#database = database;
        this.#id = id;
        this.#includes = includes;
    }

    look(): Promise<string> {
        return this.#database.load([this.#id], this.#includes);
    }

    concerns(written: Written): boolean {
        return written === 'anything' || this.#includes.length > 0 || written.has(this.#id.toLowerCase());
    }

    free(): void {
        // It holds nothing.
    }
}

function pause(ms: number): Promise<void> {
    return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/** What of an answer makes a difference to who reads it. */
function essence(text: string): string {
    const etag = /"ResultEtag":"-?\d+"/;
    const end = text.indexOf(RESULTS);
    return end < 0 ? text : text.slice(0, end).replace(etag, '') + text.slice(end);
}

/** One subject, and who follows it. */
class Evaluation {
    readonly followers = new Map<string, Set<number>>();
    readonly #tell: Tell;
    readonly #ended: Promise<void>;
    #last: LiveAnswer | undefined;
    #essence: string | undefined;
    #isPoked = false;
    #isEnded = false;
    #isResumed: boolean;
    #wake: () => void = () => undefined;

    constructor(makeSubject: () => Subject, isResumed: boolean, tell: Tell) {
        this.#tell = tell;
        this.#isResumed = isResumed;
        this.#ended = this.#run(makeSubject);
    }

    concerns: (written: Written) => boolean = () => true;

    join(caller: string, key: number): void {
        const keys = this.followers.get(caller) ?? new Set();
        this.followers.set(caller, keys.add(key));
        if (this.#last) this.#tell(caller, key, this.#last);
    }

    /** Lets go of a follower, or all of a caller's; whether anybody is left. */
    leave(caller: string, key?: number): boolean {
        if (key !== undefined) this.followers.get(caller)?.delete(key);
        if (key === undefined || this.followers.get(caller)?.size === 0) this.followers.delete(caller);
        return this.followers.size > 0;
    }

    poke(): void {
        this.#isPoked = true;
        this.#wake();
    }

    end(): Promise<void> {
        this.#isEnded = true;
        this.#wake();
        return this.#ended;
    }

    async #run(makeSubject: () => Subject): Promise<void> {
        let subject: Subject;
        try {
            subject = makeSubject();
        } catch (reason) {
            // It will never be understood. Whoever follows joins after this returns.
            await Promise.resolve();
            this.#say({ error: toDetails(reason) });
            return;
        }
        this.concerns = (written) => subject.concerns(written);
        try {
            while (!this.#isEnded) {
                this.#isPoked = false;
                if (await this.#look(subject)) await pause(SHORTEST_PAUSE_MS);
                while (!this.#isPoked && !subject.isUnsettled && !this.#isEnded) {
                    await new Promise<void>((resolve) => { this.#wake = resolve; });
                }
            }
        } finally {
            subject.free();
        }
    }

    async #look(subject: Subject): Promise<boolean> {
        let text: string | undefined;
        try {
            text = await subject.look(this.#isResumed);
            this.#isResumed = false;
        } catch (reason) {
            this.#essence = undefined;
            const error = toDetails(reason);
            if (JSON.stringify(this.#last?.error) !== JSON.stringify(error)) this.#say({ error });
            return true;
        }
        if (text === undefined) return false;
        const told = essence(text);
        if (told !== this.#essence) this.#say({ text });
        this.#essence = told;
        return true;
    }

    #say(answer: LiveAnswer): void {
        if (this.#isEnded) return;
        this.#last = answer;
        for (const [caller, keys] of this.followers) {
            for (const key of keys) this.#tell(caller, key, answer);
        }
    }
}

/** All live queries of all callers. */
export class LiveEvaluations {
    readonly #database: Database;
    readonly #tell: Tell;
    readonly #evaluations = new Map<string, Evaluation>();
    #lastEtag: number | undefined;
    #looking: Promise<void> | undefined;
    #isPoked = false;

    constructor(database: Database, tell: Tell) {
        this.#database = database;
        this.#tell = tell;
    }

    async start(caller: string, key: number, request: LiveRequest, isResumed: boolean): Promise<void> {
        // Before the first look, so that nothing written after it is passed over.
        if (this.#evaluations.size === 0) this.#lastEtag = await this.#newest();
        const name = JSON.stringify(request);
        let evaluation = this.#evaluations.get(name);
        if (!evaluation) {
            const makeSubject = (): Subject =>
                'query' in request
                    ? new QuerySubject(this.#database, request.query)
                    : new DocumentSubject(this.#database, request.id, request.includes);
            evaluation = new Evaluation(makeSubject, isResumed, this.#tell);
            this.#evaluations.set(name, evaluation);
        }
        evaluation.join(caller, key);
    }

    stop(caller: string, key?: number): void {
        for (const [name, evaluation] of this.#evaluations) {
            const isFollowed = key === undefined || evaluation.followers.get(caller)?.has(key);
            if (isFollowed && !evaluation.leave(caller, key)) {
                this.#evaluations.delete(name);
                void evaluation.end();
            }
        }
    }

    /** Something was written, or came from a server. */
    wrote(): void {
        if (this.#evaluations.size === 0) return;
        this.#isPoked = true;
        this.#looking ??= this.#look().finally(() => { this.#looking = undefined; });
    }

    /** Indexes were changed. */
    pokeAll(): void {
        for (const evaluation of this.#evaluations.values()) evaluation.poke();
    }

    async close(): Promise<void> {
        const all = [...this.#evaluations.values()];
        this.#evaluations.clear();
        await Promise.all(all.map((it) => it.end()));
        await this.#looking;
    }

    async #newest(): Promise<number> {
        const { LastDocEtag } = JSON.parse(await this.#database.statistics()) as { LastDocEtag: number };
        return LastDocEtag;
    }

    async #look(): Promise<void> {
        while (this.#isPoked) {
            this.#isPoked = false;
            let written: Written;
            try {
                written = await this.#written();
            } catch {
                // The evaluations meet the reason themselves, and tell it.
                written = 'anything';
            }
            for (const evaluation of this.#evaluations.values()) {
                if (evaluation.concerns(written)) evaluation.poke();
            }
        }
    }

    async #written(): Promise<Written> {
        const text = await this.#database.changesAfter(this.#lastEtag ?? 0, CHANGES_AT_ONCE);
        const { Changes, LastEtag, IsComplete } = JSON.parse(text) as {
            Changes: DocumentChange[];
            LastEtag: number;
            IsComplete: boolean;
        };
        this.#lastEtag = IsComplete ? LastEtag : await this.#newest();
        return IsComplete ? new Set(Changes.map((it) => it.id.toLowerCase())) : 'anything';
    }
}
