import { describe, expect, it } from 'vitest';
import { addressKind, containsText, formatPrefix, parseAddress, parsePrefix } from './ip.ts';

function canonical(text: string): string {
    const parsed = parsePrefix(text);
    return parsed.ok ? formatPrefix(parsed.value) : parsed.why;
}

describe('parsePrefix', () => {
    it.each([
        ['192.0.2.1', '192.0.2.1'],
        ['0.0.0.0/0', '0.0.0.0/0'],
        ['10.0.0.0/8', '10.0.0.0/8'],
        ['192.0.2.1/32', '192.0.2.1'],
        ['2001:DB8::1', '2001:db8::1'],
        ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
        ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
        ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
        ['::', '::'],
        ['::/0', '::/0'],
        ['::1', '::1'],
        ['fe80::/10', 'fe80::/10'],
        ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
        ['1::', '1::'],
    ])('reads %s and writes it as %s', (text, expected) => {
        expect(canonical(text)).toBe(expected);
    });

    it.each([
        ['', 'Write an address'],
        ['hello', 'is no IP address'],
        ['1.2.3', 'four numbers'],
        ['1.2.3.256', 'four numbers'],
        ['1.2.3.04', 'four numbers'],
        ['1.2.3.4/33', '/0 to /32'],
        ['1.2.3.4/', '/0 to /32'],
        ['1.2.3.4/8/8', '/0 to /32'],
        ['::1/129', '/0 to /128'],
        ['10.0.0.1/8', 'write 10.0.0.0/8'],
        ['2001:db8::1/32', 'write 2001:db8::/32'],
        ['fe80::1%eth0', 'without its zone'],
        ['::ffff:192.0.2.1', 'write 192.0.2.1'],
        ['1::2::3', 'is no IP address'],
        ['1:2:3:4:5:6:7', 'is no IP address'],
        ['1:2:3:4:5:6:7:8:9', 'is no IP address'],
        ['1:2:3:4:5:6:7::8', 'is no IP address'],
        ['12345::', 'is no IP address'],
        ['1.2.3.4::', 'is no IP address'],
    ])('refuses %j and says why', (text, why) => {
        const parsed = parsePrefix(text);
        expect(parsed.ok).toBe(false);
        expect(canonical(text)).toContain(why);
    });

    it('reads what it wrote, for random addresses', () => {
        for (let seed = 1; seed <= 500; seed++) {
            const bytes = Array.from({ length: seed % 2 ? 16 : 4 }, (_, i) =>
                (seed * 31 + i) % 3 === 0 ? 0 : (seed * 2654435761 + i * 40503) % 256,
            );
            const version = bytes.length === 4 ? 4 : 6;
            const text = formatPrefix({ version, bytes, bits: bytes.length * 8 });
            const parsed = parsePrefix(text);
            expect(parsed.ok && parsed.value.bytes).toEqual(bytes);
        }
    });
});

describe('parseAddress', () => {
    it('takes no prefix', () => {
        expect(parseAddress('10.0.0.0/8').ok).toBe(false);
        expect(parseAddress('10.0.0.1').ok).toBe(true);
    });
});

describe('containsText', () => {
    it('knows what lies in a network', () => {
        expect(containsText('10.0.0.0/8', '10.255.0.1')).toBe(true);
        expect(containsText('10.0.0.0/8', '10.1.0.0/16')).toBe(true);
        expect(containsText('10.1.0.0/16', '10.0.0.0/8')).toBe(false);
        expect(containsText('10.0.0.0/9', '10.128.0.1')).toBe(false);
        expect(containsText('2001:db8::/33', '2001:db8:8000::1')).toBe(false);
        expect(containsText('::/0', '10.0.0.1')).toBe(false);
        expect(containsText('0.0.0.0/0', '10.0.0.1')).toBe(true);
        expect(containsText('nonsense', '10.0.0.1')).toBe(false);
    });
});

it('addressKind tells private from public', () => {
    expect(
        ['192.168.3.4', 'fe80::1', '8.8.8.8', '239.1.1.1', '2001:db8::9'].map(addressKind),
    ).toEqual(['private network', 'link-local', 'public', 'multicast', 'for documentation']);
});
