/** What each collector said to the last change of a list that not all of them made. */

import type { CollectorAnswer } from '../api/types.ts';

class AnswersStore {
    all = $state.raw<CollectorAnswer[]>([]);
    /** Makes the same change again, which does nothing where it is made. */
    retry: () => Promise<unknown> = async () => {};

    show(answers: CollectorAnswer[], retry: () => Promise<unknown>): void {
        this.all = answers;
        this.retry = retry;
    }

    hide(): void {
        this.all = [];
    }
}

export const answers = new AnswersStore();
