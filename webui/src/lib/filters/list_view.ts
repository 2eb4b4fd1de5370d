/** The entries of a list as the page shows and exports them. */

import type { ListEntry } from '../api/types.ts';

export const SORTS = ['ip', 'hits', 'last', 'expires', 'added'] as const;
export type ListSort = (typeof SORTS)[number];

const KEYS: Record<Exclude<ListSort, 'ip'>, (entry: ListEntry) => number> = {
    hits: (entry) => -entry.hits.packets,
    last: (entry) => -(entry.hits.last ?? 0),
    expires: (entry) => entry.expires ?? Infinity,
    added: (entry) => -(entry.added ?? 0),
};

/** Those with `text` in address or reason. The server's order is by address. */
export function selectEntries(entries: ListEntry[], text: string, sort: ListSort): ListEntry[] {
    const wanted = text.trim().toLowerCase();
    const found =
        wanted === ''
            ? entries
            : entries.filter(({ ip, reason }) => `${ip} ${reason}`.toLowerCase().includes(wanted));
    if (sort === 'ip') return found;
    const key = KEYS[sort];
    return [...found].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        return x < y ? -1 : x > y ? 1 : 0;
    });
}

/** One entry a line, as an import reads it; durations count from now. */
export function exportText(entries: ListEntry[]): string {
    const lines = entries.map(({ ip, ttl, reason }) =>
        [ip, ttl === null ? '' : `${ttl}s`, reason === '' ? '' : `# ${reason}`]
            .filter((part) => part !== '')
            .join(' '),
    );
    return `${lines.join('\n')}\n`;
}

/** The API's own form. */
export function exportJson(entries: ListEntry[]): string {
    return `${JSON.stringify(entries, null, 2)}\n`;
}
