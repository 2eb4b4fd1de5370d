import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client.ts';

const api = vi.hoisted(() => ({ summary: vi.fn(), session: vi.fn() }));
vi.mock('../api/client.ts', async (original) => ({ ...(await original<object>()), api }));

const { settings } = await import('./settings.svelte.ts');
const { session } = await import('./session.svelte.ts');
const { summary } = await import('./summary.svelte.ts');

const ANSWER = { time: 1000, timezone: 'Asia/Kolkata', collectors: [] };

beforeEach(() => {
    vi.useFakeTimers();
    vi.resetAllMocks();
});
afterEach(() => {
    vi.useRealTimers();
});

it('follows, goes stale, comes back, and notices when a token is wanted', async () => {
    api.session.mockResolvedValue({ admin: false, read: true, login_required: false });
    api.summary.mockResolvedValue(ANSWER);
    summary.start();
    await vi.advanceTimersByTimeAsync(0);
    expect([summary.data, summary.staleSince]).toEqual([ANSWER, null]);
    expect(settings.zone).toBe('Asia/Kolkata');

    const lastAnswer = Date.now() / 1000;
    api.summary.mockRejectedValue(new ApiError(0, 'The gateway does not answer.'));
    await vi.advanceTimersByTimeAsync(5000);
    expect(summary.error?.message).toBe('The gateway does not answer.');
    expect(summary.staleSince).toBeCloseTo(lastAnswer, 0);
    expect(summary.data).toBe(ANSWER);

    api.summary.mockResolvedValue({ ...ANSWER });
    summary.retry();
    await vi.advanceTimersByTimeAsync(0);
    expect([summary.staleSince, summary.error]).toEqual([null, null]);
    expect(api.session).toHaveBeenCalledTimes(2);

    api.summary.mockRejectedValue(new ApiError(401, 'reading needs a token'));
    api.session.mockResolvedValue({ admin: false, read: false, login_required: true });
    await vi.advanceTimersByTimeAsync(1000);
    expect(session.data?.read).toBe(false);
    const asked = api.summary.mock.calls.length;
    await vi.advanceTimersByTimeAsync(5000);
    expect(api.summary).toHaveBeenCalledTimes(asked);
});
