// The bytes of a Blob, piece by piece.

/** Read by hand: Safari's streams cannot be iterated. */
export async function* piecesOf(content: Blob): AsyncGenerator<Uint8Array> {
    const reader = content.stream().getReader();
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            yield value;
        }
    } finally {
        // Whoever breaks off wants no more of it; at the end there is nothing to cancel.
        await reader.cancel();
    }
}
