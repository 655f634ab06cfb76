// SQLite in a worker, over the origin's private file system, with a log written ahead.
let worker;
let next = 0;
const waiting = new Map();

const call = (method, ...args) => new Promise((resolve, reject) => {
    waiting.set(next, { resolve, reject });
    worker.postMessage([next++, method, args]);
});
const row = (order) => [order.id, order.customer, order.total, JSON.stringify(order)];

export default {
    async open() {
        worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
        worker.onmessage = ({ data: [number, error, result] }) => {
            const { resolve, reject } = waiting.get(number);
            waiting.delete(number);
            if (error) reject(new Error(error));
            else resolve(result);
        };
        await call('open');
    },
    bulkInsert: (orders) => call('bulk', orders.map(row)),
    insertOne: (order) => call('bulk', [row(order)]),
    get: async (id) => JSON.parse(await call('get', id)),
    multiGet: async (ids) => (await call('many', ids)).map((text) => JSON.parse(text)),
    query: async (customer) => (await call('query', customer)).map((text) => JSON.parse(text)),
    aggregate: async () => new Map(await call('aggregate')),
    async close() {
        await call('close');
        worker.terminate();
    },
};
