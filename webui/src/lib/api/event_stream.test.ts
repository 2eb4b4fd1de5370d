import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ApiError } from './client.ts';
import { EventStream } from './event_stream.ts';

let server: ReadableStreamDefaultController<Uint8Array>;
let asked: string[] = [];

beforeEach(() => {
    vi.useFakeTimers();
    asked = [];
    vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
        asked.push(path);
        const body = new ReadableStream<Uint8Array>({
            start(controller) {
                server = controller;
                init.signal!.addEventListener('abort', () =>
                    controller.error(new DOMException('aborted', 'AbortError')),
                );
            },
        });
        return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    });
});
afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
});

function follow(params: Record<string, string> = {}) {
    const seen = { opened: 0, events: [] as string[], missed: 0, ended: null as ApiError | null };
    const stream = new EventStream(params, {
        onOpen: () => seen.opened++,
        onBatch: (events, missed) => {
            seen.events.push(...events);
            seen.missed += missed;
        },
        onEnd: (error) => (seen.ended = error),
    });
    return { stream, seen };
}

const send = (text: string) => server.enqueue(new TextEncoder().encode(text));
const settle = () => vi.advanceTimersByTimeAsync(0);

it('hands out batches and what was missed', async () => {
    const { stream, seen } = follow({ ip: '10.0.0.0/8', port: '' });
    await settle();
    expect([asked, seen.opened]).toEqual([['events?ip=10.0.0.0%2F8'], 1]);
    send(': connected\n\ndata: {"a":1}\n\ndata: {"a"');
    await settle();
    send(':2}\n\nevent: missed\ndata: {"count":12}\n\n');
    await settle();
    expect([seen.events, seen.missed]).toEqual([['{"a":1}', '{"a":2}'], 12]);
    stream.close();
});

it('tells when the stream ends, but not when it was closed here', async () => {
    const first = follow();
    await settle();
    server.close();
    await settle();
    expect(first.seen.ended?.message).toBe('The stream has ended.');
    const second = follow();
    await settle();
    second.stream.close();
    await settle();
    expect(second.seen.ended).toBeNull();
});

it('takes silence without pings for a dead connection', async () => {
    const { seen } = follow();
    await settle();
    await vi.advanceTimersByTimeAsync(40_000);
    send(': ping\n\n');
    await vi.advanceTimersByTimeAsync(40_000);
    expect(seen.ended).toBeNull();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(seen.ended?.message).toBe('The stream was cut off.');
});

it('tells why the server refused', async () => {
    const body = '{"ok":false,"error":"all places are taken"}';
    vi.stubGlobal(
        'fetch',
        async () => new Response(body, { status: 503, headers: { 'Retry-After': '5' } }),
    );
    const { seen } = follow();
    await settle();
    expect(seen.ended).toMatchObject({
        status: 503,
        message: 'all places are taken',
        retryAfter: 5,
    });
    expect(seen.opened).toBe(0);
});
