import { expect, it } from 'vitest';
import { SseParser } from './sse_parser.ts';

function messages(pieces: string[]): string[] {
    const found: string[] = [];
    const parser = new SseParser();
    for (const piece of pieces) parser.feed(piece, (event, data) => found.push(`${event}|${data}`));
    return found;
}

const STREAM =
    ': ping\n\nid: 7\ndata: {"a":1}\n\nevent: missed\ndata: {"count":3}\n\ndata:{"b":2}\n\n';
const EXPECTED = ['|{"a":1}', 'missed|{"count":3}', '|{"b":2}'];

it('finds messages, their kind, and skips comments', () => {
    expect(messages([STREAM])).toEqual(EXPECTED);
});

it('does not care where the stream is cut', () => {
    for (let i = 0; i <= STREAM.length; i++)
        expect(messages([STREAM.slice(0, i), STREAM.slice(i)])).toEqual(EXPECTED);
    expect(messages(STREAM.split(''))).toEqual(EXPECTED);
});

it('takes line ends of proxies', () => {
    expect(messages([STREAM.replaceAll('\n', '\r\n')])).toEqual(EXPECTED);
    expect(messages(STREAM.replaceAll('\n', '\r\n').split(''))).toEqual(EXPECTED);
});

it('keeps an unfinished message back', () => {
    expect(messages(['data: {"a":1}\n'])).toEqual([]);
});
