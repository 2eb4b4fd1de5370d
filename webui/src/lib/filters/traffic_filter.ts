/** What traffic somebody wants to see; applied by the server to events and flows. */

import { formatPrefix, parsePrefix } from './ip.ts';

export const PROTOCOLS = ['TCP', 'UDP', 'ICMP', 'OTHER'] as const;
export const ACTIONS = ['PASS', 'DROP', 'SKIP', 'SSH'] as const;
export const DIRECTIONS = ['INGRESS', 'EGRESS'] as const;

/** Every field is '' when anything goes. */
export interface TrafficFilter {
    /** Address or prefix, source or destination. */
    ip: string;
    /** Source or destination, 1 to 65535 as text. */
    port: string;
    proto: string;
    action: string;
    direction: string;
}

export const NO_FILTER: Readonly<TrafficFilter> = {
    ip: '',
    port: '',
    proto: '',
    action: '',
    direction: '',
};

const FIELDS = ['ip', 'port', 'proto', 'action', 'direction'] as const;

/** Words that people type for the server's words. */
const ALIASES = new Map<string, [field: 'proto' | 'action' | 'direction' | 'port', value: string]>([
    ...PROTOCOLS.map((word) => [word.toLowerCase(), ['proto', word]] as const),
    ...ACTIONS.map((word) => [word.toLowerCase(), ['action', word]] as const),
    ...DIRECTIONS.map((word) => [word.toLowerCase(), ['direction', word]] as const),
    ['in', ['direction', 'INGRESS']],
    ['out', ['direction', 'EGRESS']],
    ['icmpv6', ['proto', 'ICMP']],
    ['passed', ['action', 'PASS']],
    ['dropped', ['action', 'DROP']],
    ['blocked', ['action', 'DROP']],
    ['allowed', ['action', 'SKIP']],
    ['skipped', ['action', 'SKIP']],
    ['bypass', ['action', 'SSH']],
    ['http', ['port', '80']],
    ['https', ['port', '443']],
    ['dns', ['port', '53']],
    ['ntp', ['port', '123']],
] as [string, ['proto' | 'action' | 'direction' | 'port', string]][]);

export function portProblem(text: string): string {
    if (text === '') return '';
    return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535
        ? ''
        : 'A port is a number from 1 to 65535.';
}

export function addressProblem(text: string): string {
    if (text === '') return '';
    const parsed = parsePrefix(text);
    return parsed.ok ? '' : parsed.why;
}

export interface ReadFilter {
    filter: TrafficFilter;
    /** A sentence about the words that could not be understood, '' if all were. */
    why: string;
}

/**
 * Reads what somebody typed into the search box, words in any order: "10.0.0.0/8 tcp 443 drop".
 * Later words win over earlier ones of the same kind.
 */
export function readFilter(text: string): ReadFilter {
    const filter = { ...NO_FILTER };
    for (const typed of text.trim().split(/[\s,]+/)) {
        const word = typed.toLowerCase().replace(/^(ip|host|net|port|proto|action|direction)[:=]/, '');
        if (word === '') continue;
        const alias = ALIASES.get(word);
        if (alias) filter[alias[0]] = alias[1];
        else if (/^:?\d+$/.test(word)) {
            const port = word.replace(':', '');
            if (portProblem(port)) return { filter, why: `“${typed}”: ${portProblem(port)}` };
            filter.port = String(Number(port));
        } else {
            const parsed = parsePrefix(word);
            if (!parsed.ok) return { filter, why: problemOf(typed, word, parsed.why) };
            filter.ip = formatPrefix(parsed.value);
        }
    }
    return { filter, why: '' };
}

function problemOf(typed: string, word: string, why: string): string {
    if (/[.:/%]/.test(word)) return why;
    return `“${typed}” is neither an address, a port, a protocol (tcp, udp, icmp, other), an action (pass, drop, skip, ssh) nor a direction (in, out).`;
}

/** The text that readFilter() turns into this filter. */
export function writeFilter(filter: TrafficFilter): string {
    return FIELDS.map((field) => filter[field].toLowerCase())
        .filter((word) => word !== '')
        .join(' ');
}

/** Takes the filter out of a URL's parameters; what is not valid there counts as absent. */
export function filterFromParams(params: Record<string, string>): TrafficFilter {
    const words = FIELDS.map((field) => params[field] ?? '');
    const filter = { ...NO_FILTER };
    for (const word of words) {
        const read = readFilter(word);
        if (read.why !== '') continue;
        for (const field of FIELDS) filter[field] ||= read.filter[field];
    }
    return filter;
}

/** Only what is set. */
export function filterToParams(filter: TrafficFilter): Record<string, string> {
    return Object.fromEntries(
        FIELDS.filter((field) => filter[field] !== '').map((field) => [field, filter[field]]),
    );
}

export function isFiltered(filter: TrafficFilter): boolean {
    return FIELDS.some((field) => filter[field] !== '');
}
