import { expect, it } from 'vitest';
import type { ListEntry } from '../api/types.ts';
import { readImport } from './import_lines.ts';
import { exportJson, exportText, selectEntries } from './list_view.ts';

function entry(ip: string, more: Partial<ListEntry> = {}): ListEntry {
    const hits = { packets: 0, bytes: 0, last: null };
    return { ip, version: 4, expires: null, ttl: null, reason: '', added: null, hits, ...more };
}

const ENTRIES = [
    entry('10.0.0.0/8', { reason: 'Lab net', added: 5 }),
    entry('192.0.2.1', { expires: 500, ttl: 400, hits: { packets: 7, bytes: 0, last: 50 } }),
    entry('192.0.2.2', {
        expires: 200,
        ttl: 100,
        reason: 'scans',
        added: 9,
        hits: { packets: 3, bytes: 0, last: 90 },
    }),
];

const ips = (entries: ListEntry[]) => entries.map(({ ip }) => ip);

it('finds text in addresses and reasons', () => {
    expect(ips(selectEntries(ENTRIES, ' 192.0 ', 'ip'))).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(ips(selectEntries(ENTRIES, 'LAB', 'ip'))).toEqual(['10.0.0.0/8']);
    expect(selectEntries(ENTRIES, '', 'ip')).toBe(ENTRIES);
});

it('orders by hits, by time, by expiry', () => {
    const first = (sort: 'hits' | 'last' | 'expires' | 'added') =>
        ips(selectEntries(ENTRIES, '', sort))[0];
    expect(['hits', 'last', 'expires', 'added'].map((sort) => first(sort as 'hits'))).toEqual([
        '192.0.2.1',
        '192.0.2.2',
        '192.0.2.2',
        '192.0.2.2',
    ]);
    expect(ips(ENTRIES)[0]).toBe('10.0.0.0/8');
});

it('exports what an import reads', () => {
    const expected = ENTRIES.map(({ ip, ttl, reason }) => [ip, ttl, reason, '']);
    const read = (text: string) =>
        readImport(text, 100).map(({ ip, ttl, reason, why }) => [ip, ttl, reason, why]);
    expect(read(exportText(ENTRIES))).toEqual(expected);
    expect(read(exportJson(ENTRIES))).toEqual(expected);
});
