import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const END = 10_000;
const api = vi.hoisted(() => ({ history: vi.fn() }));
vi.mock('../api/client.ts', async (original) => ({ ...(await original<object>()), api }));

const { history } = await import('./history.svelte.ts');
const { lengthOf } = await import('./history_window.ts');

let end = END;

beforeEach(() => {
    vi.useFakeTimers();
    api.history.mockImplementation(async (seconds: number) => {
        const values = Array.from({ length: seconds }, (_, i) => end - seconds + 1 + i);
        return { end, step: 1, series: { tcp: { packets: values, bytes: values } } };
    });
});
afterEach(() => {
    history.stop();
    vi.useRealTimers();
});

const asked = () => api.history.mock.calls.map(([seconds]) => seconds as number);
const newest = () => history.data!.series.tcp!.packets.at(-1);

it('asks for the whole once, then for what is new, and for more when more is shown', async () => {
    history.start(300);
    await vi.advanceTimersByTimeAsync(0);
    expect([asked(), lengthOf(history.data!)]).toEqual([[300], 300]);

    end += 1;
    await vi.advanceTimersByTimeAsync(1000);
    expect([lengthOf(history.data!), newest()]).toEqual([300, END + 1]);
    expect(asked()[1]).toBeLessThan(10);

    history.start(3600);
    await vi.advanceTimersByTimeAsync(0);
    expect([asked().at(-1), lengthOf(history.data!)]).toEqual([3600, 3600]);

    end += 500; // the machine slept
    await vi.advanceTimersByTimeAsync(1000);
    expect([asked().at(-1), newest(), lengthOf(history.data!)]).toEqual([3600, END + 501, 3600]);
});
