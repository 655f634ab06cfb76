import { indexedDbPeer } from '../indexed_db.js';

export default indexedDbPeer('strict');
