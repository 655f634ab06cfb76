import sqlite3InitModule from '@sqlite.org/sqlite-wasm';

let database;
let insert;
let select;
let pool;

const methods = {
    async open() {
        const sqlite = await sqlite3InitModule();
        pool = await sqlite.installOpfsSAHPoolVfs({ name: 'pool' });
        database = new pool.OpfsSAHPoolDb('/orders.db');
        database.exec('PRAGMA locking_mode=exclusive; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;');
        database.exec('CREATE TABLE IF NOT EXISTS orders(id TEXT PRIMARY KEY, customer TEXT NOT NULL, total REAL NOT NULL, body TEXT NOT NULL) WITHOUT ROWID');
        database.exec('CREATE INDEX IF NOT EXISTS byCustomer ON orders(customer)');
        insert = database.prepare('INSERT INTO orders VALUES (?,?,?,?)');
        select = database.prepare('SELECT body FROM orders WHERE id = ?');
    },
    bulk(rows) {
        database.exec('BEGIN');
        for (const row of rows) insert.bind(row).stepReset();
        database.exec('COMMIT');
    },
    get(id) {
        select.bind([id]);
        const body = select.step() ? select.get(0) : null;
        select.reset();
        return body;
    },
    many: (ids) => database.selectValues('SELECT body FROM orders WHERE id IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]),
    query: (customer) => database.selectValues('SELECT body FROM orders WHERE customer = ?', [customer]),
    aggregate: () => database.selectArrays('SELECT customer, SUM(total) FROM orders GROUP BY customer'),
    close() {
        insert.finalize();
        select.finalize();
        database.close();
        pool.pauseVfs?.();
    },
};

let running = Promise.resolve();
globalThis.onmessage = ({ data: [number, method, args] }) => {
    running = running.then(async () => {
        try {
            globalThis.postMessage([number, null, await methods[method](...args)]);
        } catch (error) {
            globalThis.postMessage([number, String(error?.stack ?? error)]);
        }
    });
};
