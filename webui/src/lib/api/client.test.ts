import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, api, asApiError, withQuery } from './client.ts';

function answerWith(body: BodyInit | null, init: ResponseInit = {}) {
    const fetchStub = vi.fn(async (..._: [string, RequestInit?]) => new Response(body, init));
    vi.stubGlobal('fetch', fetchStub);
    return fetchStub;
}

afterEach(() => {
    vi.unstubAllGlobals();
});

async function failure(task: Promise<unknown>): Promise<ApiError> {
    return task.then(
        () => expect.fail('it did not fail'),
        (cause: unknown) => asApiError(cause),
    );
}

describe('requests', () => {
    it('are relative and carry only what is set', async () => {
        const asked = answerWith('{}');
        await api.flows({
            limit: 5,
            offset: 0,
            sort: 'bytes',
            order: 'desc',
            ip: '::/0',
            port: '',
        });
        expect(asked.mock.calls[0]![0]).toBe(
            'api/flows?limit=5&offset=0&sort=bytes&order=desc&ip=%3A%3A%2F0',
        );
        await api.listAdd('blacklist', '192.0.2.1', null, '');
        const [path, init] = asked.mock.calls[1]!;
        expect([path, init!.method, init!.body]).toEqual([
            'blacklist',
            'POST',
            '{"ip":"192.0.2.1"}',
        ]);
        expect(init!.headers).toEqual({ 'Content-Type': 'application/json' });
        await api.listAdd('whitelist', '192.0.2.1', 60, 'why');
        expect(asked.mock.calls[2]![1]!.body).toBe('{"ip":"192.0.2.1","ttl":60,"reason":"why"}');
        await api.listRemove('blacklist', '2001:db8::/32');
        expect(asked.mock.calls[3]![0]).toBe('blacklist?ip=2001%3Adb8%3A%3A%2F32');
    });

    it('leave the question mark out when there is nothing to ask', () => {
        expect(withQuery('events', { port: '' })).toBe('events');
    });
});

describe('errors', () => {
    it('tell the server’s sentence, status and patience', async () => {
        answerWith('{"ok":false,"error":"the list is full"}', {
            status: 409,
            headers: { 'Retry-After': '7' },
        });
        const error = await failure(api.list('blacklist'));
        expect([error.status, error.message, error.retryAfter]).toEqual([
            409,
            'the list is full',
            7,
        ]);
        expect(error.needsLogin).toBe(false);
    });

    it('have words of their own for a proxy’s page', async () => {
        answerWith('<html>', { status: 502, statusText: 'Bad Gateway' });
        expect((await failure(api.summary())).message).toBe('The server answered 502 Bad Gateway.');
    });

    it('tell that nobody answers', async () => {
        vi.stubGlobal('fetch', async () => {
            throw new TypeError('Failed to fetch');
        });
        expect(await failure(api.summary())).toMatchObject({
            status: 0,
            message: 'The gateway does not answer.',
        });
        vi.stubGlobal('fetch', async () => {
            throw new DOMException('late', 'TimeoutError');
        });
        expect((await failure(api.summary())).message).toBe('The gateway did not answer in time.');
    });

    it('tell that an answer is broken', async () => {
        answerWith('{"time":');
        expect((await failure(api.summary())).message).toContain('cannot be read');
    });

    it('know when a token would help', async () => {
        answerWith('{}', { status: 401 });
        expect((await failure(api.config())).needsLogin).toBe(true);
    });
});
