/** The entries of a list, findable by the addresses they cover. */

import type { ListEntry } from '../api/types.ts';
import { contains, formatPrefix, parsePrefix, type Prefix } from '../filters/ip.ts';

export class ListIndex {
    readonly entries: ListEntry[];
    #byText = new Map<string, ListEntry>();
    #networks: { prefix: Prefix; entry: ListEntry }[] = [];

    constructor(entries: ListEntry[]) {
        this.entries = entries;
        for (const entry of entries) {
            this.#byText.set(entry.ip, entry);
            if (!entry.ip.includes('/')) continue;
            const parsed = parsePrefix(entry.ip);
            if (parsed.ok) this.#networks.push({ prefix: parsed.value, entry });
        }
    }

    /** The entry of exactly this address or prefix. */
    exact(ip: string): ListEntry | null {
        return this.#byText.get(canonical(ip)) ?? null;
    }

    /** The entries that decide about an address: itself, and networks it lies in, the widest last. */
    covering(ip: string): ListEntry[] {
        const own = this.exact(ip);
        const parsed = parsePrefix(ip);
        if (!parsed.ok) return [];
        const around = this.#networks
            .filter(({ prefix, entry }) => entry !== own && contains(prefix, parsed.value))
            .sort((a, b) => b.prefix.bits - a.prefix.bits)
            .map(({ entry }) => entry);
        return own ? [own, ...around] : around;
    }
}

function canonical(ip: string): string {
    const parsed = parsePrefix(ip);
    return parsed.ok ? formatPrefix(parsed.value) : ip;
}
