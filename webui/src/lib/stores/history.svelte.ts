/** The history that the charts show: the whole once, then only what is new. */

import { api, asApiError, type ApiError } from '../api/client.ts';
import type { History } from '../api/types.ts';
import { extendHistory, lengthOf } from './history_window.ts';
import { Poller } from './poller.ts';
import { summary } from './summary.svelte.ts';

const OVERLAP_S = 3;

class HistoryStore {
    data = $state.raw<History | null>(null);
    error = $state.raw<ApiError | null>(null);
    #seconds = 300;
    #asked = 0;
    #collector = '';
    #poller = new Poller(
        () => this.#ask(),
        (cause) => (this.error = asApiError(cause)),
        { interval: 1000 },
    );

    /** Keeps at least the last `seconds`, until stop(). */
    start(seconds: number): void {
        this.#seconds = Math.max(this.#seconds, seconds);
        if (!this.#poller.isRunning) this.#poller.start();
        else if (this.#asked < this.#seconds) this.#poller.poke();
    }

    /** Asks at once, such as for another collector. */
    refresh(): void {
        this.#poller.poke();
    }

    stop(): void {
        this.#poller.stop();
    }

    async #ask(): Promise<void> {
        const seconds = this.#seconds;
        const collector = summary.chosen;
        if (collector !== this.#collector) {
            this.#collector = collector;
            this.#asked = 0;
            this.data = null;
        }
        const window = this.data;
        if (window && this.#asked >= seconds) {
            const age = Math.ceil(Date.now() / 1000 - this.#answeredAt);
            const latest = await api.history(Math.min(seconds, age + OVERLAP_S), collector);
            const extended = extendHistory(window, latest, seconds);
            if (extended) return this.#take(extended);
        }
        const whole = await api.history(seconds, collector);
        if (collector !== summary.chosen) return this.#poller.poke();
        this.#asked = seconds;
        this.#take(whole);
    }

    #answeredAt = 0;

    #take(history: History): void {
        this.#answeredAt = Date.now() / 1000;
        this.error = null;
        if (
            !this.data ||
            history.end !== this.data.end ||
            lengthOf(history) !== lengthOf(this.data)
        )
            this.data = history;
    }
}

export const history = new HistoryStore();
