/** What the server's words and numbers mean, told to people. */

import type {
    AddressRow,
    CollectorNote,
    CollectorState,
    FlowRow,
    Ledger,
    Summary,
} from '../api/types.ts';
import { count, plural } from './number.ts';
import { duration } from './time.ts';

export const ACTION_MEANING: Record<string, string> = {
    PASS: 'Let through: on neither list.',
    DROP: 'Blocked: one end is on the blacklist.',
    SKIP: 'Let through: one end is on the whitelist, which wins over the blacklist.',
    SSH: 'Let through: a port that is never blocked, so that nobody locks himself out.',
};

const PORTS = new Map<number, string>([
    [20, 'FTP data'],
    [21, 'FTP'],
    [22, 'SSH'],
    [23, 'Telnet'],
    [25, 'SMTP'],
    [53, 'DNS'],
    [67, 'DHCP server'],
    [68, 'DHCP client'],
    [80, 'HTTP'],
    [110, 'POP3'],
    [123, 'NTP'],
    [137, 'NetBIOS'],
    [139, 'NetBIOS'],
    [143, 'IMAP'],
    [161, 'SNMP'],
    [389, 'LDAP'],
    [443, 'HTTPS'],
    [445, 'SMB'],
    [465, 'SMTPS'],
    [500, 'IKE'],
    [554, 'RTSP'],
    [587, 'Mail submission'],
    [631, 'IPP printing'],
    [853, 'DNS over TLS'],
    [993, 'IMAPS'],
    [995, 'POP3S'],
    [1194, 'OpenVPN'],
    [1883, 'MQTT'],
    [1900, 'SSDP'],
    [3306, 'MySQL'],
    [3389, 'Remote Desktop'],
    [4500, 'IPsec NAT-T'],
    [5060, 'SIP'],
    [5353, 'mDNS'],
    [5432, 'PostgreSQL'],
    [6379, 'Redis'],
    [8080, 'HTTP, alternative'],
    [8086, 'NTC'],
    [8443, 'HTTPS, alternative'],
    [51820, 'WireGuard'],
]);

/** The usual service of a port, '' if none is known. */
export function portName(port: number): string {
    return PORTS.get(port) ?? '';
}

/** What two ends talk about: the service of the port that was called, '' if it is not known. */
export function serviceName(flow: Pick<FlowRow, 'src_port' | 'dst_port'>): string {
    return portName(flow.dst_port) || portName(flow.src_port);
}

const PROTOCOL_NAMES = new Map<number, string>([
    [1, 'ICMP'],
    [2, 'IGMP'],
    [6, 'TCP'],
    [17, 'UDP'],
    [41, 'IPv6 tunnel'],
    [47, 'GRE'],
    [50, 'ESP'],
    [51, 'AH'],
    [58, 'ICMPv6'],
    [89, 'OSPF'],
    [112, 'VRRP'],
    [132, 'SCTP'],
]);

/** The name of an IP protocol number. */
export function protocolName(protocol: number): string {
    return PROTOCOL_NAMES.get(protocol) ?? `IP protocol ${protocol}`;
}

export type Level = 'calm' | 'notice' | 'alarm';

export interface Indicator {
    level: Level;
    /** Why it is coloured so, for the tooltip. */
    meaning: string;
}

/** Destination ports somebody has tried: many are the mark of a port scan. */
export function portIndicator(ports: number): Indicator {
    const seen = `${plural(ports, 'different destination port', 'different destination ports')} in the last minute`;
    if (ports >= 100) return { level: 'alarm', meaning: `${seen}: this is how a port scan looks.` };
    if (ports >= 20) return { level: 'notice', meaning: `${seen}: more than most programs use.` };
    return { level: 'calm', meaning: `${seen}.` };
}

/** Connections begun against packets that belong to some: many SYNs without ACKs are a scan or flood. */
export function synIndicator(row: Pick<AddressRow, 'syn_count' | 'ack_count'>): Indicator {
    const { syn_count: syn, ack_count: ack } = row;
    const seen = `${plural(syn, 'connection attempt (SYN)', 'connection attempts (SYN)')} and ${plural(ack, 'ACK', 'ACKs')} in the last minute`;
    const isLonely = syn > 2 * ack;
    if (syn >= 600 && isLonely)
        return { level: 'alarm', meaning: `${seen}: this is how a SYN flood looks.` };
    if (syn >= 60 && isLonely)
        return { level: 'notice', meaning: `${seen}: many attempts, few answers taken up.` };
    return { level: 'calm', meaning: `${seen}.` };
}

const STAGES: Record<string, string> = {
    ring: 'the ring buffer of the kernel was full',
    cache: 'the flow cache of the kernel was full',
    bus: 'lost between collector and aggregator',
    unsubscribed: 'no aggregator was listening',
    table: 'the flow table was full',
};

export interface LedgerWords {
    level: Level;
    /** Packets that are in the totals, but in no flow and not among the events. */
    lost: number;
    /** Packets that the books cannot explain. */
    uncounted: number;
    /** One line. */
    title: string;
    /** Sentences for each stage and for what is not explained. */
    details: string[];
}

/** The loss ledger in plain words. */
export function ledgerWords(ledger: Ledger): LedgerWords {
    const lost = ledger.lost.filter((loss) => loss.packets > 0);
    const packets = lost.reduce((sum, loss) => sum + loss.packets, 0);
    const uncounted = Math.abs(ledger.difference_packets);
    const details = lost.map(
        (loss) =>
            `${plural(loss.packets, 'packet', 'packets')}: ${STAGES[loss.stage] ?? loss.stage}.`,
    );
    if (uncounted > 0)
        details.push(
            ledger.difference_packets > 0
                ? `${plural(uncounted, 'packet is', 'packets are')} in the kernel’s counters, but in no flow, and nobody knows why.`
                : `${plural(uncounted, 'packet was', 'packets were')} accounted for twice.`,
        );
    if (packets === 0 && uncounted === 0)
        return {
            level: 'calm',
            lost: 0,
            uncounted,
            title: 'Nothing lost',
            details: ['Every packet is accounted for.'],
        };
    // What passes while the aggregator is away is no sign of anything being too slow.
    const isHarmless = lost.every(({ stage }) => stage === 'unsubscribed');
    return {
        level: uncounted > 0 ? 'alarm' : isHarmless ? 'calm' : 'notice',
        lost: packets,
        uncounted,
        title: `${count(packets)} not shown, ${count(uncounted)} not counted`,
        details,
    };
}

export interface StateWords {
    level: Level;
    title: string;
    why: string;
}

/** What is missing among the programs, the worst first; null when all are well. */
export function troubleOf(summary: Summary): StateWords | null {
    const { aggregator, collectors, unheard } = summary;
    const told = unheard.find((one) => one.problem);
    const reason = told ? ` ${told.endpoint}: ${told.problem}.` : '';
    if (aggregator.state === 'away')
        return {
            level: 'alarm',
            title: 'No aggregator',
            why: 'Nothing has come from ntc-aggregator since the gateway started: is it running?',
        };
    if (aggregator.state === 'stale')
        return {
            level: 'alarm',
            title: 'Aggregator away',
            why: `Nothing has come from ntc-aggregator for ${duration(aggregator.age_s ?? 0)}: the figures stand still.`,
        };
    if (collectors.length === 0)
        return {
            level: 'alarm',
            title: 'No collector',
            why: `No ntc-collector has reported yet: is it running?${reason}`,
        };
    const aways = collectors.filter((collector) => collector.state !== 'live');
    const away = aways[0];
    if (away)
        return {
            level: 'alarm',
            title: aways.length > 1 ? `${aways.length} collectors away` : 'Collector away',
            why: `Nothing has come from collector ${away.id} for ${duration(away.age_s)}. What is blocked stays blocked.${reason}`,
        };
    if (unheard[0])
        return {
            level: 'alarm',
            title:
                unheard.length > 1
                    ? `${unheard.length} collectors not heard`
                    : 'Collector not heard',
            why: `Nothing comes from ${unheard[0].endpoint}.${reason}`,
        };
    for (const collector of collectors)
        for (const { level, text, why } of collectorSigns(collector))
            if (level !== 'calm')
                return { level, title: text, why: `Collector ${collector.id}: ${why}` };
    for (const collector of collectors) {
        const detached = collector.interfaces.find((one) => !one.attached);
        if (detached)
            return {
                level: 'notice',
                title: `${detached.name} not watched`,
                why: interfaceWords(detached),
            };
    }
    return null;
}

export function interfaceWords(state: CollectorState['interfaces'][number]): string {
    if (state.attached) return 'Watched';
    if (state.error) return `Not watched: ${state.error}`;
    return state.ifindex === 0 ? 'Not there at the moment' : 'Not watched';
}

export interface Sign {
    level: Level;
    text: string;
    why: string;
}

const NOTES: Record<CollectorNote, (collector: CollectorState) => Sign> = {
    rival: () => ({
        level: 'alarm',
        text: 'Name used twice',
        why: 'Another collector uses the same name. One is heard, the other is refused: give one of them another bus.collector_id.',
    }),
    clock: ({ clock_error_s: error }) => ({
        level: 'notice',
        text: `Clock ${duration(Math.abs(error))} ${error < 0 ? 'behind' : 'ahead'}`,
        why: 'Its wall clock and that of the aggregator differ: the times of its events and flows are wrong by that much. Counting and blocking are not.',
    }),
    idle: ({ idle_s: idle }) => ({
        level: 'calm',
        text: 'Idle',
        why: `It is heard, but no packet has passed for ${duration(idle)}.`,
    }),
    restarted: ({ restarts }) => ({
        level: 'calm',
        text: 'Restarted',
        why: `It was started again in the last 5 minutes (${plural(restarts, 'restart', 'restarts')} seen in all).`,
    }),
    returned: ({ returns }) => ({
        level: 'calm',
        text: 'Came back',
        why: `It was away in the last 5 minutes (${plural(returns, 'time', 'times')} in all).`,
    }),
};

/** What there is to say of a collector, the worst first; never nothing. */
export function collectorSigns(collector: CollectorState): Sign[] {
    if (collector.state === 'away')
        return [
            {
                level: 'alarm',
                text: `Away for ${duration(collector.age_s)}`,
                why: 'Nothing comes from it. What is blocked there stays blocked.',
            },
        ];
    const order = Object.keys(NOTES) as CollectorNote[];
    const notes = order.filter((note) => collector.notes.includes(note));
    if (notes.length > 0) return notes.map((note) => NOTES[note](collector));
    return [{ level: 'calm', text: 'Live', why: `Heard ${duration(collector.age_s)} ago.` }];
}

/** Where a collector has its packets from. */
export function sourceWords(source: string): string {
    if (source === 'tc') return 'live traffic';
    if (source === 'mock') return 'synthetic traffic';
    if (source === 'replay') return 'a recording';
    return source;
}
