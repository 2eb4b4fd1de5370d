/**
 * Splits a text/event-stream into messages. Pure: it is fed text in pieces of any size.
 *
 * Only what the gateway sends is understood: one "data:" line a message, ended by an empty line.
 * The data stay text: most of ten thousand events a second are never looked at.
 */
export class SseParser {
    #rest = '';
    #event = '';
    #data = '';

    /** Hands each whole message to `onMessage`; `event` is '' for the default kind. */
    feed(piece: string, onMessage: (event: string, data: string) => void): void {
        const text = this.#rest + piece;
        let start = 0;
        for (;;) {
            const end = text.indexOf('\n', start);
            if (end < 0) break;
            this.#line(
                text,
                start,
                text.charCodeAt(end - 1) === 13 && end > start ? end - 1 : end,
                onMessage,
            );
            start = end + 1;
        }
        this.#rest = text.slice(start);
    }

    #line(
        text: string,
        start: number,
        end: number,
        onMessage: (event: string, data: string) => void,
    ): void {
        if (start === end) {
            if (this.#data !== '') onMessage(this.#event, this.#data);
            this.#event = this.#data = '';
        } else if (text.startsWith('data:', start)) {
            this.#data = text.slice(text.charAt(start + 5) === ' ' ? start + 6 : start + 5, end);
        } else if (text.startsWith('event:', start)) {
            this.#event = text.slice(start + 6, end).trim();
        }
    }
}
