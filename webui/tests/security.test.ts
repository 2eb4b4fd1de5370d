/** What a page of somebody else makes a real browser do to the router, and what comes of it. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM_OPTIONS } from './browser.ts';
import { Stack } from './stack.ts';

/** Names that the browser finds at 127.0.0.1, as an attacker's DNS would tell it to. */
const EVIL = 'evil.example';
const REBOUND = 'rebound.example';

let stack: Stack;
let evil: Server;
let evilUrl: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
    stack = await Stack.start({ rate: 20 });
    evil = createServer((_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/html' });
        response.end('<!doctype html><title>evil</title><iframe name="sink"></iframe>');
    });
    await new Promise<void>((done) => evil.listen(0, '127.0.0.1', done));
    evilUrl = `http://${EVIL}:${(evil.address() as AddressInfo).port}/`;
    browser = await chromium.launch({
        ...CHROMIUM_OPTIONS,
        args: [
            ...CHROMIUM_OPTIONS.args.filter((one) => !one.startsWith('--host-resolver-rules')),
            `--host-resolver-rules=MAP ${EVIL} 127.0.0.1, MAP ${REBOUND} 127.0.0.1`,
        ],
    });
});

afterAll(async () => {
    await browser?.close();
    await new Promise((done) => evil?.close(done));
    await stack?.close();
});

/** A browser whose user is logged in, and has opened the attacker's page. */
beforeEach(async () => {
    await context?.close();
    context = await browser.newContext();
    const login = await context.request.post(`${stack.url}api/login`, {
        data: { token: stack.token },
        headers: { Origin: stack.origin },
    });
    expect(login.status()).toBe(200);
    expect((await context.cookies()).map(({ name }) => name)).toEqual(['ntc_session']);
    page = await context.newPage();
    await page.goto(evilUrl);
});

const blacklist = async () => (await stack.call<unknown[]>('GET', 'blacklist')).body;

describe('a page of another site', () => {
    it.each(['text/plain', 'application/json', 'application/x-www-form-urlencoded'])(
        'cannot change a list by a request of type %s',
        async (type) => {
            const result = await page.evaluate(
                async ([url, contentType]) => {
                    const options: RequestInit = {
                        method: 'POST',
                        body: '{"ip":"192.0.2.66"}',
                        credentials: 'include',
                        headers: { 'Content-Type': contentType! },
                    };
                    const tries = ['cors', 'no-cors'].map((mode) =>
                        fetch(url!, { ...options, mode: mode as RequestMode }).then(
                            (response) => response.status,
                            () => 'refused',
                        ),
                    );
                    return Promise.all(tries);
                },
                [`${stack.url}blacklist`, type],
            );
            expect(result[0]).toBe('refused'); // no permission to read, asked for or not
            expect(await blacklist()).toEqual([]);
        },
    );

    it('cannot change a list by a form', async () => {
        const answer = page.waitForResponse((one) => one.url().endsWith('/blacklist'));
        await page.evaluate((url) => {
            const form = document.createElement('form');
            form.method = 'post';
            form.enctype = 'text/plain';
            form.action = url;
            form.target = 'sink';
            const field = document.createElement('input');
            field.name = '{"ip":"192.0.2.66","reason":"';
            field.value = '"}';
            form.append(field);
            document.body.append(form);
            form.submit();
        }, `${stack.url}blacklist`);
        expect((await answer).status()).toBe(403);
        expect(await blacklist()).toEqual([]);
    });

    it('cannot read what the router sees, nor listen to its events', async () => {
        const result = await page.evaluate(async (url) => {
            const read = await fetch(`${url}api/summary`).then(
                () => 'read',
                () => 'refused',
            );
            const events = await new Promise((done) => {
                const source = new EventSource(`${url}events`);
                source.onopen = source.onmessage = () => done('read');
                source.onerror = () => done('refused');
            });
            return [read, events];
        }, stack.url);
        expect(result).toEqual(['refused', 'refused']);
    });

    it('cannot show the router in a frame of its own', async () => {
        const refused = page.waitForEvent('console', {
            predicate: (message) => /frame-ancestors|X-Frame-Options/.test(message.text()),
        });
        await page.evaluate((url) => {
            const frame = document.createElement('iframe');
            frame.name = 'bait';
            frame.src = url;
            document.body.append(frame);
        }, stack.url);
        expect((await refused).text()).toContain(new URL(stack.url).host);
        expect(page.frames().filter((one) => one.url().startsWith(stack.url))).toEqual([]);
    });
});

describe('a name that the attacker points at the router', () => {
    const rebound = () => stack.url.replace('127.0.0.1', REBOUND);

    it('shows nothing, and scripts under it get nothing', async () => {
        const response = await page.goto(rebound());
        expect(response!.status()).toBe(403);
        expect(await page.content()).toContain('is not known here');
        const result = await page.evaluate(async () => {
            const status = (path: string, options?: RequestInit) =>
                fetch(path, options).then((answer) => answer.status);
            return Promise.all([
                status('/api/summary'),
                status('/blacklist', {
                    method: 'POST',
                    body: '{"ip":"192.0.2.66"}',
                    headers: { 'Content-Type': 'application/json' },
                }),
                status('/api/login', {
                    method: 'POST',
                    body: '{"token":"0123456789abcdef"}',
                    headers: { 'Content-Type': 'application/json' },
                }),
            ]);
        });
        expect(result).toEqual([403, 403, 403]);
        expect(await blacklist()).toEqual([]);
    });
});

describe('the page itself', () => {
    it('runs no script that somebody slips in', async () => {
        await page.goto(stack.url);
        const ran = await page.evaluate(() => {
            const script = document.createElement('script');
            script.textContent = 'window.slipped = true';
            document.body.append(script);
            return (window as unknown as { slipped?: boolean }).slipped === true;
        });
        expect(ran).toBe(false);
    });

    it('keeps its session where scripts cannot read it', async () => {
        await page.goto(stack.url);
        expect(await page.evaluate(() => document.cookie)).toBe('');
    });
});
