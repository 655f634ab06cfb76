import { pinyonPeer } from '../pinyon.js';

export default pinyonPeer('strict');
