/**
 * Asks again and again: at its interval while all is well, with back-off after failures, and not at
 * all while nobody looks.
 */

export interface PollerOptions {
    /** Time between the end of one task and the next, milliseconds. */
    interval: number;
    /** Uniform from 0 to 1; so that many pages do not come back at the same moment. */
    random?: () => number;
}

const LONGEST_WAIT_MS = 15_000;

/** All pollers that run, to be woken together when the gateway is back. */
const running = new Set<Poller>();

export class Poller {
    readonly #task: () => Promise<void>;
    readonly #onFailure: (error: unknown, retryInMs: number) => void;
    readonly #random: () => number;
    #interval: number;
    #timer: ReturnType<typeof setTimeout> | undefined;
    #round = 0;
    #failures = 0;
    #isBusy = false;
    #isPoked = false;

    constructor(
        task: () => Promise<void>,
        onFailure: (error: unknown, retryInMs: number) => void,
        options: PollerOptions,
    ) {
        this.#task = task;
        this.#onFailure = onFailure;
        this.#interval = options.interval;
        this.#random = options.random ?? Math.random;
    }

    get isRunning(): boolean {
        return running.has(this);
    }

    start(): void {
        if (this.isRunning) return;
        running.add(this);
        this.#failures = 0;
        this.poke();
    }

    stop(): void {
        running.delete(this);
        clearTimeout(this.#timer);
        this.#round++;
        this.#isBusy = false;
    }

    set interval(milliseconds: number) {
        this.#interval = milliseconds;
    }

    /** Asks now, or once more as soon as the question under way is answered. */
    poke(): void {
        if (!this.isRunning) return;
        if (this.#isBusy) {
            this.#isPoked = true;
            return;
        }
        clearTimeout(this.#timer);
        void this.#ask(++this.#round);
    }

    async #ask(round: number): Promise<void> {
        this.#isBusy = true;
        let wait = this.#interval;
        try {
            await this.#task();
            this.#failures = 0;
        } catch (error) {
            if (round !== this.#round) return;
            const doubled = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures++);
            wait = doubled * (0.75 + this.#random() / 4);
            this.#onFailure(error, wait);
        }
        if (round !== this.#round) return;
        this.#isBusy = false;
        if (this.#isPoked) wait = 0;
        this.#isPoked = false;
        if (isHidden()) return;
        this.#timer = setTimeout(() => this.poke(), wait);
    }
}

function isHidden(): boolean {
    return typeof document !== 'undefined' && document.visibilityState === 'hidden';
}

export function pokeAll(except?: Poller): void {
    for (const poller of running) if (poller !== except) poller.poke();
}

if (typeof document !== 'undefined') {
    document.addEventListener('visibilitychange', () => {
        if (!isHidden()) pokeAll();
    });
    window.addEventListener('online', () => pokeAll());
}
