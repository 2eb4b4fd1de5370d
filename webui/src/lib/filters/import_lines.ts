/** Many list entries as text, one a line, or as the JSON that an export wrote. */

import { formatPrefix, parsePrefix } from './ip.ts';

export interface ImportLine {
    /** 1-based line in the pasted text (entry in JSON). */
    line: number;
    text: string;
    /** Canonical address or prefix, '' if the line is wrong. */
    ip: string;
    /** Seconds, null = for ever. */
    ttl: number | null;
    reason: string;
    /** Why the line cannot be imported, '' if it can. */
    why: string;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** "90", "10m", "1h", "7d" in seconds; null when it is no duration. */
export function parseDuration(text: string): number | null {
    const match = /^(\d{1,9})([smhdw]?)$/i.exec(text);
    if (!match) return null;
    const seconds = Number(match[1]) * UNITS[match[2]!.toLowerCase() || 's']!;
    return seconds > 0 ? seconds : null;
}

/**
 * Reads lines of the form "ADDRESS [DURATION] [REASON]", where a reason may begin with "#". Empty
 * lines and lines that begin with "#" are left out. `now` is unix time in seconds.
 */
export function readImport(text: string, now: number): ImportLine[] {
    if (/^\s*[[{]/.test(text)) return readJson(text, now);
    const lines: ImportLine[] = [];
    for (const [i, raw] of text.split(/\r?\n/).entries()) {
        const line = raw.trim();
        if (line !== '' && !line.startsWith('#')) lines.push(readLine(i + 1, line));
    }
    return markRepeated(lines);
}

function readLine(line: number, text: string): ImportLine {
    const [address = '', ...words] = text.split(/[\s,;]+/);
    const duration = words[0] === undefined ? null : parseDuration(words[0]);
    const reason = (duration === null ? words : words.slice(1)).join(' ').replace(/^#\s*/, '');
    return entry(line, text, address, duration, reason);
}

function entry(
    line: number,
    text: string,
    address: string,
    ttl: number | null,
    reason: string,
): ImportLine {
    const parsed = parsePrefix(address);
    const why = parsed.ok ? reasonProblem(reason) : parsed.why;
    return { line, text, ip: parsed.ok ? formatPrefix(parsed.value) : '', ttl, reason, why };
}

/** Why the text cannot be a reason, '' if it can. */
export function reasonProblem(reason: string): string {
    return new TextEncoder().encode(reason).length > 200 ? 'A reason has at most 200 bytes.' : '';
}

function readJson(text: string, now: number): ImportLine[] {
    let values: unknown;
    try {
        values = JSON.parse(text);
    } catch {
        return [wrong(1, text.slice(0, 60), 'This begins like JSON but cannot be read as JSON.')];
    }
    if (!Array.isArray(values))
        return [wrong(1, text.slice(0, 60), 'Write a JSON array of addresses or entries.')];
    return markRepeated(values.map((value: unknown, i) => readValue(i + 1, value, now)));
}

function readValue(line: number, value: unknown, now: number): ImportLine {
    if (typeof value === 'string') return entry(line, value, value.trim(), null, '');
    const record = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
    const text = JSON.stringify(value).slice(0, 200);
    if (typeof record.ip !== 'string') return wrong(line, text, 'The entry has no "ip".');
    const expires = typeof record.expires === 'number' ? Math.ceil(record.expires - now) : null;
    if (expires !== null && expires <= 0) return wrong(line, text, 'The entry has expired.');
    const ttl = typeof record.ttl === 'number' && record.ttl > 0 ? Math.ceil(record.ttl) : expires;
    const reason = typeof record.reason === 'string' ? record.reason : '';
    return entry(line, record.ip, record.ip, ttl, reason);
}

function wrong(line: number, text: string, why: string): ImportLine {
    return { line, text, ip: '', ttl: null, reason: '', why };
}

function markRepeated(lines: ImportLine[]): ImportLine[] {
    const seen = new Map<string, number>();
    for (const line of lines) {
        const first = seen.get(line.ip);
        if (line.why === '' && first !== undefined) line.why = `The same as line ${first}.`;
        else if (line.ip !== '') seen.set(line.ip, line.line);
    }
    return lines;
}
