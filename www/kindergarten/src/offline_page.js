// The service worker, which lets this page load without a network, and newer versions of it.

/** Installs the worker. `onRenewable` calls back when a newer version waits; `renew` takes it. */
export function installPage() {
    const listeners = new Set();
    let waiting;
    const tell = (worker) => {
        waiting = worker;
        for (const listener of listeners) listener();
    };
    // Without one the page works, as long as the server can be reached.
    if (!navigator.serviceWorker) return { onRenewable: () => undefined, renew: () => location.reload() };
    navigator.serviceWorker.register('service-worker.js', { updateViaCache: 'none' }).then((registration) => {
        if (registration.waiting && registration.active) tell(registration.waiting);
        registration.addEventListener('updatefound', () => {
            const worker = registration.installing;
            worker.addEventListener('statechange', () => {
                if (worker.state === 'installed' && registration.active) tell(worker);
            });
        });
    }, (error) => console.warn('the page does not load without a network:', error.message));
    return {
        onRenewable(listener) {
            listeners.add(listener);
            if (waiting) listener();
        },
        renew() {
            navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
            waiting.postMessage('take over');
        },
    };
}
