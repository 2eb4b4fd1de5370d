import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client.ts';
import type { ListEntry, ListName } from '../api/types.ts';
import { readImport } from '../filters/import_lines.ts';

type Lists = Record<ListName, Map<string, ListEntry>>;
const server = vi.hoisted(() => ({
    lists: {} as Lists,
    failWith: null as Error | null,
    needed: '',
}));

vi.mock('../api/client.ts', async (original) => {
    const own = await original<typeof import('../api/client.ts')>();
    const api = {
        list: async (name: ListName) => ({
            entries: [...server.lists[name].values()],
            missing: '',
        }),
        listAdd: async (
            name: ListName,
            ip: string,
            ttl: number | null,
            reason: string,
            force: boolean,
        ) => {
            if (server.failWith) throw server.failWith;
            if (name === 'blacklist' && ip === server.needed && !force)
                throw new own.ApiError(409, `this cuts off ${ip}; add "force"`, null, 'lock_out');
            const expires = ttl === null ? null : Date.now() / 1000 + ttl;
            server.lists[name].set(ip, { ip, ttl, reason, expires } as ListEntry);
            return { ok: true };
        },
        listRemove: async (name: ListName, ip: string) => {
            if (!server.lists[name].delete(ip)) throw new own.ApiError(404, 'not there');
            return { ok: true };
        },
    };
    return { ...own, api };
});

const { importLines, putOnList, remaining, takeOffList } = await import('./list_changes.ts');
const { confirmation } = await import('./confirmation.svelte.ts');
const { lists } = await import('./lists.svelte.ts');
const { session } = await import('./session.svelte.ts');
const { toasts } = await import('./toasts.svelte.ts');

const IP = '192.0.2.1';
const lastToast = () => toasts.shown.at(-1)!;
const onList = (name: ListName) => [...server.lists[name].keys()];

beforeEach(async () => {
    server.lists = { blacklist: new Map(), whitelist: new Map() };
    server.failWith = null;
    server.needed = '';
    session.data = null;
    for (const toast of [...toasts.shown]) toasts.dismiss(toast.id);
    for (const list of Object.values(lists)) await list.load();
});

describe('putOnList', () => {
    it('blocks, says so, and can be undone', async () => {
        expect(await putOnList('blacklist', IP, 600, 'why')).toBe(true);
        expect(server.lists.blacklist.get(IP)).toMatchObject({ ttl: 600, reason: 'why' });
        expect(lastToast().text).toBe(`Blocked ${IP} for 10 min.`);
        await lastToast().undo!();
        expect(onList('blacklist')).toEqual([]);
    });

    it('takes the address off the other list, and undo puts it back with what was left', async () => {
        await putOnList('blacklist', IP, 600, 'first');
        await lists.blacklist.load();
        await putOnList('whitelist', IP, null, '');
        expect([onList('blacklist'), onList('whitelist')]).toEqual([[], [IP]]);
        expect(lastToast().text).toContain('It was taken off the blacklist.');
        await lastToast().undo!();
        expect([onList('blacklist'), onList('whitelist')]).toEqual([[IP], []]);
        const entry = server.lists.blacklist.get(IP)!;
        expect(entry.reason).toBe('first');
        expect(entry.ttl).toBeGreaterThan(590);
    });

    it('tells why it failed', async () => {
        server.failWith = new ApiError(503, 'the collector does not answer');
        expect(await putOnList('blacklist', IP, null, '')).toBe(false);
        expect(lastToast()).toMatchObject({
            kind: 'failed',
            text: 'the collector does not answer',
        });
    });

    it('asks twice when it would lock somebody out', async () => {
        const NET = '192.0.2.0/24';
        server.needed = NET;
        const first = putOnList('blacklist', NET, null, '');
        await vi.waitFor(() => expect(confirmation.question).not.toBeNull());
        expect(confirmation.question!.reasons).toEqual([`this cuts off ${NET}`]);
        confirmation.yes();
        expect(onList('blacklist')).toEqual([]);
        confirmation.no();
        expect(await first).toBe(false);
        const second = putOnList('blacklist', NET, null, '');
        await vi.waitFor(() => expect(confirmation.question).not.toBeNull());
        confirmation.yes();
        confirmation.yes();
        expect(await second).toBe(true);
        expect(onList('blacklist')).toEqual([NET]);
    });

    it('does not ask before somebody is allowed', async () => {
        server.needed = IP;
        expect(await putOnList('whitelist', IP, null, '')).toBe(true);
        expect(confirmation.question).toBeNull();
    });
});

it('takeOffList can be undone', async () => {
    await putOnList('whitelist', IP, null, 'mine');
    await lists.whitelist.load();
    await takeOffList('whitelist', IP);
    expect(onList('whitelist')).toEqual([]);
    await lastToast().undo!();
    expect(server.lists.whitelist.get(IP)).toMatchObject({ ttl: null, reason: 'mine' });
});

describe('importLines', () => {
    it('adds the good lines, tells of the others, and can be undone as a whole', async () => {
        const lines = readImport('192.0.2.1\nnonsense\n192.0.2.2 1h\n192.0.2.1', 0);
        const progress: number[] = [];
        const results = await importLines('blacklist', lines, (done) => progress.push(done));
        expect(results.map(({ result }) => result === 'added')).toEqual([true, false, true, false]);
        expect(progress).toEqual([1, 2]);
        expect(onList('blacklist')).toEqual(['192.0.2.1', '192.0.2.2']);
        await lastToast().undo!();
        expect(onList('blacklist')).toEqual([]);
    });

    it('goes on after a line that the server refuses', async () => {
        server.failWith = new ApiError(409, 'the list is full');
        const results = await importLines(
            'blacklist',
            readImport('192.0.2.1\n192.0.2.2', 0),
            () => {},
        );
        expect(results.map(({ result }) => result)).toEqual([
            'the list is full',
            'the list is full',
        ]);
        expect(toasts.shown).toEqual([]);
    });

    it('asks once for all lines that would lock somebody out, after the others', async () => {
        server.needed = IP;
        const import_ = () =>
            importLines('blacklist', readImport('192.0.2.1\n192.0.2.2', 0), () => {});
        const first = import_();
        await vi.waitFor(() => expect(confirmation.question).not.toBeNull());
        expect(confirmation.question!.title).toBe('Block 192.0.2.1?');
        confirmation.no();
        expect((await first).map(({ result }) => result)).toEqual([
            'this cuts off 192.0.2.1',
            'added',
        ]);
        expect(onList('blacklist')).toEqual(['192.0.2.2']);
        const second = import_();
        await vi.waitFor(() => expect(confirmation.question).not.toBeNull());
        confirmation.yes();
        confirmation.yes();
        expect((await second).map(({ result }) => result)).toEqual(['added', 'added']);
    });
});

it('remaining knows for ever from over', () => {
    const entry = (expires: number | null) => ({ expires }) as ListEntry;
    expect([null, entry(null), entry(150), entry(50)].map((one) => remaining(one, 100))).toEqual([
        null,
        null,
        50,
        0,
    ]);
});
