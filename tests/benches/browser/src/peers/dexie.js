import Dexie from 'dexie';
import { totalsOf } from '../workload.js';

let database;

export default {
    async open() {
        database = new Dexie('dexie');
        database.version(1).stores({ orders: 'id, customer' });
        await database.open();
    },
    bulkInsert: (orders) => database.orders.bulkAdd(orders),
    insertOne: (order) => database.orders.add(order),
    get: (id) => database.orders.get(id),
    multiGet: (ids) => database.orders.bulkGet(ids),
    query: (customer) => database.orders.where('customer').equals(customer).toArray(),
    aggregate: async () => totalsOf(await database.orders.toArray()),
    async close() { database.close(); },
};
