import { describe, expect, it } from 'vitest';
import {
    NO_FILTER,
    filterFromParams,
    filterToParams,
    isFiltered,
    readFilter,
    writeFilter,
} from './traffic_filter.ts';

describe('readFilter', () => {
    it('understands words in any order and case', () => {
        expect(readFilter('TCP 443  drop 10.0.0.0/8 out').filter).toEqual({
            ip: '10.0.0.0/8',
            port: '443',
            proto: 'TCP',
            action: 'DROP',
            direction: 'EGRESS',
        });
    });

    it.each([
        ['blocked', { action: 'DROP' }],
        [':53', { port: '53' }],
        ['port:00053', { port: '53' }],
        ['https', { port: '443' }],
        ['ip=2001:DB8::1', { ip: '2001:db8::1' }],
        ['::', { ip: '::' }],
        ['ssh', { action: 'SSH' }],
        ['', {}],
    ])('reads %j', (text, expected) => {
        expect(readFilter(text)).toEqual({ filter: { ...NO_FILTER, ...expected }, why: '' });
    });

    it.each([
        ['70000', 'from 1 to 65535'],
        ['0', 'from 1 to 65535'],
        ['10.0.0.1/8', 'write 10.0.0.0/8'],
        ['router', 'neither an address'],
        ['constructor', 'neither an address'],
        ['1.2.3', 'four numbers'],
    ])('says what is wrong with %j', (text, why) => {
        expect(readFilter(text).why).toContain(why);
    });

    it('reads what writeFilter wrote', () => {
        const filter = { ip: '::1', port: '22', proto: 'UDP', action: 'SSH', direction: 'INGRESS' };
        expect(readFilter(writeFilter(filter)).filter).toEqual(filter);
    });
});

describe('URL parameters', () => {
    it('carry only what is set', () => {
        expect(filterToParams({ ...NO_FILTER, port: '80' })).toEqual({ port: '80' });
        expect(filterToParams(NO_FILTER)).toEqual({});
    });

    it('are read back, and what is broken is left out', () => {
        expect(filterFromParams({ ip: '10.0.0.0/8', port: 'x', action: 'drop' })).toEqual({
            ...NO_FILTER,
            ip: '10.0.0.0/8',
            action: 'DROP',
        });
    });
});

describe('isFiltered', () => {
    it('is true as soon as one field is set', () => {
        expect(isFiltered(NO_FILTER)).toBe(false);
        expect(isFiltered({ ...NO_FILTER, proto: 'TCP' })).toBe(true);
    });
});
