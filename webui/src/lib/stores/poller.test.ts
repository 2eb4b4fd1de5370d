import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Poller, pokeAll } from './poller.ts';

beforeEach(() => {
    vi.useFakeTimers();
});
afterEach(() => {
    vi.useRealTimers();
});

function makePoller(task: () => Promise<void>) {
    const failures: number[] = [];
    const poller = new Poller(task, (_, wait) => failures.push(wait), {
        interval: 1000,
        random: () => 1,
    });
    return { poller, failures };
}

it('asks at once and then at its interval, until it is stopped', async () => {
    const task = vi.fn(async () => {});
    const { poller } = makePoller(task);
    poller.start();
    expect(task).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(3000);
    expect(task).toHaveBeenCalledTimes(4);
    poller.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(task).toHaveBeenCalledTimes(4);
});

it('backs off after failures, up to 15 s, and recovers', async () => {
    let isUp = false;
    const task = vi.fn(async () => {
        if (!isUp) throw new Error('away');
    });
    const { poller, failures } = makePoller(task);
    poller.start();
    await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000 + 8000 + 15_000);
    expect(failures).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
    isUp = true;
    pokeAll();
    await vi.advanceTimersByTimeAsync(1000);
    expect(task).toHaveBeenCalledTimes(8);
    poller.stop();
});

it('asks once more when it is poked while a question is under way', async () => {
    let answer = () => {};
    const task = vi.fn(() => new Promise<void>((resolve) => (answer = resolve)));
    const { poller } = makePoller(task);
    poller.start();
    poller.poke();
    poller.poke();
    expect(task).toHaveBeenCalledTimes(1);
    answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(task).toHaveBeenCalledTimes(2);
    poller.stop();
});

it('ignores an answer that comes after it was stopped and started again', async () => {
    const answers: (() => void)[] = [];
    const task = vi.fn(() => new Promise<void>((resolve) => answers.push(resolve)));
    const { poller } = makePoller(task);
    poller.start();
    poller.stop();
    poller.start();
    answers[0]!();
    await vi.advanceTimersByTimeAsync(5000);
    expect(task).toHaveBeenCalledTimes(2);
    poller.stop();
});
