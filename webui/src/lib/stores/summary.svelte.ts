/** The state of the whole, every second while somebody looks, and whether the gateway answers. */

import { api, asApiError, type ApiError } from '../api/client.ts';
import type { CollectorState, Summary } from '../api/types.ts';
import { clock } from './clock.svelte.ts';
import { Poller, pokeAll } from './poller.ts';
import { route } from './route.svelte.ts';
import { session } from './session.svelte.ts';
import { settings } from './settings.svelte.ts';
import { toasts } from './toasts.svelte.ts';

const QUICK_MS = 1000;
const SLOW_MS = 3000;

class SummaryStore {
    data = $state.raw<Summary | null>(null);
    error = $state.raw<ApiError | null>(null);
    /** Unix time (this browser's clock) of the first failure in a row, null while all is well. */
    staleSince = $state<number | null>(null);
    #lastAnswer = 0;
    #poller = new Poller(
        () => this.#ask(),
        (cause) => this.#onFailure(asApiError(cause)),
        { interval: QUICK_MS },
    );

    /** In order of their names. */
    get collectors(): CollectorState[] {
        const all = this.data?.collectors ?? [];
        return all.slice().sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
    }

    /** Whether they have to be told apart. */
    get areSeveral(): boolean {
        return (this.data?.collectors.length ?? 0) > 1;
    }

    /** The collector that everything is asked of, '' = all together. */
    get chosen(): string {
        return this.areSeveral ? route.collector : '';
    }

    choose(collector: string): void {
        route.set({ collector, offset: '' }, 'push');
    }

    start(): void {
        this.#poller.start();
    }

    /** Only the overview needs every second. */
    set isDetailed(value: boolean) {
        this.#poller.interval = value ? QUICK_MS : SLOW_MS;
    }

    retry(): void {
        this.#poller.poke();
    }

    async #ask(): Promise<void> {
        if (!session.data?.read) await session.load();
        if (!session.data?.read) return; // somebody has to log in first
        const collector = this.chosen;
        const data = await api.summary(collector).catch((cause: unknown) => {
            if (collector !== '' && asApiError(cause).status === 404) {
                route.set({ collector: '' });
                toasts.failed(`There is no collector “${collector}”.`);
            }
            throw cause;
        });
        if (collector !== this.chosen && data.collectors.length > 1) this.#poller.poke();
        const wasAway = this.staleSince !== null;
        clock.setServerTime(data.time);
        settings.serverZone = data.timezone;
        this.data = data;
        this.error = null;
        this.staleSince = null;
        this.#lastAnswer = Date.now() / 1000;
        if (wasAway) await this.#onReturn();
    }

    async #onReturn(): Promise<void> {
        pokeAll(this.#poller);
        await session.load(); // sessions may not have survived
    }

    #onFailure(error: ApiError): void {
        this.error = error;
        this.staleSince ??= this.#lastAnswer || Date.now() / 1000;
        if (error.status === 401) void session.load().catch(() => {}); // next time it tells, too
    }
}

export const summary = new SummaryStore();
