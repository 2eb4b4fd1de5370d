import { describe, expect, it } from 'vitest';
import {
    ago,
    clockTime,
    countdown,
    duration,
    isZone,
    shiftClock,
    shortTime,
    zoneOffset,
} from './time.ts';

const NOON = Date.UTC(2026, 6, 1, 12, 0, 5) / 1000;

describe('clock times', () => {
    it('are in the zone asked for', () => {
        expect(clockTime(NOON, 'UTC')).toBe('12:00:05');
        expect(clockTime(NOON, 'Europe/Berlin')).toBe('14:00:05');
        expect(clockTime(NOON, 'Asia/Kolkata')).toBe('17:30:05');
        expect(clockTime(NOON - 12 * 3600, 'UTC')).toBe('00:00:05');
    });

    it('fall back to UTC when the zone is unknown', () => {
        expect(clockTime(NOON, 'Nowhere/Land')).toBe('12:00:05');
        expect(isZone('Nowhere/Land')).toBe(false);
        expect(isZone('')).toBe(false);
        expect(isZone('Europe/Berlin')).toBe(true);
    });

    it('carry the date when they are far away', () => {
        expect(shortTime(NOON, 'UTC', NOON + 60)).toBe('12:00:05');
        expect(shortTime(NOON, 'UTC', NOON + 86400)).toContain('2026');
    });
});

describe('zoneOffset and shiftClock', () => {
    it('know summer time', () => {
        expect(zoneOffset(NOON, 'Europe/Berlin')).toBe(7200);
        expect(zoneOffset(NOON + 184 * 86400, 'Europe/Berlin')).toBe(3600);
        expect(zoneOffset(NOON, 'America/St_Johns')).toBe(-9000);
        expect(zoneOffset(NOON + 0.75, 'UTC')).toBe(0);
    });

    it('move a time of day around midnight', () => {
        expect(shiftClock('23:30:05.123', 7200)).toBe('01:30:05.123');
        expect(shiftClock('00:15:59.999', -9000)).toBe('21:45:59.999');
        expect(shiftClock('12:00:00.000', 0)).toBe('12:00:00.000');
        expect(shiftClock('odd', 60)).toBe('odd');
    });
});

describe('durations', () => {
    it('show two units', () => {
        expect([0, 0.04, 0.44, 5, 65, 600, 3600, 3661, 90_000, 86_400 * 12].map(duration)).toEqual([
            '0 s',
            '0.1 s',
            '0.4 s',
            '5 s',
            '1 min 5 s',
            '10 min',
            '1 h',
            '1 h 1 min',
            '1 d 1 h',
            '12 d',
        ]);
    });

    it('count down to the second', () => {
        expect([-1, 0, 0.7, 59, 61, 3599.5, 3661, 90_000].map(countdown)).toEqual([
            'now',
            'now',
            '0:01',
            '0:59',
            '1:01',
            '1:00:00',
            '1:01:01',
            '1 d 1 h',
        ]);
    });

    it('say how long ago something was', () => {
        expect([0.5, 12.7, 185, 7300].map(ago)).toEqual([
            'just now',
            '12 s ago',
            '3 min ago',
            '2 h ago',
        ]);
    });
});
