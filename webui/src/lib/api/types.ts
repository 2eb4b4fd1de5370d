/** The JSON of the gateway, as docs/api.md tells it. Times are unix seconds with fractions. */

export type Proto = 'TCP' | 'UDP' | 'ICMP' | 'OTHER';
export type Action = 'PASS' | 'DROP' | 'SKIP' | 'SSH';
export type Direction = 'INGRESS' | 'EGRESS';
export type ListName = 'blacklist' | 'whitelist';

export interface Rates {
    packets_per_second: number;
    bytes_per_second: number;
}

export interface ProcessCost {
    cpu_seconds: number;
    resident_bytes: number;
    open_fds: number;
}

export interface AddressRow extends Rates {
    ip: string;
    unique_dst_ports: number;
    /** In the last 60 s, like `ack_count`, `packets` and `bytes`. */
    syn_count: number;
    ack_count: number;
    packets: number;
    bytes: number;
    last: number;
    /** 60 values, oldest first; only in pages of /api/ips. */
    packets_by_second?: number[];
    bytes_by_second?: number[];
}

export interface FlowRow {
    src: string;
    dst: string;
    src_port: number;
    dst_port: number;
    proto: Proto;
    /** IP protocol number. */
    protocol: number;
    direction: Direction;
    action: Action;
    ip_version: 4 | 6;
    tcp_flags: string;
    interface: string;
    collector: string;
    first: number;
    last: number;
    packets: number;
    bytes: number;
}

export interface Loss {
    stage: string;
    packets: number;
    bytes: number;
    records: number;
}

export interface Ledger {
    counted_packets: number;
    without_record_packets: number;
    accounted_packets: number;
    in_flight_packets: number;
    difference_packets: number;
    lost: Loss[];
}

export interface InterfaceState {
    name: string;
    ifindex: number;
    attached: boolean;
    error: string;
}

export type CollectorNote = 'idle' | 'restarted' | 'returned' | 'clock' | 'rival';

export interface CollectorState {
    id: string;
    boot_id: string;
    version: string;
    source: string;
    state: 'live' | 'away';
    notes: CollectorNote[];
    age_s: number;
    idle_s: number;
    /** Its wall clock less the aggregator's. */
    clock_error_s: number;
    restarts: number;
    returns: number;
    uptime_s: number;
    interfaces: InterfaceState[];
    blacklist: { hosts: number; prefixes: number };
    whitelist: { hosts: number; prefixes: number };
    list_version: number;
    process: ProcessCost;
    /** Its own share; only where there are several collectors. */
    now?: Rates;
    minute?: Rates;
    active_ips?: number;
    active_flows?: number;
    ledger?: Ledger;
}

export interface Summary {
    time: number;
    version: string;
    uptime_s: number;
    timezone: string;
    now: Rates;
    minute: Rates;
    active_ips: number;
    active_flows: number;
    totals: {
        proto: string;
        direction: string;
        action: string;
        packets: number;
        bytes: number;
    }[];
    ledger: Ledger;
    top: Record<TopKey, AddressRow[]>;
    top_flows: FlowRow[];
    tables: { name: string; size: number; capacity: number; evicted: number; refused: number }[];
    collectors: CollectorState[];
    /** Where a collector should be and nothing is heard, and why; "" = not known */
    unheard: { endpoint: string; problem: string }[];
    aggregator: {
        state: 'live' | 'stale' | 'away';
        /** null when it was never heard */
        age_s: number | null;
        version: string;
        process: ProcessCost;
    };
    gateway: {
        version: string;
        sse_clients: number;
        sse_capacity: number;
        process: ProcessCost;
    };
}

export type TopKey = 'packets' | 'bytes' | 'ports' | 'syn' | 'ack';

export interface Series {
    packets: number[];
    bytes: number[];
}

export interface History {
    /** The second of the last value. */
    end: number;
    step: number;
    /** "ingress_pass" ... "egress_ssh", "tcp", "udp", "icmp", "other"; oldest first. */
    series: Record<string, Series>;
}

export interface PageQuery {
    limit: number;
    offset: number;
    sort: string;
    order: 'asc' | 'desc';
    [filter: string]: string | number;
}

export interface FlowPage {
    total: number;
    unix_time: number;
    flows: FlowRow[];
}

export interface AddressPage {
    total: number;
    unix_time: number;
    ips: AddressRow[];
}

export interface ListEntry {
    ip: string;
    version: 4 | 6;
    expires: number | null;
    ttl: number | null;
    reason: string;
    added: number | null;
    hits: { packets: number; bytes: number; last: number | null };
    /** The collectors that have it; this and what follows only in the list of several. */
    collectors?: string[];
    everywhere?: boolean;
    /** Time or reason are not the same everywhere. */
    differs?: boolean;
}

/** What one of several collectors answered to a change of a list. */
export interface CollectorAnswer {
    /** null when it has never answered. */
    id: string | null;
    endpoint: string;
    ok: boolean;
    changed: boolean;
    status: number;
    error?: string;
}

/** A list change that is undone by itself unless somebody confirms it. */
export interface UnconfirmedChange {
    change: string;
    list: ListName;
    ip: string;
    version: 4 | 6;
    action: 'add' | 'remove';
    unconfirmed_until: number;
}

export interface Session {
    admin: boolean;
    login_required: boolean;
    read: boolean;
    client_ip?: string;
}

/** Block, key, value as text; secrets are hidden by the server. */
export type Config = Record<string, Record<string, unknown>>;

export interface TrafficEvent {
    /** "HH:MM:SS.mmm" in the server's zone. */
    time: string;
    seq: number;
    src: string;
    dst: string;
    src_port: number;
    dst_port: number;
    proto: Proto;
    action: Action;
    direction: Direction;
    ip_version: 4 | 6;
    pkt_size: number;
    packets: number;
    tcp_flags: string;
    interface: string;
    /** Only where there are several. */
    collector?: string;
}
