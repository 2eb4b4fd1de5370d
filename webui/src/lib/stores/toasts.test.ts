import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { toasts } from './toasts.svelte.ts';

beforeEach(() => {
    vi.useFakeTimers();
});
afterEach(() => {
    for (const { id } of [...toasts.shown]) toasts.dismiss(id);
    vi.useRealTimers();
});

const texts = () => toasts.shown.map(({ text }) => text);

it('go by themselves, but not while somebody points at them', () => {
    toasts.done('first');
    toasts.failed('second');
    const [first, second] = toasts.shown;
    toasts.hold(first!.id);
    vi.advanceTimersByTime(60_000);
    expect(texts()).toEqual(['first']);
    toasts.release(first!.id);
    vi.advanceTimersByTime(60_000);
    expect(texts()).toEqual([]);
    expect([first!.kind, second!.kind]).toEqual(['done', 'failed']);
});

it('are few', () => {
    for (let i = 1; i <= 9; i++) toasts.done(String(i));
    expect(texts()).toEqual(['6', '7', '8', '9']);
});
