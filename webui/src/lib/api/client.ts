/** All requests to the gateway. Addresses are relative: the page may live under a prefix. */

import type {
    AddressPage,
    CollectorAnswer,
    Config,
    FlowPage,
    History,
    ListEntry,
    ListName,
    PageQuery,
    Session,
    Summary,
    UnconfirmedChange,
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
        /** What each of several collectors answered; [] if it was not about several. */
        readonly collectors: CollectorAnswer[] = [],
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
    let collectors: CollectorAnswer[] = [];
    try {
        const body = JSON.parse(text) as { error?: unknown; code?: unknown; collectors?: unknown };
        if (Array.isArray(body.collectors)) collectors = body.collectors as CollectorAnswer[];
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
        collectors,
    );
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return bodyOf<T>(await send(method, path, body));
}

async function bodyOf<T>(response: Response): Promise<T> {
    try {
        return (await response.json()) as T;
    } catch {
        throw new ApiError(0, 'The gateway sent an answer that cannot be read.');
    }
}

async function send(method: string, path: string, body?: unknown): Promise<Response> {
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
    return response;
}

const get = <T>(path: string) => request<T>('GET', path);

/** A list, and a sentence about collectors that did not tell theirs, '' if all did. */
export interface ReadList {
    entries: ListEntry[];
    missing: string;
}

/** `collector` is an id, '' = all. */
export const api = {
    summary: (collector = '') => get<Summary>(withQuery('api/summary', { collector })),
    history: (seconds: number, collector = '') =>
        get<History>(withQuery('api/history', { seconds, collector })),
    flows: (query: PageQuery) => get<FlowPage>(withQuery('api/flows', query)),
    addresses: (query: PageQuery) => get<AddressPage>(withQuery('api/ips', query)),
    config: () => get<Config>('api/config'),
    session: () => get<Session>('api/session'),
    login: (token: string) => request<{ ok: true }>('POST', 'api/login', { token }),
    logout: () => request<{ ok: true }>('POST', 'api/logout', {}),

    /** Of several collectors what those have that answer. */
    async list(name: ListName, collector = '', areSeveral = false): Promise<ReadList> {
        const partial = areSeveral && collector === '' ? 1 : '';
        const response = await send('GET', withQuery(name, { collector, partial }));
        const entries = await bodyOf<ListEntry[]>(response);
        return { entries, missing: response.headers.get('NTC-Missing') ?? '' };
    },

    /** `ttl` in seconds, null = for ever. Undone after `confirmIn` seconds unless confirmed, 0 = final. */
    listAdd(
        name: ListName,
        ip: string,
        ttl: number | null,
        reason: string,
        force = false,
        collector = '',
        confirmIn = 0,
    ) {
        const body = {
            ip,
            ...(ttl === null ? {} : { ttl }),
            ...(reason === '' ? {} : { reason }),
            ...(force ? { force } : {}),
            ...(collector === '' ? {} : { collector }),
            ...(confirmIn === 0 ? {} : { confirm_s: confirmIn }),
        };
        return request<{ ok: true; ip: string; version: 4 | 6 }>('POST', name, body);
    },

    listRemove: (name: ListName, ip: string, force = false, collector = '', confirmIn = 0) =>
        request<{ ok: true }>(
            'DELETE',
            withQuery(name, {
                ip,
                force: force ? 'true' : '',
                collector,
                confirm_s: confirmIn || '',
            }),
        ),

    unconfirmed: (collector = '') =>
        get<UnconfirmedChange[]>(withQuery('api/unconfirmed', { collector })),
    settle: (how: 'confirm' | 'undo', change: string) =>
        request<{ ok: true }>('POST', `api/${how}`, { change }),
};
