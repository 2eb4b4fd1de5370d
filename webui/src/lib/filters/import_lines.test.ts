import { describe, expect, it } from 'vitest';
import { parseDuration, readImport, reasonProblem } from './import_lines.ts';

describe('readImport', () => {
    it('reads address, duration and reason, and skips comments', () => {
        const lines = readImport('# bad hosts\n\n192.0.2.1\n10.0.0.0/8 1h scans\r\n::1 # loop', 0);
        expect(lines.map(({ line, ip, ttl, reason, why }) => [line, ip, ttl, reason, why])).toEqual([
            [3, '192.0.2.1', null, '', ''],
            [4, '10.0.0.0/8', 3600, 'scans', ''],
            [5, '::1', null, 'loop', ''],
        ]);
    });

    it('says what is wrong with each line', () => {
        const lines = readImport('1.2.3.4\nnonsense\n1.2.3.4\n10.0.0.1/8', 0);
        expect(lines.map((line) => line.why)).toEqual([
            '',
            expect.stringContaining('no IP address'),
            'The same as line 1.',
            expect.stringContaining('10.0.0.0/8'),
        ]);
    });

    it('reads the JSON of an export', () => {
        const text = JSON.stringify([
            { ip: '192.0.2.1', expires: 160.5, reason: 'x' },
            { ip: '192.0.2.2', expires: null },
            { ip: '192.0.2.3', expires: 90 },
            '192.0.2.4',
            7,
        ]);
        const lines = readImport(text, 100);
        expect(lines.map((line) => [line.ip, line.ttl, line.why])).toEqual([
            ['192.0.2.1', 61, ''],
            ['192.0.2.2', null, ''],
            ['', null, 'The entry has expired.'],
            ['192.0.2.4', null, ''],
            ['', null, 'The entry has no "ip".'],
        ]);
        expect(readImport('[1,', 0)[0]!.why).toContain('JSON');
        expect(readImport('{"a":1}', 0)[0]!.why).toContain('array');
    });
});

it('parseDuration knows units and refuses nothing-at-all', () => {
    expect(['90', '10m', '1H', '7d', '2w'].map(parseDuration)).toEqual([90, 600, 3600, 604800, 1209600]);
    expect(['', '0', 'm', '1y', '-5', '1.5h'].map(parseDuration)).toEqual(Array(6).fill(null));
});

it('reasonProblem counts bytes', () => {
    expect(reasonProblem('x'.repeat(200))).toBe('');
    expect(reasonProblem('é'.repeat(101))).toContain('200 bytes');
});
