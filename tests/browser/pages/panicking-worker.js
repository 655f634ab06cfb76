// The worker of the package, which on request does what a panic in its module does.
import '/pinyon/worker.js';

globalThis.addEventListener('message', ({ data }) => {
    if (data[0]?.type !== 'panic') return;
    setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable'); });
});
