import { describe, expect, it } from 'vitest';
import type { CollectorState, Ledger, Summary } from '../api/types.ts';
import {
    ledgerWords,
    portIndicator,
    portName,
    protocolName,
    synIndicator,
    troubleOf,
    collectorSigns,
} from './words.ts';

const ledger: Ledger = {
    counted_packets: 10,
    without_record_packets: 0,
    accounted_packets: 10,
    in_flight_packets: 0,
    difference_packets: 0,
    lost: [{ stage: 'ring', packets: 0, bytes: 0, records: 0 }],
};

describe('ledgerWords', () => {
    it('is calm when nothing is lost', () => {
        expect(ledgerWords(ledger)).toMatchObject({ level: 'calm', title: 'Nothing lost' });
    });

    it('tells what is not shown and what is not counted', () => {
        const lost = [
            { stage: 'ring', packets: 1000, bytes: 0, records: 9 },
            { stage: 'bus', packets: 204, bytes: 0, records: 2 },
        ];
        const words = ledgerWords({ ...ledger, lost });
        expect(words).toMatchObject({ level: 'notice', title: '1,204 not shown, 0 not counted' });
        expect(words.details).toHaveLength(2);
        const away = [{ stage: 'unsubscribed', packets: 7, bytes: 0, records: 7 }];
        expect(ledgerWords({ ...ledger, lost: away })).toMatchObject({ level: 'calm', lost: 7 });
        expect(ledgerWords({ ...ledger, difference_packets: -3 })).toMatchObject({
            level: 'alarm',
        });
    });
});

describe('indicators', () => {
    it('colour scans and floods, not busy servers', () => {
        expect([5, 20, 100].map((ports) => portIndicator(ports).level)).toEqual([
            'calm',
            'notice',
            'alarm',
        ]);
        const level = (syn: number, ack: number) =>
            synIndicator({ syn_count: syn, ack_count: ack }).level;
        expect([level(59, 0), level(60, 0), level(600, 0), level(600, 5000)]).toEqual([
            'calm',
            'notice',
            'alarm',
            'calm',
        ]);
    });
});

describe('collectorSigns', () => {
    const collector = {
        state: 'live',
        notes: [],
        age_s: 4,
        idle_s: 75,
        clock_error_s: -3600,
        restarts: 2,
        returns: 1,
    } as unknown as CollectorState;
    const texts = (changes: object) =>
        collectorSigns({ ...collector, ...changes }).map(({ level, text }) => `${level} ${text}`);

    it('tells every state from the others, the worst first', () => {
        expect(texts({})).toEqual(['calm Live']);
        expect(texts({ state: 'away' })).toEqual(['alarm Away for 4 s']);
        expect(texts({ notes: ['idle', 'restarted', 'returned', 'clock', 'rival'] })).toEqual([
            'alarm Name used twice',
            'notice Clock 1 h behind',
            'calm Idle',
            'calm Restarted',
            'calm Came back',
        ]);
        expect(texts({ notes: ['clock'], clock_error_s: 7 })).toEqual(['notice Clock 7 s ahead']);
    });
});

describe('troubleOf', () => {
    const collector = { id: 'pi', state: 'live', notes: [], age_s: 0.2, interfaces: [] };
    const summary = (aggregator: string, collectors: unknown[], unheard: unknown[] = []) =>
        ({
            aggregator: { state: aggregator, age_s: 12 },
            collectors,
            unheard,
        }) as unknown as Summary;

    it('names the part that is missing', () => {
        const away = { ...collector, state: 'away' };
        const detached = {
            ...collector,
            interfaces: [{ name: 'eth1', ifindex: 0, attached: false, error: '' }],
        };
        const titles = [
            summary('away', []),
            summary('stale', [collector]),
            summary('live', []),
            summary('live', [collector, away]),
            summary('live', [collector, { ...away, id: 'b' }, away]),
            summary('live', [{ ...collector, notes: ['rival'] }]),
            summary('live', [detached]),
            summary('live', [collector], [{ endpoint: 'tcp://pi2:7386', problem: '' }]),
            summary('live', [collector]),
        ].map((one) => troubleOf(one)?.title);
        expect(titles).toEqual([
            'No aggregator',
            'Aggregator away',
            'No collector',
            'Collector away',
            '2 collectors away',
            'Name used twice',
            'eth1 not watched',
            'Collector not heard',
            undefined,
        ]);
    });

    it('says why a collector is not heard where that is known', () => {
        const unheard = [{ endpoint: 'tcp://pi2:7386', problem: 'it refuses our key' }];
        const reason = 'tcp://pi2:7386: it refuses our key.';
        const away = { ...collector, state: 'away' };
        for (const collectors of [[], [collector, away], [collector]])
            expect(troubleOf(summary('live', collectors, unheard))?.why).toContain(reason);
    });
});

it('names ports and protocols', () => {
    expect([portName(443), portName(4711)]).toEqual(['HTTPS', '']);
    expect([protocolName(58), protocolName(253)]).toEqual(['ICMPv6', 'IP protocol 253']);
});
