/** All requests to the gateway. Addresses are relative: the page may live under a prefix. */

import type {
    AddressPage,
    Config,
    FlowPage,
    History,
    ListEntry,
    ListName,
    PageQuery,
    Session,
    Summary,
} from './types.ts';

/** A request that was refused or not answered. `status` is 0 when nobody answered. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
        /** Seconds to wait, when the server says so. */
        readonly retryAfter: number | null = null,
        /** A word for programs, such as 'lock_out'; '' if the server sent none. */
        readonly code = '',
    ) {
        super(message);
    }

    get needsLogin(): boolean {
        return this.status === 401 || this.status === 403;
    }
}

export function asApiError(error: unknown): ApiError {
    return error instanceof ApiError ? error : new ApiError(0, String(error));
}

const PATIENCE_MS = 10_000;

export function withQuery(path: string, params: Record<string, string | number>): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params))
        if (value !== '') query.set(name, String(value));
    const text = query.toString();
    return text ? `${path}?${text}` : path;
}

/** The error that a response with a status of 400 or more tells. */
export async function errorOf(response: Response): Promise<ApiError> {
    const text = await response.text().catch(() => '');
    let sentence = '';
    let code = '';
    try {
        const body = JSON.parse(text) as { error?: unknown; code?: unknown };
        if (typeof body.code === 'string') code = body.code;
        if (typeof body.error === 'string') sentence = body.error;
    } catch {
        // Not ours: a proxy's page.
    }
    const wait = Number(response.headers.get('Retry-After'));
    return new ApiError(
        response.status,
        sentence || `The server answered ${response.status} ${response.statusText}`.trimEnd() + '.',
        wait > 0 ? wait : null,
        code,
    );
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = {
        method,
        cache: 'no-store',
        signal: AbortSignal.timeout(PATIENCE_MS),
    };
    if (body !== undefined) {
        init.headers = { 'Content-Type': 'application/json' };
        init.body = JSON.stringify(body);
    }
    let response: Response;
    try {
        response = await fetch(path, init);
    } catch (error) {
        const late = error instanceof DOMException && error.name === 'TimeoutError';
        throw new ApiError(
            0,
            `The gateway ${late ? 'did not answer in time' : 'does not answer'}.`,
        );
    }
    if (!response.ok) throw await errorOf(response);
    try {
        return (await response.json()) as T;
    } catch {
        throw new ApiError(0, 'The gateway sent an answer that cannot be read.');
    }
}

const get = <T>(path: string) => request<T>('GET', path);

export const api = {
    summary: () => get<Summary>('api/summary'),
    history: (seconds: number) => get<History>(withQuery('api/history', { seconds })),
    flows: (query: PageQuery) => get<FlowPage>(withQuery('api/flows', query)),
    addresses: (query: PageQuery) => get<AddressPage>(withQuery('api/ips', query)),
    config: () => get<Config>('api/config'),
    session: () => get<Session>('api/session'),
    login: (token: string) => request<{ ok: true }>('POST', 'api/login', { token }),
    logout: () => request<{ ok: true }>('POST', 'api/logout', {}),
    list: (name: ListName) => get<ListEntry[]>(name),

    /** `ttl` in seconds, null = for ever. */
    listAdd(name: ListName, ip: string, ttl: number | null, reason: string, force = false) {
        const body = {
            ip,
            ...(ttl === null ? {} : { ttl }),
            ...(reason === '' ? {} : { reason }),
            ...(force ? { force } : {}),
        };
        return request<{ ok: true; ip: string; version: 4 | 6 }>('POST', name, body);
    },

    listRemove: (name: ListName, ip: string, force = false) =>
        request<{ ok: true }>('DELETE', withQuery(name, { ip, force: force ? 'true' : '' })),
};
