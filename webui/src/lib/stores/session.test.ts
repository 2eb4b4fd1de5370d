import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client.ts';

const api = vi.hoisted(() => ({
    session: vi.fn(),
    login: vi.fn(),
    logout: vi.fn(),
}));
vi.mock('../api/client.ts', async (original) => ({ ...(await original<object>()), api }));

const { session } = await import('./session.svelte.ts');

beforeEach(() => {
    vi.resetAllMocks();
    session.close(false);
    api.session.mockResolvedValue({ admin: true, read: true, login_required: false });
});

describe('asAdmin', () => {
    it('just does what is allowed', async () => {
        expect(await session.asAdmin(async () => 7)).toBe(7);
        expect(session.isAsking).toBe(false);
    });

    it('asks for the token and tries again', async () => {
        let tries = 0;
        const result = session.asAdmin(async () => {
            if (++tries === 1) throw new ApiError(401, 'log in');
            return tries;
        });
        await vi.waitFor(() => expect(session.isAsking).toBe(true));
        await session.login('token');
        expect(await result).toBe(2);
        expect([session.isAsking, session.isAdmin]).toEqual([false, true]);
    });

    it('gives up when the dialog is closed', async () => {
        const result = session.asAdmin(async () => {
            throw new ApiError(401, 'log in');
        });
        await vi.waitFor(() => expect(session.isAsking).toBe(true));
        session.close(false);
        await expect(result).rejects.toMatchObject({ status: 401 });
    });

    it('does not ask when a token would not help', async () => {
        const refused = session.asAdmin(async () => {
            throw new ApiError(409, 'full');
        });
        await expect(refused).rejects.toMatchObject({ status: 409 });
        expect(session.isAsking).toBe(false);
    });
});

it('a wrong token leaves the dialog open', async () => {
    api.login.mockRejectedValue(new ApiError(401, 'the token is wrong'));
    void session.ask();
    await expect(session.login('x')).rejects.toMatchObject({ message: 'the token is wrong' });
    expect(session.isAsking).toBe(true);
});
