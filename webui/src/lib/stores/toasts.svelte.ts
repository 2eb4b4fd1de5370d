/** Short messages about what was just done, with a way back. */

export interface Toast {
    id: number;
    kind: 'done' | 'failed';
    text: string;
    undo: (() => Promise<void>) | null;
}

const LIFE_MS = 10_000;
const MAX_SHOWN = 4;

class Toasts {
    shown = $state<Toast[]>([]);
    #next = 1;
    #timers = new Map<number, ReturnType<typeof setTimeout>>();

    done(text: string, undo: (() => Promise<void>) | null = null): void {
        this.#add({ id: this.#next++, kind: 'done', text, undo });
    }

    failed(text: string): void {
        this.#add({ id: this.#next++, kind: 'failed', text, undo: null });
    }

    dismiss(id: number): void {
        this.hold(id);
        this.shown = this.shown.filter((toast) => toast.id !== id);
    }

    /** Keeps it while somebody points at it. */
    hold(id: number): void {
        clearTimeout(this.#timers.get(id));
        this.#timers.delete(id);
    }

    release(id: number): void {
        this.hold(id);
        this.#timers.set(
            id,
            setTimeout(() => this.dismiss(id), LIFE_MS),
        );
    }

    #add(toast: Toast): void {
        this.shown = [...this.shown, toast].slice(-MAX_SHOWN);
        this.release(toast.id);
    }
}

export const toasts = new Toasts();
