import { expect, it } from 'vitest';
import type { ListEntry } from '../api/types.ts';
import { ListIndex } from './list_index.ts';

function entry(ip: string): ListEntry {
    const hits = { packets: 0, bytes: 0, last: null };
    return { ip, version: 4, expires: null, ttl: null, reason: '', added: null, hits };
}

const index = new ListIndex(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '2001:db8::/32'].map(entry));

it('finds the entry itself, however it is written', () => {
    expect(index.exact('10.1.2.3')?.ip).toBe('10.1.2.3');
    expect(index.exact('2001:DB8::/32')?.ip).toBe('2001:db8::/32');
    expect(index.exact('10.1.2.4')).toBeNull();
});

it('finds the networks around an address, the narrowest first', () => {
    const covering = (ip: string) => index.covering(ip).map((one) => one.ip);
    expect(covering('10.1.2.3')).toEqual(['10.1.2.3', '10.1.0.0/16', '10.0.0.0/8']);
    expect(covering('10.2.0.1')).toEqual(['10.0.0.0/8']);
    expect(covering('2001:db8::1')).toEqual(['2001:db8::/32']);
    expect(covering('10.0.0.0/8')).toEqual(['10.0.0.0/8']);
    expect(covering('192.0.2.1')).toEqual([]);
    expect(covering('nonsense')).toEqual([]);
});
