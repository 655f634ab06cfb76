// Orders of about 440 bytes, the same in every run.
const STATUS = ['new', 'paid', 'packed', 'shipped', 'returned'];
const WORDS = ['Chai', 'Chang', 'Aniseed Syrup', 'Gumbo Mix', 'Tofu', 'Konbu', 'Ikura', 'Pavlova', 'Scones', 'Geitost', 'Sasquatch Ale', 'Chocolade'];
export const CUSTOMERS = 200;

/** Reproducible numbers between 0 and 1 (mulberry32). */
export function numbers(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

export const idOf = (number) => `orders-${String(number).padStart(7, '0')}`;

export const customerOf = (number) => `customers-${number % CUSTOMERS}`;

/** Orders from one number on. */
export function makeOrders(from, count) {
    const next = numbers(42 + from);
    return Array.from({ length: count }, (_, at) => {
        const number = from + at;
        const lines = Array.from({ length: 3 }, () => ({
            product: `products-${Math.floor(next() * 1000)}`,
            name: WORDS[Math.floor(next() * WORDS.length)],
            qty: 1 + Math.floor(next() * 9),
            price: Math.floor(next() * 10000) / 100,
        }));
        return {
            id: idOf(number),
            customer: customerOf(number),
            orderedAt: new Date(1.7e12 + number * 60000).toISOString(),
            status: STATUS[Math.floor(next() * STATUS.length)],
            total: Math.round(lines.reduce((sum, line) => sum + line.qty * line.price, 0) * 100) / 100,
            currency: 'EUR',
            shipTo: { city: `City ${number % 97}`, zip: String(10000 + (number % 89999)) },
            lines,
        };
    });
}

/** What each customer's orders come to, added to `totals`. */
export function totalsOf(orders, totals = new Map()) {
    for (const { customer, total } of orders) totals.set(customer, (totals.get(customer) ?? 0) + total);
    return totals;
}
