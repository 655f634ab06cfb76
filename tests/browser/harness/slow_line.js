// A line to a server on which everything it says takes its time, as over a bad network, or breaks.
import { connect, createServer } from 'node:net';

/** Forwards to the server at `url`; what it answers arrives `delayMs` later. */
export async function startSlowLine(url, delayMs) {
    const { hostname, port } = new URL(url);
    const sockets = new Set();
    let answered = 0;
    let isHeld = false;
    const line = createServer((near) => {
        const far = connect(Number(port), hostname);
        for (const socket of [near, far]) {
            sockets.add(socket);
            socket.on('error', () => undefined);
            socket.on('close', () => { near.destroy(); far.destroy(); sockets.delete(socket); });
        }
        near.pipe(far);
        far.on('data', (bytes) => setTimeout(() => {
            answered += bytes.length;
            if (!near.destroyed && !isHeld) near.write(bytes);
        }, delayMs));
    });
    await new Promise((resolve) => line.listen(0, '127.0.0.1', resolve));
    return {
        url: `http://127.0.0.1:${line.address().port}`,
        /** How many bytes the server has said. */
        answeredBytes: () => answered,
        /** From here on what the server says does not arrive, on connections that are to be cut. */
        hold: () => { isHeld = true; },
        /** Breaks all connections; those that come later are whole. */
        cut: () => {
            isHeld = false;
            for (const socket of sockets) socket.destroy();
        },
        close: () => new Promise((resolve) => {
            for (const socket of sockets) socket.destroy();
            line.close(resolve);
        }),
    };
}
