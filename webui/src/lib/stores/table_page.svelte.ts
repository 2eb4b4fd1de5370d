/** One page of a table of the server, asked for again and again. */

import { asApiError, type ApiError } from '../api/client.ts';
import type { PageQuery } from '../api/types.ts';
import { Poller } from './poller.ts';

export const PAGE_SIZE = 100;
/** The server looks no deeper. */
export const MAX_DEPTH = 10_000;

export class TablePage<Row> {
    rows = $state.raw<Row[]>([]);
    total = $state(0);
    /** Unix time of the answer, null before the first. */
    answered = $state<number | null>(null);
    error = $state.raw<ApiError | null>(null);
    /** True while the answer to the query of now has not come. */
    isWaiting = $state(true);
    isPaused = $state(false);
    #query: PageQuery | null = null;
    #key = '';
    readonly #fetchPage: (
        query: PageQuery,
    ) => Promise<{ rows: Row[]; total: number; unix: number }>;
    #poller = new Poller(
        () => this.#ask(),
        (cause) => {
            this.error = asApiError(cause);
            this.isWaiting = false;
        },
        { interval: 2000 },
    );

    constructor(
        fetchPage: (query: PageQuery) => Promise<{ rows: Row[]; total: number; unix: number }>,
    ) {
        this.#fetchPage = fetchPage;
    }

    /** Shows this page from now on. */
    open(query: PageQuery): void {
        const key = JSON.stringify(query);
        if (key === this.#key && this.#poller.isRunning) return;
        if (key !== this.#key) this.isWaiting = true;
        this.#key = key;
        this.#query = query;
        if (this.#poller.isRunning) this.#poller.poke();
        else this.#poller.start();
    }

    close(): void {
        this.#poller.stop();
    }

    refresh(): void {
        this.#poller.poke();
    }

    async #ask(): Promise<void> {
        const key = this.#key;
        if (this.isPaused && !this.isWaiting) return;
        const page = await this.#fetchPage(this.#query!);
        if (key !== this.#key) return; // another query has been opened meanwhile
        this.rows = page.rows;
        this.total = page.total;
        this.answered = page.unix;
        this.error = null;
        this.isWaiting = false;
    }
}
