// IndexedDB as it is: one record for each order, and an index.
import { totalsOf } from './workload.js';

const answer = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
});
const end = (transaction) => new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
});

export function indexedDbPeer(durability) {
    let database;
    const reading = () => database.transaction('orders', 'readonly').objectStore('orders');
    const write = async (orders) => {
        const transaction = database.transaction('orders', 'readwrite', { durability });
        for (const order of orders) transaction.objectStore('orders').put(order);
        transaction.commit();
        await end(transaction);
    };
    return {
        async open() {
            const request = indexedDB.open('raw', 1);
            request.onupgradeneeded = () => {
                request.result.createObjectStore('orders', { keyPath: 'id' }).createIndex('customer', 'customer');
            };
            database = await answer(request);
        },
        bulkInsert: write,
        insertOne: (order) => write([order]),
        get: (id) => answer(reading().get(id)),
        multiGet(ids) {
            const store = reading();
            return Promise.all(ids.map((id) => answer(store.get(id))));
        },
        query: (customer) => answer(reading().index('customer').getAll(customer)),
        aggregate: async () => totalsOf(await answer(reading().getAll())),
        async close() { database.close(); },
    };
}
