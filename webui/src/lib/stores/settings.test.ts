import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let stored: Record<string, string>;

beforeEach(() => {
    stored = {};
    vi.resetModules();
    vi.stubGlobal('localStorage', {
        getItem: (key: string) => stored[key] ?? null,
        setItem: (key: string, value: string) => (stored[key] = value),
    });
});
afterEach(() => {
    vi.unstubAllGlobals();
});

const load = async () => (await import('./settings.svelte.ts')).settings;

it('are kept', async () => {
    const first = await load();
    first.theme = 'dark';
    first.zoneChoice = 'utc';
    first.hiddenColumns = ['flags'];
    first.save();
    vi.resetModules();
    const second = await load();
    expect([second.theme, second.zone, second.hiddenColumns]).toEqual(['dark', 'UTC', ['flags']]);
});

it.each(['{broken', '7', '{"theme":"pink","range":-1,"split":[],"hiddenColumns":"x"}'])(
    'fall back when storage holds %s',
    async (text) => {
        stored['ntc.settings'] = text;
        const settings = await load();
        expect([settings.theme, settings.range, settings.split, settings.hiddenColumns]).toEqual([
            'system',
            300,
            'direction',
            [],
        ]);
    },
);

it('do without storage', async () => {
    vi.stubGlobal('localStorage', undefined);
    const settings = await load();
    settings.save();
    expect(settings.theme).toBe('system');
});

it('show the router’s zone when it is known', async () => {
    const settings = await load();
    settings.serverZone = 'Europe/Berlin';
    expect(settings.zone).toBe('Europe/Berlin');
    settings.serverZone = 'Not/AZone';
    expect(settings.zone).not.toBe('Not/AZone');
});
