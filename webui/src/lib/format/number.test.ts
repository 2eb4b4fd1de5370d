import { describe, expect, it } from 'vitest';
import {
    bitRate,
    bitTick,
    bytes,
    compact,
    count,
    numberTick,
    plural,
    rate,
    share,
} from './number.ts';

const en = 'en-US';

describe('numbers', () => {
    it('follow the locale', () => {
        expect(count(1204331, en)).toBe('1,204,331');
        expect(count(1204331, 'de-DE')).toBe('1.204.331');
        expect(bytes(1500, 'de-DE')).toBe('1,50 kB');
        expect(plural(1, 'flow', 'flows', en)).toBe('1 flow');
        expect(plural(0, 'flow', 'flows', en)).toBe('0 flows');
    });

    it('keep three digits when they are scaled', () => {
        expect(
            [999, 1000, 9994, 9996, 99_940, 99_960, 999_400, 999_600].map((n) => bytes(n, en)),
        ).toEqual([
            '999 B',
            '1.00 kB',
            '9.99 kB',
            '10.0 kB',
            '99.9 kB',
            '100 kB',
            '999 kB',
            '1.00 MB',
        ]);
    });

    it('stay whole while they are small', () => {
        expect([0, 7, 12_345, 99_999, 100_000, 1_234_567].map((n) => compact(n, en))).toEqual([
            '0',
            '7',
            '12,345',
            '99,999',
            '100 k',
            '1.23 M',
        ]);
    });

    it('show slow rates with a fraction', () => {
        expect([0, 0.0167, 0.25, 1.5, 3, 12.4, 1234.5].map((n) => rate(n, en))).toEqual([
            '0',
            '0.02',
            '0.3',
            '1.5',
            '3',
            '12',
            '1,235',
        ]);
    });

    it('turn bytes into bits', () => {
        expect(bitRate(125_000, en)).toBe('1.00 Mbit/s');
        expect(bitRate(10, en)).toBe('80 bit/s');
        expect(bitRate(NaN, en)).toBe('– bit/s');
    });

    it('are short on an axis', () => {
        expect([0, 800_000, 2_400_000].map((n) => bitTick(n, en))).toEqual([
            '0',
            '800 kbit/s',
            '2.4 Mbit/s',
        ]);
        expect([0.5, 250, 1500].map((n) => numberTick(n, en))).toEqual(['0.5', '250', '1.5 k']);
    });

    it('show shares', () => {
        expect([0, 0.0001, 0.034, 0.5, 1].map((n) => share(n, en))).toEqual([
            '0%',
            '<0.1%',
            '3.4%',
            '50%',
            '100%',
        ]);
    });
});
