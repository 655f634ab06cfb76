import { DocumentStore } from 'pinyon';

class Child {
    constructor(name) {
        this.name = name;
    }
}

/** What became of the class's name in this build, and of an instance. */
globalThis.storeChild = async () => {
    store.conventions.registerEntityType(Child, 'Child');
    const session = store.openSession();
    const child = new Child('Ida');
    await session.store(child);
    await session.saveChanges();
    const reading = store.openSession();
    const [found] = await reading.query({ collection: 'Children' }).waitForNonStaleResults().all();
    const type = reading.advanced.getMetadataFor(found)['Raven-Node-Type'];
    return [Child.name === 'Child', found.id === child.id, found instanceof Child, type];
};

globalThis.open = (options) => {
    globalThis.store = new DocumentStore(options).initialize();
    return globalThis.store.opened;
};
globalThis.isReady = true;
