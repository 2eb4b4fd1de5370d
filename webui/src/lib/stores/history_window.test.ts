import { describe, expect, it } from 'vitest';
import type { History } from '../api/types.ts';
import { chartData, extendHistory, lengthOf, sums } from './history_window.ts';

const NAMES = ['ingress_pass', 'ingress_drop', 'egress_pass', 'tcp', 'udp'];

/** Every series counts its seconds: the value at second t is t + the index of the series. */
function history(end: number, length: number): History {
    const series = Object.fromEntries(
        NAMES.map((name, k) => {
            const packets = Array.from({ length }, (_, i) => end - length + 1 + i + k);
            return [name, { packets, bytes: packets.map((value) => value * 100) }];
        }),
    );
    return { end, step: 1, series };
}

describe('extendHistory', () => {
    it('appends what is new and forgets what is old', () => {
        const extended = extendHistory(history(100, 50), history(103, 5), 50)!;
        expect(extended).toEqual(history(103, 50));
    });

    it('takes the same end again, and one that just touches', () => {
        expect(extendHistory(history(100, 50), history(100, 5), 50)).toEqual(history(100, 50));
        expect(extendHistory(history(100, 50), history(105, 5), 50)).toEqual(history(105, 50));
    });

    it('grows until the window is full', () => {
        expect(extendHistory(history(100, 10), history(102, 5), 50)).toEqual(history(102, 12));
    });

    it('refuses a gap and a clock that went back', () => {
        expect(extendHistory(history(100, 50), history(106, 5), 50)).toBeNull();
        expect(extendHistory(history(100, 50), history(99, 5), 50)).toBeNull();
    });
});

describe('chartData', () => {
    it('adds the series of one direction, action or protocol', () => {
        const data = chartData(history(104, 5), 'direction', 'packets', 300, 1);
        expect(data.times).toEqual([100, 101, 102, 103, 104]);
        expect(data.bands).toEqual([
            [201, 203, 205, 207, 209],
            [102, 103, 104, 105, 106],
        ]);
        const actions = chartData(history(104, 5), 'action', 'bytes', 2, 1);
        expect(actions.times).toEqual([103, 104]);
        expect(actions.bands[0]).toEqual([20800, 21000]);
        expect(actions.bands[3]).toEqual([0, 0]);
        expect(chartData(history(104, 5), 'protocol', 'packets', 2, 1).bands[1]).toEqual([
            107, 108,
        ]);
    });

    it('averages buckets that are aligned to the clock, whole or not', () => {
        const data = chartData(history(104, 6), 'protocol', 'packets', 300, 3);
        expect(data.times).toEqual([99, 102]);
        expect(data.bands[0]).toEqual([103, 106]);
        const part = chartData(history(103, 6), 'protocol', 'packets', 300, 3);
        expect(part.times).toEqual([96, 99, 102]);
        expect(part.bands[0]).toEqual([101, 103, 105.5]);
    });

    it('is empty without data', () => {
        expect(
            chartData({ end: 0, step: 1, series: {} }, 'action', 'bytes', 300, 1).bands,
        ).toHaveLength(4);
    });
});

it('sums add up the window', () => {
    expect(sums(history(104, 5), 'protocol', 'packets', 2)).toEqual([213, 215, 0, 0]);
    expect(lengthOf(history(104, 5))).toBe(5);
});
