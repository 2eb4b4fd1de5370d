/**
 * IP addresses and prefixes as values and as text, by the same rules as the programs: dotted quads,
 * RFC 5952, no set host bits, no zones. What they would refuse is refused here, with the reason.
 */

export interface Prefix {
    version: 4 | 6;
    /** Network order; 4 or 16 values of 0 to 255. Host bits are zero. */
    bytes: number[];
    /** Prefix length: 0 to 32 or 0 to 128. */
    bits: number;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; why: string };

function refuse(why: string): { ok: false; why: string } {
    return { ok: false, why };
}

function parseQuad(text: string): number[] | null {
    const parts = text.split('.');
    if (parts.length !== 4) return null;
    const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
    return bytes.every((byte) => byte < 256) ? bytes : null;
}

/** The 16-bit words of one side of "::"; null when one is wrong. */
function parseWords(text: string, mayEndInQuad: boolean): number[] | null {
    if (text === '') return [];
    const words: number[] = [];
    const parts = text.split(':');
    for (const [i, part] of parts.entries()) {
        const quad =
            mayEndInQuad && i === parts.length - 1 && part.includes('.') && parseQuad(part);
        if (quad) words.push(quad[0]! * 256 + quad[1]!, quad[2]! * 256 + quad[3]!);
        else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(parseInt(part, 16));
        else return null;
    }
    return words;
}

function parseVersion6(text: string): number[] | null {
    const sides = text.split('::');
    if (sides.length > 2) return null;
    const head = parseWords(sides[0]!, sides.length === 1);
    const tail = sides.length === 2 ? parseWords(sides[1]!, true) : [];
    if (!head || !tail) return null;
    const missing = 8 - head.length - tail.length;
    if (sides.length === 1 ? missing !== 0 : missing < 1) return null;
    const words = [...head, ...Array<number>(missing).fill(0), ...tail];
    return words.flatMap((word) => [word >> 8, word & 255]);
}

function isMapped(bytes: number[]): boolean {
    return (
        bytes.length === 16 &&
        bytes.slice(0, 10).every((byte) => byte === 0) &&
        bytes[10] === 255 &&
        bytes[11] === 255
    );
}

function clearHostBits(bytes: number[], bits: number): number[] {
    return bytes.map((byte, i) => {
        const kept = Math.max(0, Math.min(8, bits - 8 * i));
        return byte & (0xff00 >> kept) & 255;
    });
}

/** Reads "192.0.2.1", "2001:db8::1", "192.0.2.0/24" or "2001:db8::/32". */
export function parsePrefix(text: string): Parsed<Prefix> {
    const [address = '', length, ...rest] = text.split('/');
    if (address === '') return refuse('Write an address such as 192.0.2.1 or 2001:db8::1.');
    if (address.includes('%'))
        return refuse('Write the address without its zone (the part from % on).');
    const quad = parseQuad(address);
    const bytes = quad ?? parseVersion6(address);
    if (!bytes) {
        const why = /^[\d.]+$/.test(address)
            ? 'An IPv4 address has four numbers from 0 to 255 without leading zeros: 192.0.2.1.'
            : `“${address}” is no IP address: write it like 192.0.2.1 or 2001:db8::1.`;
        return refuse(why);
    }
    if (isMapped(bytes))
        return refuse(`This is IPv4 in IPv6 form: write ${bytes.slice(12).join('.')}.`);
    const version = quad ? 4 : 6;
    const widest = version === 4 ? 32 : 128;
    if (length === undefined) return { ok: true, value: { version, bytes, bits: widest } };
    if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > widest)
        return refuse(`Write a prefix length from /0 to /${widest} after the address.`);
    const value: Prefix = {
        version,
        bytes: clearHostBits(bytes, Number(length)),
        bits: Number(length),
    };
    if (value.bytes.some((byte, i) => byte !== bytes[i]))
        return refuse(
            `Bits behind the prefix are set: write ${formatPrefix(value)} for the network.`,
        );
    return { ok: true, value };
}

/** Reads a single address. */
export function parseAddress(text: string): Parsed<Prefix> {
    if (text.includes('/')) return refuse('Write a single address, without a prefix length.');
    return parsePrefix(text);
}

export function isAddress(text: string): boolean {
    return parseAddress(text).ok;
}

function formatVersion6(bytes: number[]): string {
    const words = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
    let start = -1;
    let longest = 1;
    for (let i = 0; i < 8; i++) {
        let run = 0;
        while (i + run < 8 && words[i + run] === 0) run++;
        if (run > longest) [start, longest] = [i, run];
    }
    const hex = (part: number[]) => part.map((word) => word.toString(16)).join(':');
    if (start < 0) return hex(words);
    return `${hex(words.slice(0, start))}::${hex(words.slice(start + longest))}`;
}

/** The canonical text; a single address has no "/". */
export function formatPrefix(prefix: Prefix): string {
    const address = prefix.version === 4 ? prefix.bytes.join('.') : formatVersion6(prefix.bytes);
    return isHost(prefix) ? address : `${address}/${prefix.bits}`;
}

export function isHost(prefix: Prefix): boolean {
    return prefix.bits === prefix.bytes.length * 8;
}

/** True if every address of `inner` is in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
    if (outer.version !== inner.version || outer.bits > inner.bits) return false;
    const cut = clearHostBits(inner.bytes, outer.bits);
    return cut.every((byte, i) => byte === outer.bytes[i]);
}

/** The same for texts; false if one of them is no address. */
export function containsText(outer: string, inner: string): boolean {
    const a = parsePrefix(outer);
    const b = parsePrefix(inner);
    return a.ok && b.ok && contains(a.value, b.value);
}

const KINDS: [network: string, kind: string][] = [
    ['127.0.0.0/8', 'this host itself'],
    ['::1/128', 'this host itself'],
    ['10.0.0.0/8', 'private network'],
    ['172.16.0.0/12', 'private network'],
    ['192.168.0.0/16', 'private network'],
    ['100.64.0.0/10', 'shared by a provider (CGNAT)'],
    ['fc00::/7', 'private network'],
    ['169.254.0.0/16', 'link-local'],
    ['fe80::/10', 'link-local'],
    ['224.0.0.0/4', 'multicast'],
    ['ff00::/8', 'multicast'],
    ['255.255.255.255/32', 'broadcast'],
    ['192.0.2.0/24', 'for documentation'],
    ['198.51.100.0/24', 'for documentation'],
    ['203.0.113.0/24', 'for documentation'],
    ['2001:db8::/32', 'for documentation'],
    ['198.18.0.0/15', 'for benchmarks'],
];

/** What sort of address it is, such as "private network"; "public" if nothing else is known. */
export function addressKind(ip: string): string {
    return KINDS.find(([network]) => containsText(network, ip))?.[1] ?? 'public';
}
