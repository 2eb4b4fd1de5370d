/** The blacklist and the whitelist, read while somebody needs them. */

import { api, asApiError, type ApiError } from '../api/client.ts';
import type { ListName } from '../api/types.ts';
import { ListIndex } from './list_index.ts';
import { Poller } from './poller.ts';
import { summary } from './summary.svelte.ts';

/** Longer lists are read again only when they have changed, not for their hit counters. */
const MANY = 2000;

class List {
    index = $state.raw(new ListIndex([]));
    isLoaded = $state(false);
    error = $state.raw<ApiError | null>(null);
    /** A sentence about collectors whose entries are not there, '' if there are none. */
    missing = $state('');
    #users = 0;
    #collector = '';
    #version = -1;
    #poller: Poller;

    constructor(readonly name: ListName) {
        this.#poller = new Poller(
            () => this.#ask(),
            (cause) => (this.error = asApiError(cause)),
            { interval: 3000 },
        );
    }

    /** Keeps the list fresh until release(). */
    use(): () => void {
        if (this.#users++ === 0) this.#poller.start();
        return () => {
            if (--this.#users === 0) this.#poller.stop();
        };
    }

    /** Reads it now. */
    async load(): Promise<void> {
        this.#version = listVersion();
        const collector = summary.chosen;
        const { entries, missing } = await api.list(this.name, collector, summary.areSeveral);
        this.index = new ListIndex(entries);
        this.missing = missing;
        this.#collector = collector;
        this.isLoaded = true;
        this.error = null;
    }

    /** Reads it soon, such as that of another collector. */
    refresh(): void {
        if (this.isLoaded && this.#collector !== summary.chosen) this.isLoaded = false;
        this.#poller.poke();
    }

    async #ask(): Promise<void> {
        const isSame = this.#version === listVersion() && this.#collector === summary.chosen;
        if (this.isLoaded && !this.error && isSame && this.index.entries.length > MANY) return;
        await this.load();
    }
}

/** Changes when any list of any collector does. */
export function listVersion(): number {
    const collectors = summary.data?.collectors ?? [];
    return collectors.reduce((sum, collector) => sum + collector.list_version, 0);
}

export const lists: Record<ListName, List> = {
    blacklist: new List('blacklist'),
    whitelist: new List('whitelist'),
};
