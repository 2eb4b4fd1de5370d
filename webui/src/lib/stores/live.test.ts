import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client.ts';
import type { EventStreamHandlers } from '../api/event_stream.ts';

interface FakeStream extends EventStreamHandlers {
    params: Record<string, string>;
    isClosed: boolean;
}
const streams: FakeStream[] = [];

vi.mock('../api/event_stream.ts', () => ({
    EventStream: class {
        #own: FakeStream;
        constructor(params: Record<string, string>, handlers: EventStreamHandlers) {
            this.#own = Object.assign(Object.create(handlers) as FakeStream, {
                params,
                isClosed: false,
            });
            streams.push(this.#own);
        }
        close() {
            this.#own.isClosed = true;
        }
    },
}));

const { live, MAX_EVENTS } = await import('./live.svelte.ts');

const texts = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => JSON.stringify({ seq: from + i }));
const frame = () => vi.advanceTimersByTimeAsync(120);

beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('requestAnimationFrame', (paint: () => void) => setTimeout(paint, 16));
});
afterEach(async () => {
    live.close();
    live.follow();
    await frame();
    live.clear();
    streams.length = 0;
    vi.useRealTimers();
    vi.unstubAllGlobals();
});

/** Opens the stream and lets the server accept it. */
function open(params: Record<string, string> = {}): FakeStream {
    live.open(params);
    const stream = streams.at(-1)!;
    stream.onOpen();
    return stream;
}

describe('the live store', () => {
    it('shows the newest first, painted at once', async () => {
        const stream = open();
        stream.onBatch(texts(0, 3), 0);
        stream.onBatch(texts(3, 5), 0);
        const before = live.paints;
        await frame();
        expect(live.paints).toBe(before + 1);
        expect([live.size, live.event(0)!.seq, live.event(4)!.seq]).toEqual([5, 4, 0]);
    });

    it('begins anew when the filter changes, and only then', async () => {
        const first = open({ proto: 'UDP' });
        first.onBatch(texts(0, 3), 0);
        live.open({ proto: 'UDP' });
        expect(streams).toHaveLength(1);
        live.open({ proto: 'TCP' });
        expect([streams.length, first.isClosed, live.size]).toEqual([2, true, 0]);
        first.onBatch(texts(3, 9), 0);
        await frame();
        expect(live.size).toBe(0);
    });

    it('counts on while it is paused, even beyond its memory', async () => {
        const stream = open();
        stream.onBatch(texts(0, 10), 0);
        await frame();
        live.hold('pause');
        stream.onBatch(texts(10, 10 + MAX_EVENTS * 2), 0);
        await frame();
        expect([live.heldBack, live.size, live.event(0)!.seq]).toEqual([MAX_EVENTS * 2, 10, 9]);
        live.follow();
        await frame();
        expect([live.heldBack, live.size]).toEqual([0, MAX_EVENTS]);
        expect(live.event(0)!.seq).toBe(MAX_EVENTS * 2 + 9);
    });

    it('does not turn a pause into a scroll', () => {
        open();
        live.hold('scroll');
        expect(live.held).toBe('scroll');
        live.hold('pause');
        live.hold('scroll');
        expect(live.held).toBe('pause');
    });

    it('measures the rate with what the server skipped', async () => {
        const stream = open();
        expect(live.rate).toBeNull();
        stream.onBatch(texts(0, 30), 70);
        await vi.advanceTimersByTimeAsync(1000);
        expect(live.rate).toBeCloseTo(100, -1);
        expect(live.missed).toBe(70);
    });

    it('paints ten times a second at most', async () => {
        const stream = open();
        const before = live.paints;
        for (let i = 0; i < 100; i++) {
            stream.onBatch(texts(0, 10), 0);
            await vi.advanceTimersByTimeAsync(10);
        }
        expect(live.paints - before).toBeLessThanOrEqual(10);
        expect(live.paints - before).toBeGreaterThan(5);
    });

    it('comes back with back-off, and says since when nothing comes', async () => {
        open().onEnd(new ApiError(0, 'gone'));
        expect([live.state, live.error?.message, live.staleSince]).toEqual([
            'waiting',
            'gone',
            expect.any(Number),
        ]);
        const since = live.staleSince;
        await vi.advanceTimersByTimeAsync(1000);
        expect(streams).toHaveLength(2);
        streams[1]!.onEnd(new ApiError(503, 'full', 9));
        await vi.advanceTimersByTimeAsync(6000);
        expect([streams.length, live.staleSince]).toEqual([2, since]);
        await vi.advanceTimersByTimeAsync(3000);
        expect(streams).toHaveLength(3);
        streams[2]!.onOpen();
        expect([live.state, live.staleSince, live.error]).toEqual(['open', null, null]);
    });

    it('tries at once when somebody asks for it', () => {
        open().onEnd(new ApiError(0, 'gone'));
        live.retry();
        expect(streams).toHaveLength(2);
        live.retry();
        expect(streams).toHaveLength(2);
    });
});
