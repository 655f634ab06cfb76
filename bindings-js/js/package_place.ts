// Where the package's files lie, also where they are not beside the script.

/**
 * Vite before 8 runs a copy of the package's script in development, from a folder without what that
 * loads. The rest lies where npm put it.
 */
const COPIED = /^(.*\/node_modules)\/(?:\.vite|\.cache\/vite)\/(?:[^?#]*\/)?deps\/([^?#]*)/;

export const isCopied = (script: string): boolean => COPIED.test(script);

/** Where the file at `url` is, which the script expects beside itself. */
export function placeOf(url: URL): URL {
    const [, modules, file] = COPIED.exec(url.href) ?? [];
    return modules === undefined ? url : new URL(`${modules}/pinyon/dist/${file}`);
}
