// Lets the page load without a network. VERSION and FILES stand above: the build writes them.
//
// All files of a version are kept together under one name, so that a page never gets parts of two.
// A newer version waits until the page says so, or no tab shows the older one.

/* global VERSION, FILES */
const PREFIX = 'kindergarten-page-';
const NAME = PREFIX + VERSION;
const PAGE = new URL('index.html', globalThis.registration.scope).href;

globalThis.addEventListener('install', (event) => {
    event.waitUntil((async () => {
        const cache = await caches.open(NAME);
        // Past the browser's HTTP cache: what it holds may be of another version.
        await cache.addAll(FILES.map((file) => new Request(file, { cache: 'no-cache' })));
        // The first version need not wait for another to go.
        if (!globalThis.registration.active) await globalThis.skipWaiting();
    })());
});

globalThis.addEventListener('activate', (event) => {
    event.waitUntil((async () => {
        for (const name of await caches.keys()) {
            if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
        }
        await globalThis.clients.claim();
    })());
});

globalThis.addEventListener('message', ({ data }) => {
    if (data === 'take over') globalThis.skipWaiting();
});

globalThis.addEventListener('fetch', (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== 'GET' || url.origin !== location.origin) return;
    if (!url.href.startsWith(globalThis.registration.scope)) return;
    const path = url.href.slice(globalThis.registration.scope.length).replace(/[?#].*$/, '');
    const isPage = request.mode === 'navigate';
    if (!isPage && !FILES.includes(path)) return;
    event.respondWith((async () => {
        const cache = await caches.open(NAME);
        const kept = await cache.match(isPage ? PAGE : request, { ignoreSearch: true, ignoreVary: true });
        // The browser may have thrown the cache away.
        return kept ?? fetch(request);
    })());
});
