// Pinyon as an application uses it: a session for each unit of work.
import { DocumentConventions, DocumentStore } from 'pinyon';

const TOTALS = 'from Orders group by customer select key() as customer, sum(total) as total';

export function pinyonPeer(durability) {
    let store;
    const save = async (orders) => {
        const session = store.openSession();
        for (const order of orders) await session.store(order, order.id);
        await session.saveChanges();
    };
    return {
        async open() {
            const conventions = new DocumentConventions();
            conventions.findCollectionNameForObjectLiteral = () => 'Orders';
            store = new DocumentStore({ database: `bench-${durability}`, durability, conventions, privateFiles: true }).initialize();
            await store.opened;
        },
        bulkInsert: save,
        insertOne: (order) => save([order]),
        get: (id) => store.openSession().load(id),
        async multiGet(ids) { return Object.values(await store.openSession().load(ids)); },
        query: (customer) => store.openSession().query({ collection: 'Orders' }).whereEquals('customer', customer).waitForNonStaleResults().all(),
        async aggregate() {
            const rows = await store.openSession().advanced.rawQuery(TOTALS).waitForNonStaleResults().all();
            return new Map(rows.map(({ customer, total }) => [customer, total]));
        },
        close: () => store.dispose(),
    };
}
