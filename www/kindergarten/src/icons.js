// Small pictures beside words; words say everything.

import { html } from '../vendor/preact.js';

const PATHS = {
    children: 'M12 21a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM9 12h.01M15 12h.01M9 16c1.8 1.6 4.2 1.6 6 0M12 5c0-1.500.8-2.500 2-3',
    groups: 'M3 11 12 4l9 7M6 9.500V20h12V9.500M10 20v-5h4v5',
    parents: 'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM2.500 20c.5-4 3-6 6.500-6s6 2 6.500 6M16 4.500a3.300 3.300 0 0 1 0 6.200M18.500 14.500c1.800.8 2.800 2.700 3 5.500',
    registrations: 'M5 5h14v16H5zM9 3v4M15 3v4M5 10h14M9 15l2 2 4-4',
    conflicts: 'M6 3v6c0 3 6 3 6 7v5M18 3v6c0 3-6 3-6 7',
    add: 'M12 5v14M5 12h14',
    back: 'M15 5l-7 7 7 7',
    photo: 'M4 8h3l2-3h6l2 3h3v11H4zM12 16.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Z',
};

export function Icon({ name }) {
    return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
