/**
 * The live events, as batches of JSON text.
 *
 * fetch() instead of EventSource: at 10,000 events/s one task for each is most of the cost, and an
 * EventSource hides why the server refused. Reconnecting is the caller's decision.
 */

import { ApiError, errorOf, withQuery } from './client.ts';
import { SseParser } from './sse_parser.ts';

export interface EventStreamHandlers {
    onOpen(): void;
    /** JSON texts of TrafficEvent, oldest first, and how many the server had to skip among them. */
    onBatch(events: string[], missed: number): void;
    /** The stream has ended, for a reason; nothing follows. Not called after close(). */
    onEnd(error: ApiError): void;
}

/** Pings come every 15 s; three in a row missing means that the connection is dead. */
const SILENCE_MS = 50_000;

export class EventStream {
    readonly #abort = new AbortController();
    readonly #handlers: EventStreamHandlers;
    #silence: ReturnType<typeof setTimeout> | undefined;

    constructor(params: Record<string, string>, handlers: EventStreamHandlers) {
        this.#handlers = handlers;
        void this.#run(withQuery('events', params));
    }

    close(): void {
        clearTimeout(this.#silence);
        this.#abort.abort();
    }

    async #run(path: string): Promise<void> {
        let error = new ApiError(0, 'The stream has ended.');
        try {
            const response = await fetch(path, {
                cache: 'no-store',
                headers: { Accept: 'text/event-stream' },
                signal: this.#abort.signal,
            });
            if (!response.ok || !response.body) throw await errorOf(response);
            this.#handlers.onOpen();
            await this.#read(response.body.getReader());
        } catch (cause) {
            error = cause instanceof ApiError ? cause : new ApiError(0, 'The stream was cut off.');
        }
        clearTimeout(this.#silence);
        if (this.#abort.signal.aborted && this.#abort.signal.reason !== 'silence') return;
        this.#handlers.onEnd(error);
    }

    async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
        const decoder = new TextDecoder();
        const parser = new SseParser();
        for (;;) {
            clearTimeout(this.#silence);
            this.#silence = setTimeout(() => this.#abort.abort('silence'), SILENCE_MS);
            const { done, value } = await reader.read();
            if (done || this.#abort.signal.aborted) return;
            const events: string[] = [];
            let missed = 0;
            parser.feed(decoder.decode(value, { stream: true }), (event, data) => {
                if (event === '') events.push(data);
                else if (event === 'missed') missed += missedCount(data);
            });
            if (events.length > 0 || missed > 0) this.#handlers.onBatch(events, missed);
        }
    }
}

function missedCount(data: string): number {
    try {
        const { count } = JSON.parse(data) as { count?: unknown };
        return typeof count === 'number' ? count : 0;
    } catch {
        return 0;
    }
}
