/** Blocking, allowing and forgetting addresses, each with a way back. */

import { api, asApiError } from '../api/client.ts';
import type { ListEntry, ListName } from '../api/types.ts';
import type { ImportLine } from '../filters/import_lines.ts';
import { count } from '../format/number.ts';
import { duration } from '../format/time.ts';
import { answers } from './answers.svelte.ts';
import { clock } from './clock.svelte.ts';
import { confirmation } from './confirmation.svelte.ts';
import { lists } from './lists.svelte.ts';
import { session } from './session.svelte.ts';
import { summary } from './summary.svelte.ts';
import { toasts } from './toasts.svelte.ts';

const VERBS = { blacklist: 'Blocked', whitelist: 'Allowed' } as const;
const ORDERS = { blacklist: 'Block', whitelist: 'Allow' } as const;
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
    const what = `${ORDERS[list]} ${ip}`;
    return change(async () => {
        const before = await entriesOf(ip);
        const add = (force: boolean) =>
            api.listAdd(list, ip, ttl, reason, force, summary.chosen, patience(force, ttl));
        const remove = (force: boolean) =>
            api.listRemove(other(list), ip, force, summary.chosen, patience(force, null));
        if (!(await done(what, add))) return false;
        if (before[other(list)] && !(await done(what, remove))) {
            await putBack(ip, before);
            return false;
        }
        const span = ttl === null ? 'for ever' : `for ${duration(ttl)}`;
        const moved = before[other(list)] ? ` It was taken off the ${other(list)}.` : '';
        toasts.done(`${VERBS[list]} ${ip} ${span}${where()}.${moved}`, () => restore(ip, before));
        return true;
    });
}

/** Where a change was made, for sentences. */
function where(): string {
    if (summary.chosen !== '') return ` on ${summary.chosen}`;
    return summary.areSeveral ? ' on all collectors' : '';
}

/** Who forces what may lock him out has so many seconds to say that it did not. */
const CONFIRM_S = 60;

const patience = (force: boolean, ttl: number | null): number =>
    force && (ttl === null || ttl > CONFIRM_S) ? CONFIRM_S : 0;

const isLockout = (cause: unknown): boolean => asApiError(cause).code === 'lock_out';

/** The reason of a refusal, without what it tells programs to do. */
const reasonOf = (cause: unknown): string => asApiError(cause).message.split('; ')[0]!;

/**
 * Does something as the administrator. When the server says that it would lock somebody out, asks
 * twice before it is forced. Returns false if it was not meant so.
 */
async function done(what: string, task: (force: boolean) => Promise<unknown>): Promise<boolean> {
    try {
        await session.asAdmin(() => task(false));
    } catch (cause) {
        if (!isLockout(cause)) throw cause;
        if (!(await confirmation.ask(`${what}?`, [reasonOf(cause)], what))) return false;
        await session.asAdmin(() => task(true));
    }
    return true;
}

/** Takes an entry off a list. */
export async function takeOffList(list: ListName, ip: string): Promise<boolean> {
    return change(async () => {
        const before = await entriesOf(ip);
        const what = `Take ${ip} off the ${list}`;
        const remove = (force: boolean) =>
            api.listRemove(list, ip, force, summary.chosen, patience(force, null));
        if (!(await done(what, remove))) return false;
        toasts.done(`Took ${ip} off the ${list}${where()}.`, () => restore(ip, before));
        return true;
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
        await putBack(ip, before);
        toasts.done(`${ip} is as it was.`);
        return true;
    });
}

/** What was so before may be so again: it is forced. The whitelist first: it protects. */
async function putBack(ip: string, before: Entries): Promise<void> {
    for (const name of NAMES) await lists[name].load();
    for (const name of ['whitelist', 'blacklist'] as const) {
        const entry = before[name];
        const left = remaining(entry, clock.now);
        const ttl = left === null ? null : Math.ceil(left);
        const isLocal = entry?.everywhere === false; // some collectors had it, and only they
        if (lists[name].index.exact(ip) && (!entry || ttl === 0 || isLocal))
            await session
                .asAdmin(() => api.listRemove(name, ip, true, summary.chosen))
                .catch(unlessGone);
        if (!entry || ttl === 0) continue;
        for (const collector of isLocal ? entry.collectors! : [summary.chosen])
            await session.asAdmin(() => api.listAdd(name, ip, ttl, entry.reason, true, collector));
    }
}

/** Seconds that an entry still has at `now`, null = for ever, 0 = none. */
export function remaining(entry: ListEntry | null, now: number): number | null {
    if (!entry || entry.expires === null) return null;
    return Math.max(0, entry.expires - now);
}

function unlessGone(cause: unknown): void {
    if (asApiError(cause).status !== 404) throw cause;
}

/** Runs a task that returns whether it was done, tells what fails, and shows what has come of it. */
async function change(task: () => Promise<boolean>): Promise<boolean> {
    answers.hide();
    try {
        return await task();
    } catch (cause) {
        const error = asApiError(cause);
        toasts.failed(error.message);
        answers.show(error.collectors, () => change(task));
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
 * Lines that would lock somebody out are asked about together in the end, before they are forced.
 * Returns the results in the order of the lines; throws if nobody logs in.
 */
export async function importLines(
    list: ListName,
    lines: ImportLine[],
    onProgress: (done: number) => void,
): Promise<ImportResult[]> {
    const results = lines.map((line) => ({ line, result: line.why }));
    const waiting = results.filter(({ result }) => result === '');
    const dangerous: ImportResult[] = [];
    let done = 0;
    const told = (one: ImportResult, cause: unknown): string => {
        if (!isLockout(cause)) return asApiError(cause).message;
        dangerous.push(one);
        return reasonOf(cause);
    };
    const addOne = async (one: ImportResult, force = false) => {
        const { ip, ttl, reason } = one.line;
        one.result = await api.listAdd(list, ip, ttl, reason, force, summary.chosen).then(
            () => 'added',
            (cause: unknown) => told(one, cause),
        );
        if (!force) onProgress(++done);
    };
    const first = waiting.shift();
    if (first) {
        // Alone, so that a wrong or missing token is asked for once.
        const { ip, ttl, reason } = first.line;
        first.result = await session
            .asAdmin(() => api.listAdd(list, ip, ttl, reason, false, summary.chosen))
            .then(
                () => 'added',
                (cause: unknown) => {
                    const error = asApiError(cause);
                    if (error.status === 401) throw error;
                    return told(first, cause);
                },
            );
        onProgress(++done);
    }
    const worker = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) await addOne(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (dangerous.length > 0) {
        const what = `${ORDERS[list]} ${dangerous.map(({ line }) => line.ip).join(', ')}`;
        const reasons = [...new Set(dangerous.map(({ result }) => result))];
        if (await confirmation.ask(`${what}?`, reasons, `${ORDERS[list]} all the same`))
            for (const one of dangerous.splice(0)) await addOne(one, true);
    }
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
                await api.listRemove(list, ip, true, summary.chosen).catch(unlessGone);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        toasts.done(`Took ${count(ips.length)} off the ${list}.`);
        return true;
    });
}
