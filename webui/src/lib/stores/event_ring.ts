/**
 * The newest events, a fixed number of them. Events come as JSON text and are read only when
 * somebody looks at them.
 */

import type { TrafficEvent } from '../api/types.ts';

export class EventRing {
    readonly capacity: number;
    #slots: (string | TrafficEvent)[] = [];
    #total = 0;
    #base = 0;

    constructor(capacity: number) {
        this.capacity = capacity;
    }

    /** Events added since the beginning; the newest has the number total - 1. */
    get total(): number {
        return this.#total;
    }

    /** Events that can be read. */
    get size(): number {
        return Math.min(this.#total - this.#base, this.capacity);
    }

    add(texts: string[]): void {
        for (const text of texts) this.#slots[this.#total++ % this.capacity] = text;
    }

    /** Forgets all events; numbers go on. */
    clear(): void {
        this.#base = this.#total;
        this.#slots = [];
    }

    /** The i-th newest event, 0 to size - 1; null if it is not there or cannot be read. */
    newest(i: number): TrafficEvent | null {
        if (i < 0 || i >= this.size) return null;
        const slot = (this.#total - 1 - i) % this.capacity;
        const value = this.#slots[slot]!;
        if (typeof value !== 'string') return value;
        try {
            return (this.#slots[slot] = JSON.parse(value) as TrafficEvent);
        } catch {
            return null;
        }
    }

    /** The same events, which stay as they are while this ring goes on. */
    copy(): EventRing {
        const other = new EventRing(this.capacity);
        other.#slots = this.#slots.slice();
        other.#total = this.#total;
        other.#base = this.#base;
        return other;
    }
}
