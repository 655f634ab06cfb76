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
