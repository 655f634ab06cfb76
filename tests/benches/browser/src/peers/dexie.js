import Dexie from 'dexie';

let database;

export default {
    async open() {
        database = new Dexie('dexie');
        database.version(1).stores({ orders: 'id' });
        await database.open();
    },
    bulkInsert: (orders) => database.orders.bulkAdd(orders),
    insertOne: (order) => database.orders.add(order),
    get: (id) => database.orders.get(id),
    multiGet: (ids) => database.orders.bulkGet(ids),
    async close() { database.close(); },
};
