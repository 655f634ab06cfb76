// What a page's policy forbids: browsers tell of it beside the attempt, which only fails.

/**
 * Watches whether the policy of this page or worker forbids a connection to `url`. What it answers asks
 * after the attempt has failed, and ends the watch.
 */
export function watchPolicy(url: string): () => Promise<boolean> {
    let isForbidden = false;
    const listener = (event: Event): void => {
        const { effectiveDirective, blockedURI } = event as SecurityPolicyViolationEvent;
        // The address may be cut to its origin, or to its scheme.
        isForbidden ||= effectiveDirective === 'connect-src' && url.startsWith(blockedURI);
    };
    const place: Partial<EventTarget> = typeof document === 'undefined' ? globalThis : document;
    place.addEventListener?.('securitypolicyviolation', listener);
    return async () => {
        // Which of the two is told first is not said.
        await new Promise((resolve) => { setTimeout(resolve); });
        place.removeEventListener?.('securitypolicyviolation', listener);
        return isForbidden;
    };
}

/** Safari throws what a policy forbids, and tells workers nothing else; and what is not secure enough for a page. */
export function isThrownByPolicy(reason: unknown, url: string): boolean {
    if (!(reason instanceof DOMException) || reason.name !== 'SecurityError') return false;
    return globalThis.location?.protocol !== 'https:' || url.startsWith('wss:');
}

/** What to tell of a connection to `url` that the policy forbids. */
export const forbiddenText = (url: string): string =>
    `the page's Content-Security-Policy forbids it: connect-src needs ${new URL(url).origin}`;
