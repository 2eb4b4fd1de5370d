import { expect, it } from 'vitest';
import { formatHash, parseHash } from './route.ts';

it('reads the view and its parameters', () => {
    expect(parseHash('#/flows?ip=10.0.0.0/8&sort=bytes')).toEqual({
        view: 'flows',
        params: { ip: '10.0.0.0/8', sort: 'bytes' },
    });
});

it('opens the overview when the view is unknown or missing', () => {
    for (const hash of ['', '#', '#/', '#/nonsense', '#/__proto__'])
        expect(parseHash(hash).view).toBe('overview');
});

it('writes addresses readably and leaves out what is empty', () => {
    const route = { view: 'live' as const, params: { ip: '2001:db8::/32', port: '' } };
    expect(formatHash(route)).toBe('#/live?ip=2001:db8::/32');
    expect(parseHash(formatHash(route)).params).toEqual({ ip: '2001:db8::/32' });
});

it('keeps odd characters whole', () => {
    const route = { view: 'lists' as const, params: { q: 'a&b=c d#?%' } };
    expect(parseHash(formatHash(route))).toEqual(route);
});
