/** The live events as the table shows them: filtered by the server, paused, counted, bounded. */

import type { ApiError } from '../api/client.ts';
import { EventStream } from '../api/event_stream.ts';
import type { TrafficEvent } from '../api/types.ts';
import { EventRing } from './event_ring.ts';

export const MAX_EVENTS = 5000;

/** Ten times a second looks live; more would only take the processor from others. */
const PAINT_MS = 100;
const LONGEST_WAIT_MS = 15_000;

export type StreamState = 'closed' | 'connecting' | 'open' | 'waiting';

class LiveStore {
    state = $state<StreamState>('closed');
    error = $state.raw<ApiError | null>(null);
    /** Unix time (this browser's clock) since when nothing comes, null while the stream is open. */
    staleSince = $state<number | null>(null);
    /** Why the table stands still, '' while it follows. */
    held = $state<'' | 'pause' | 'scroll'>('');
    /** Events a second, the server's skipped ones included; null in the first second. */
    rate = $state<number | null>(null);
    /** Events that the server had to skip for us since the stream was opened. */
    missed = $state(0);
    /** Grows with every paint; whoever reads rows depends on it. */
    paints = $state(0);
    /** Events that can be shown now. */
    size = $state(0);
    /** Events that came while the table was held. */
    heldBack = $state(0);

    #ring = new EventRing(MAX_EVENTS);
    #shown = this.#ring;
    #stream: EventStream | null = null;
    #params: Record<string, string> = {};
    #key = '';
    #retry: ReturnType<typeof setTimeout> | undefined;
    #failures = 0;
    #isScheduled = false;
    #lastPaint = 0;
    #second = { from: 0, events: 0, missed: 0 };
    #missedAll = 0;
    #ticker: ReturnType<typeof setInterval> | undefined;

    /** Follows the events that `params` let through; a change of them begins anew. */
    open(params: Record<string, string>): void {
        const key = JSON.stringify(params);
        if (this.#stream && key === this.#key) return;
        if (key !== this.#key) this.clear();
        this.#key = key;
        this.#params = params;
        this.#failures = 0;
        this.#ticker ??= setInterval(() => this.#measure(), 1000);
        this.#second = { from: performance.now(), events: 0, missed: 0 };
        this.#connect();
    }

    close(): void {
        clearTimeout(this.#retry);
        clearInterval(this.#ticker);
        this.#ticker = undefined;
        this.#stream?.close();
        this.#stream = null;
        this.state = 'closed';
        this.staleSince = null;
        this.error = null;
        this.rate = null;
    }

    /** Tries now instead of waiting. */
    retry(): void {
        if (this.state === 'waiting') this.#connect();
    }

    hold(reason: 'pause' | 'scroll'): void {
        if (this.held === 'pause') return;
        if (this.held === '') this.#shown = this.#ring.copy();
        this.held = reason;
        this.#paint();
    }

    follow(): void {
        this.held = '';
        this.#shown = this.#ring;
        this.#schedule();
    }

    clear(): void {
        this.#ring.clear();
        this.#missedAll = 0;
        this.#shown = this.held === '' ? this.#ring : this.#ring.copy();
        this.#paint();
    }

    /** The i-th newest of the events shown. Depends on `paints`. */
    event(i: number): TrafficEvent | null {
        return this.paints >= 0 ? this.#shown.newest(i) : null;
    }

    /** Number of the newest event shown, -1 if there is none. Depends on `paints`. */
    get newest(): number {
        return this.paints >= 0 ? this.#shown.total - 1 : -1;
    }

    #connect(): void {
        clearTimeout(this.#retry);
        this.#stream?.close();
        this.state = 'connecting';
        const stream: EventStream = new EventStream(this.#params, {
            onOpen: () => stream === this.#stream && this.#onOpen(),
            onBatch: (events, missed) => stream === this.#stream && this.#onBatch(events, missed),
            onEnd: (error) => stream === this.#stream && this.#onEnd(error),
        });
        this.#stream = stream;
    }

    #onOpen(): void {
        this.state = 'open';
        this.#failures = 0;
        this.error = null;
        this.staleSince = null;
    }

    #onBatch(events: string[], missed: number): void {
        this.#ring.add(events);
        this.#second.events += events.length;
        this.#second.missed += missed;
        this.#missedAll += missed;
        this.#schedule();
    }

    #onEnd(error: ApiError): void {
        this.state = 'waiting';
        this.error = error;
        this.staleSince ??= Date.now() / 1000;
        const backOff = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures++);
        const wait = Math.max(backOff, (error.retryAfter ?? 0) * 1000);
        this.#retry = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 4));
    }

    #measure(): void {
        const now = performance.now();
        const { from, events, missed } = this.#second;
        this.rate = ((events + missed) * 1000) / Math.max(1, now - from);
        this.#second = { from: now, events: 0, missed: 0 };
    }

    /** At the next frame, but not before PAINT_MS have passed since the last paint. */
    #schedule(): void {
        if (this.#isScheduled) return;
        this.#isScheduled = true;
        const paint = () => {
            this.#isScheduled = false;
            this.#paint();
        };
        const wait = this.#lastPaint + PAINT_MS - performance.now();
        if (wait > 0) setTimeout(() => requestAnimationFrame(paint), Math.min(wait, PAINT_MS));
        else requestAnimationFrame(paint);
    }

    #paint(): void {
        this.#lastPaint = performance.now();
        this.missed = this.#missedAll;
        this.size = this.#shown.size;
        this.heldBack = this.held === '' ? 0 : this.#ring.total - this.#shown.total;
        this.paints++;
    }
}

export const live = new LiveStore();
