// Pinyon as an application uses it: a session for each unit of work.
import { DocumentStore } from 'pinyon';

export function pinyonPeer(durability) {
    let store;
    const save = async (orders) => {
        const session = store.openSession();
        for (const order of orders) await session.store(order, order.id);
        await session.saveChanges();
    };
    return {
        async open() {
            store = new DocumentStore({ database: `bench-${durability}`, durability }).initialize();
            await store.opened;
        },
        bulkInsert: save,
        insertOne: (order) => save([order]),
        get: (id) => store.openSession().load(id),
        async multiGet(ids) { return Object.values(await store.openSession().load(ids)); },
        close: () => store.dispose(),
    };
}
