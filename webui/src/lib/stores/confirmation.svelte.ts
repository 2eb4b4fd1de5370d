/** A question that is asked twice before something dangerous is done. */

export interface Question {
    title: string;
    reasons: string[];
    /** What the last button says. */
    action: string;
}

class Confirmation {
    question = $state.raw<Question | null>(null);
    /** 1 or 2 */
    step = $state(1);
    #answer: ((yes: boolean) => void) | null = null;

    /** Resolves to true when somebody has said yes twice. */
    ask(title: string, reasons: string[], action: string): Promise<boolean> {
        this.#answer?.(false);
        this.question = { title, reasons, action };
        this.step = 1;
        return new Promise((resolve) => (this.#answer = resolve));
    }

    yes(): void {
        if (this.step === 1) this.step = 2;
        else this.#end(true);
    }

    no(): void {
        this.#end(false);
    }

    #end(yes: boolean): void {
        this.question = null;
        this.#answer?.(yes);
        this.#answer = null;
    }
}

export const confirmation = new Confirmation();
