/** Blocking, allowing and forgetting addresses, each with a way back. */

import { api, asApiError } from '../api/client.ts';
import type { ListEntry, ListName } from '../api/types.ts';
import type { ImportLine } from '../filters/import_lines.ts';
import { blockRisks } from '../filters/guard.ts';
import { count } from '../format/number.ts';
import { duration } from '../format/time.ts';
import { clock } from './clock.svelte.ts';
import { confirmation } from './confirmation.svelte.ts';
import { lists } from './lists.svelte.ts';
import { session } from './session.svelte.ts';
import { toasts } from './toasts.svelte.ts';

const VERBS = { blacklist: 'Blocked', whitelist: 'Allowed' } as const;
const NAMES: ListName[] = ['blacklist', 'whitelist'];

const other = (list: ListName): ListName => (list === 'blacklist' ? 'whitelist' : 'blacklist');

/**
 * Puts an address or prefix on a list and takes it off the other one, where it would contradict.
 * `ttl` in seconds, null = for ever. Returns false after telling why it failed.
 */
export async function putOnList(
    list: ListName,
    ip: string,
    ttl: number | null,
    reason: string,
): Promise<boolean> {
    if (list === 'blacklist' && !(await isMeant([ip]))) return false;
    return change(async () => {
        const before = await entriesOf(ip);
        await session.asAdmin(() => api.listAdd(list, ip, ttl, reason));
        if (before[other(list)]) await api.listRemove(other(list), ip);
        const span = ttl === null ? 'for ever' : `for ${duration(ttl)}`;
        const moved = before[other(list)] ? ` It was taken off the ${other(list)}.` : '';
        toasts.done(`${VERBS[list]} ${ip} ${span}.${moved}`, () => restore(ip, before));
    });
}

/** Asks twice when a block would lock somebody out. */
async function isMeant(ips: string[]): Promise<boolean> {
    const risks = new Set(ips.flatMap((ip) => blockRisks(ip, session.data ?? {})));
    if (risks.size === 0) return true;
    const what = ips.length === 1 ? ips[0]! : `all ${count(ips.length)} addresses`;
    return confirmation.ask(`Block ${what}?`, [...risks], `Block ${what}`);
}

/** Takes an entry off a list. */
export async function takeOffList(list: ListName, ip: string): Promise<boolean> {
    return change(async () => {
        const before = await entriesOf(ip);
        await session.asAdmin(() => api.listRemove(list, ip));
        toasts.done(`Took ${ip} off the ${list}.`, () => restore(ip, before));
    });
}

type Entries = Record<ListName, ListEntry | null>;

async function entriesOf(ip: string): Promise<Entries> {
    for (const name of NAMES) if (!lists[name].isLoaded) await lists[name].load();
    return {
        blacklist: lists.blacklist.index.exact(ip),
        whitelist: lists.whitelist.index.exact(ip),
    };
}

async function restore(ip: string, before: Entries): Promise<void> {
    await change(async () => {
        for (const name of NAMES) await lists[name].load();
        for (const name of NAMES) {
            const entry = before[name];
            const left = remaining(entry, clock.now);
            const ttl = left === null ? null : Math.ceil(left);
            if (entry && ttl !== 0)
                await session.asAdmin(() => api.listAdd(name, ip, ttl, entry.reason));
            else if (lists[name].index.exact(ip))
                await session.asAdmin(() => api.listRemove(name, ip)).catch(unlessGone);
        }
        toasts.done(`${ip} is as it was.`);
    });
}

/** Seconds that an entry still has at `now`, null = for ever, 0 = none. */
export function remaining(entry: ListEntry | null, now: number): number | null {
    if (!entry || entry.expires === null) return null;
    return Math.max(0, entry.expires - now);
}

function unlessGone(cause: unknown): void {
    if (asApiError(cause).status !== 404) throw cause;
}

async function change(task: () => Promise<void>): Promise<boolean> {
    try {
        await task();
        return true;
    } catch (cause) {
        toasts.failed(asApiError(cause).message);
        return false;
    } finally {
        for (const name of NAMES) void lists[name].load().catch(() => {}); // the poller tells
    }
}

export interface ImportResult {
    line: ImportLine;
    /** '' while it is under way, then 'added', or why not. */
    result: string;
}

const AT_ONCE = 4;

/**
 * Puts all lines without mistakes on the list. `onProgress` is told the number done so far.
 * Returns the results in the order of the lines, null if it was not meant so; throws if nobody
 * logs in.
 */
export async function importLines(
    list: ListName,
    lines: ImportLine[],
    onProgress: (done: number) => void,
): Promise<ImportResult[] | null> {
    const results = lines.map((line) => ({ line, result: line.why }));
    const waiting = results.filter(({ result }) => result === '');
    if (list === 'blacklist' && !(await isMeant(waiting.map(({ line }) => line.ip)))) return null;
    let done = 0;
    const addOne = async (one: ImportResult) => {
        const { ip, ttl, reason } = one.line;
        one.result = await api.listAdd(list, ip, ttl, reason).then(
            () => 'added',
            (cause: unknown) => asApiError(cause).message,
        );
        onProgress(++done);
    };
    const first = waiting.shift();
    if (first) {
        // Alone, so that a wrong or missing token is asked for once.
        const { ip, ttl, reason } = first.line;
        first.result = await session
            .asAdmin(() => api.listAdd(list, ip, ttl, reason))
            .then(
                () => 'added',
                (cause: unknown) => {
                    const error = asApiError(cause);
                    if (error.status === 401) throw error;
                    return error.message;
                },
            );
        onProgress(++done);
    }
    const worker = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) await addOne(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const added = results.filter(({ result }) => result === 'added').map(({ line }) => line.ip);
    if (added.length > 0)
        toasts.done(`Added ${count(added.length)} to the ${list}.`, () => removeAll(list, added));
    await lists[list].load();
    return results;
}

async function removeAll(list: ListName, ips: string[]): Promise<void> {
    await change(async () => {
        const waiting = ips.slice();
        const worker = async () => {
            for (let ip = waiting.shift(); ip !== undefined; ip = waiting.shift())
                await api.listRemove(list, ip).catch(unlessGone);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        toasts.done(`Took ${count(ips.length)} off the ${list}.`);
    });
}
