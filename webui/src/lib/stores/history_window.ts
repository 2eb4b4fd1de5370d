/** An hour of per-second totals, kept up to date by short answers, and its forms for the charts. */

import type { History, Series } from '../api/types.ts';

export const SPLITS = {
    direction: ['ingress', 'egress'],
    action: ['pass', 'drop', 'skip', 'ssh'],
    protocol: ['tcp', 'udp', 'icmp', 'other'],
} as const;
export type Split = keyof typeof SPLITS;
export type Measure = 'packets' | 'bytes';

/**
 * Appends what `latest` has and `window` has not, cut to `seconds`. Returns null when they do not
 * touch: then the whole must be asked for.
 */
export function extendHistory(window: History, latest: History, seconds: number): History | null {
    const length = lengthOf(latest);
    const added = latest.end - window.end;
    if (added < 0 || added > length) return null;
    const series: Record<string, Series> = {};
    for (const [name, { packets, bytes }] of Object.entries(latest.series)) {
        const known = window.series[name];
        if (!known) return null;
        series[name] = {
            packets: joined(known.packets, packets, added, seconds),
            bytes: joined(known.bytes, bytes, added, seconds),
        };
    }
    return { end: latest.end, step: latest.step, series };
}

/** The last `added` of `fresh` behind `known`; the values they share are taken from `fresh`. */
function joined(known: number[], fresh: number[], added: number, seconds: number): number[] {
    const shared = fresh.length - added;
    return known
        .slice(0, Math.max(0, known.length - shared))
        .concat(fresh)
        .slice(-seconds);
}

export function lengthOf(history: History): number {
    return Object.values(history.series)[0]?.packets.length ?? 0;
}

export interface ChartData {
    /** Unix times, one per point, rising. */
    times: number[];
    /** Per second, in the order of the split's names. */
    bands: number[][];
}

/** Values of `bucket` seconds averaged into one point, aligned to the clock so that they stand still. */
export function chartData(
    history: History,
    split: Split,
    measure: Measure,
    seconds: number,
    bucket: number,
): ChartData {
    const first = history.end - lengthOf(history) + 1;
    const from = Math.max(first, history.end - seconds + 1);
    const startOf = (second: number) => Math.floor(second / bucket) * bucket;
    const points = (startOf(history.end) - startOf(from)) / bucket + 1;
    const times = Array.from({ length: points }, (_, i) => startOf(from) + i * bucket);
    const bands = SPLITS[split].map((name) => {
        const sums = new Float64Array(points);
        for (const values of columns(history, split, name, measure))
            for (let second = from; second <= history.end; second++)
                sums[(startOf(second) - times[0]!) / bucket]! += values[second - first]!;
        return Array.from(sums, (sum, i) => sum / covered(times[i]!, bucket, from, history.end));
    });
    return { times, bands };
}

/** Seconds of a bucket that are in the window: the first and the last are seldom whole. */
function covered(start: number, bucket: number, from: number, end: number): number {
    return Math.min(start + bucket - 1, end) - Math.max(start, from) + 1;
}

function columns(history: History, split: Split, name: string, measure: Measure): number[][] {
    const { series } = history;
    if (split === 'protocol') return series[name] ? [series[name][measure]] : [];
    const belongs = (key: string) =>
        split === 'direction' ? key.startsWith(`${name}_`) : key.endsWith(`_${name}`);
    return Object.keys(series)
        .filter(belongs)
        .map((key) => series[key]![measure]);
}

/** Sums over the last `seconds`, in the order of the split's names. */
export function sums(history: History, split: Split, measure: Measure, seconds: number): number[] {
    return SPLITS[split].map((name) =>
        columns(history, split, name, measure)
            .map((values) => values.slice(-seconds).reduce((sum, value) => sum + value, 0))
            .reduce((sum, value) => sum + value, 0),
    );
}
