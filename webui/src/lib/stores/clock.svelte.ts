/** The time, once a second, on the server's clock: browsers' clocks may be wrong. */

class Clock {
    /** Unix time of the server, whole seconds apart. */
    now = $state(Date.now() / 1000);
    #ahead = 0;

    constructor() {
        if (typeof window !== 'undefined') setInterval(() => this.#tick(), 1000);
    }

    /** Tells what the server's clock shows now. */
    setServerTime(unix: number): void {
        const ahead = unix - Date.now() / 1000;
        if (Math.abs(ahead - this.#ahead) < 1) return; // within what an answer may take
        this.#ahead = ahead;
        this.#tick();
    }

    #tick(): void {
        this.now = Date.now() / 1000 + this.#ahead;
    }
}

export const clock = new Clock();
