// An application that lives in a worker.
import { DocumentStore } from '/pinyon/index.js';

const store = new DocumentStore('of a worker');
const session = store.openSession();
await session.store({ name: 'Eva' }, 'users/1');
await session.saveChanges();
const { name } = await store.openSession().load('users/1');
await store.dispose();
globalThis.postMessage(name);
