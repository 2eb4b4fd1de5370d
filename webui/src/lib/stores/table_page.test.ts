import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PageQuery } from '../api/types.ts';
import { TablePage } from './table_page.svelte.ts';

const QUERY: PageQuery = { limit: 2, offset: 0, sort: 'bytes', order: 'desc' };

beforeEach(() => {
    vi.useFakeTimers();
});
afterEach(() => {
    vi.useRealTimers();
});

function makePage() {
    const asked: PageQuery[] = [];
    const answers: ((failed?: Error) => void)[] = [];
    const page = new TablePage<string>((query) => {
        asked.push(query);
        return new Promise((done, fail) =>
            answers.push((failed) =>
                failed ? fail(failed) : done({ rows: [String(query.sort)], total: 9, unix: 5 }),
            ),
        );
    });
    const settle = () => vi.advanceTimersByTimeAsync(0);
    return { page, asked, answers, settle };
}

it('shows the answer and asks again', async () => {
    const { page, asked, answers, settle } = makePage();
    page.open(QUERY);
    expect([page.isWaiting, page.answered]).toEqual([true, null]);
    answers[0]!();
    await settle();
    expect([page.isWaiting, page.rows, page.total, page.answered]).toEqual([
        false,
        ['bytes'],
        9,
        5,
    ]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(asked).toHaveLength(2);
    page.close();
});

it('drops the answer to a question that is no longer asked', async () => {
    const { page, asked, answers, settle } = makePage();
    page.open(QUERY);
    page.open({ ...QUERY, sort: 'packets' });
    answers[0]!();
    await settle();
    expect([page.rows, page.isWaiting]).toEqual([[], true]);
    expect(asked.map(({ sort }) => sort)).toEqual(['bytes', 'packets']);
    answers[1]!();
    await settle();
    expect(page.rows).toEqual(['packets']);
    page.close();
});

it('keeps the rows when an answer fails, and says so', async () => {
    const { page, answers, settle } = makePage();
    page.open(QUERY);
    answers[0]!();
    await vi.advanceTimersByTimeAsync(2000);
    answers[1]!(new Error('away'));
    await settle();
    expect([page.rows, page.error?.message]).toEqual([['bytes'], 'Error: away']);
    page.close();
});

it('stands still while it is held, but not for a new question', async () => {
    const { page, asked, answers, settle } = makePage();
    page.open(QUERY);
    answers[0]!();
    await settle();
    page.isPaused = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(1);
    page.open({ ...QUERY, offset: 2 });
    await settle();
    expect(asked).toHaveLength(2);
    page.close();
});
