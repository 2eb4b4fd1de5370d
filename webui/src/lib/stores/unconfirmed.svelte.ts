/** List changes that are undone by themselves unless somebody confirms them. */

import { api, asApiError } from '../api/client.ts';
import type { UnconfirmedChange } from '../api/types.ts';
import { lists } from './lists.svelte.ts';
import { session } from './session.svelte.ts';
import { summary } from './summary.svelte.ts';
import { toasts } from './toasts.svelte.ts';

class Unconfirmed {
    items = $state.raw<UnconfirmedChange[]>([]);

    /** Reads them; what cannot be read is told elsewhere. */
    async load(): Promise<void> {
        this.items = await api.unconfirmed(summary.chosen).catch(() => this.items);
    }

    /** Lets a change stay, or undoes it at once. */
    async settle(how: 'confirm' | 'undo', item: UnconfirmedChange): Promise<void> {
        try {
            await session.asAdmin(() => api.settle(how, item.change));
            toasts.done(how === 'confirm' ? `${item.ip} stays so.` : `${item.ip} is as it was.`);
        } catch (cause) {
            toasts.failed(asApiError(cause).message);
        }
        await Promise.all([this.load(), lists[item.list].load().catch(() => {})]);
    }
}

export const unconfirmed = new Unconfirmed();
