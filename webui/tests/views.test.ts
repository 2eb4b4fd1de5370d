/** Every view with real data: what it shows, how it looks, whether everybody can use it. */

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
    DESKTOP,
    PHONE,
    WALL,
    launch,
    openPage,
    screenshot,
    until,
    untilAllMatch,
    untilThere,
    type OpenPage,
} from './browser.ts';
import { DIST, Stack } from './stack.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What must be there before a view counts as shown. */
const VIEWS: Record<string, { hash: string; filled: string; least: number }> = {
    overview: { hash: '#/overview', filled: '.talkers tbody tr', least: 10 },
    live: { hash: '#/live', filled: '.live [role=row].body', least: 10 },
    flows: { hash: '#/flows', filled: 'tbody tr', least: 30 },
    addresses: { hash: '#/addresses', filled: 'tbody tr', least: 20 },
    lists: { hash: '#/lists', filled: '.lists [role=row].body', least: 8 },
    settings: { hash: '#/settings', filled: '.key', least: 10 },
    drawer: { hash: '#/addresses?host=192.168.1.1', filled: '.drawer li', least: 1 },
};

let stack: Stack;
let browser: Browser;

beforeAll(async () => {
    stack = await Stack.start({ rate: 400 });
    browser = await launch();
    const entries: [string, number | undefined, string][] = [
        ['203.0.113.77', undefined, 'scans all ports'],
        ['203.0.113.23', 86400, 'ping flood'],
        ['198.51.100.0/28', 3600, 'guests of last week'],
        ['2001:db8:bad::/48', undefined, 'seen in the mail log'],
        ['192.0.2.200', 600, ''],
        ['192.0.2.201', 7200, 'tries passwords'],
        ['192.0.2.202', undefined, 'tries passwords'],
        ['192.0.2.203', undefined, 'tries passwords'],
    ];
    for (const [ip, ttl, reason] of entries)
        await stack.call('POST', 'blacklist', { ip, reason, ...(ttl ? { ttl } : {}) });
    await stack.call('POST', 'whitelist', { ip: '192.168.1.10', reason: 'the printer' });
});

afterAll(async () => {
    await browser?.close();
    await stack?.close();
});

function isFilled(page: Page, view: keyof typeof VIEWS): Promise<void> {
    return untilThere(page, VIEWS[view]!.filled, VIEWS[view]!.least);
}

interface Violation {
    id: string;
    impact: string;
    nodes: { target: string[]; failureSummary: string }[];
}

async function seriousViolations(page: Page): Promise<string[]> {
    await page.evaluate(AXE);
    const violations = await page.evaluate(async () => {
        const { axe } = window as unknown as {
            axe: { run(): Promise<{ violations: Violation[] }> };
        };
        return (await axe.run()).violations;
    });
    return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) =>
            nodes.map((one) => `${id}: ${one.target.join(' ')} ${one.failureSummary}`),
        );
}

describe.each([
    ['desktop', DESKTOP, 'light'],
    ['desktop', DESKTOP, 'dark'],
    ['phone', PHONE, 'light'],
    ['phone', PHONE, 'dark'],
] as const)('on a %s of %o in %s', (device, viewport, colorScheme) => {
    let opened: OpenPage;

    beforeAll(async () => {
        opened = await openPage(browser, stack.url, {
            viewport,
            colorScheme,
            hasTouch: device === 'phone',
            deviceScaleFactor: device === 'phone' ? 2 : 1,
        });
    });
    afterAll(async () => {
        await opened?.context.close();
    });

    it.each(Object.keys(VIEWS))(
        '%s shows data, fits, and axe finds nothing serious',
        async (view) => {
            const { page, watch } = opened;
            await page.goto(stack.url + VIEWS[view]!.hash);
            await isFilled(page, view);
            await screenshot(page, `${view}-${device}-${colorScheme}`);
            expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe(
                colorScheme,
            );
            const { wide, room } = await page.evaluate(() => ({
                wide: document.documentElement.scrollWidth,
                room: window.innerWidth,
            }));
            expect(wide).toBeLessThanOrEqual(room);
            expect(await seriousViolations(page)).toEqual([]);
            expect(watch.problems).toEqual([]);
        },
    );
});

describe('the page', () => {
    let opened: OpenPage;

    beforeAll(async () => {
        opened = await openPage(browser, stack.url);
    });
    afterAll(async () => {
        await opened?.context.close();
        expect(opened.watch.problems).toEqual([]);
    });

    it('is small', () => {
        const sizes = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.gz'))
            .map((name) => statSync(join(DIST, name)).size);
        expect(sizes.length).toBeGreaterThan(2);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
    });

    it('fills a wall screen', async () => {
        const { page } = opened;
        await page.setViewportSize(WALL);
        await isFilled(page, 'overview');
        await screenshot(page, 'overview-wall-light');
        await page.setViewportSize(DESKTOP);
    });

    it('shows rates, charts of them, and who makes them', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/overview`);
        const tile = page.locator('.tile', { hasText: 'Packets' }).first();
        await until(
            page,
            (least) =>
                Number(document.querySelector('.tile .big')?.textContent?.replace(/\D/g, '')) >
                least,
            300,
        );
        expect(await tile.innerText()).toMatch(/\d+\/s/);
        const charts = page.getByRole('img', { name: /^(Packets|Volume): now [1-9]/ });
        await charts.nth(1).waitFor();
        await page.getByRole('radio', { name: 'Action' }).check();
        await page.getByRole('img', { name: /Packets: .*Blocked/ }).waitFor();
        await page.getByRole('radio', { name: '1 h' }).check();
        expect(page.url()).toContain('split=action&range=3600');
        await page
            .locator('.system')
            .getByText(/Collector .+/)
            .waitFor();
        await page.locator('.system').getByText('mock0').waitFor();
    });

    it('does not jump', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}?fresh#/overview`);
        const shift = await page.evaluate(
            () =>
                new Promise<number>((done) => {
                    let sum = 0;
                    new PerformanceObserver((list) => {
                        for (const entry of list.getEntries())
                            sum += (entry as unknown as { value: number }).value;
                    }).observe({ type: 'layout-shift', buffered: true });
                    // Five answers of the gateway later everything has come.
                    let answers = 0;
                    new PerformanceObserver((list) => {
                        for (const { name } of list.getEntries())
                            if (name.includes('api/summary') && ++answers === 5) done(sum);
                    }).observe({ type: 'resource' });
                }),
        );
        expect(shift).toBeLessThan(0.02);
    });

    it('keeps view and filters in the URL, and the back button works', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/flows?proto=UDP&sort=packets&host=192.168.1.1`);
        await page.locator('.drawer h2', { hasText: '192.168.1.1' }).waitFor();
        expect(await page.getByLabel('Protocol').inputValue()).toBe('UDP');
        await page.locator('th[aria-sort=descending]', { hasText: 'Packets' }).waitFor();
        await page.getByRole('link', { name: 'Addresses' }).click();
        await isFilled(page, 'addresses');
        await page.locator('.drawer h2').waitFor();
        await page.goBack();
        await until(page, (text) => location.hash.includes(text), 'proto=UDP');
        expect(await page.getByLabel('Protocol').inputValue()).toBe('UDP');
    });

    it('has filters and orders of flows that the server applies', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/flows`);
        const asked = page.waitForRequest((request) =>
            /api\/flows\?.*ip=192.168.1.0%2F24.*proto=TCP/.test(request.url()),
        );
        await page.getByRole('textbox', { name: 'Filter by address' }).fill('192.168.1.0/24 tcp');
        await asked;
        await untilAllMatch(page, 'tbody tr', /192\.168\.1\.[^]*TCP/);
        const sorted = page.waitForRequest((request) => /sort=duration/.test(request.url()));
        await page.getByRole('button', { name: 'Duration' }).click();
        await sorted;
        await page.getByRole('textbox', { name: 'Filter by address' }).fill('10.0.0.1/8');
        await page.getByText('write 10.0.0.0/8').waitFor();
        await page.getByRole('button', { name: 'Clear filters' }).click();
    });

    it('pages through addresses and marks who scans', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/addresses?sort=unique_dst_ports`);
        const scanner = page.locator('tbody tr').first();
        await scanner.locator('.mark', { hasText: 'scan' }).waitFor({ timeout: 30_000 });
        expect(await scanner.locator('td.alarm').first().getAttribute('title')).toContain(
            'port scan',
        );
        await page.getByLabel('Filter by address or network').fill('2001:db8::/32');
        await untilAllMatch(page, 'tbody tr', /^2001:db8:/);
        await page.getByLabel('Filter by address or network').fill('203.0.113.250');
        await page.getByText('Nobody in 203.0.113.250 has sent anything').waitFor();
    });

    it.each([
        ['flows', 'tbody tr'],
        ['addresses', 'tbody tr'],
    ])('can order %s by every column that offers it, both ways', async (view, rows) => {
        const { page } = opened;
        await page.goto(`${stack.url}#/${view}`);
        await untilThere(page, rows, 10);
        const heads = page.locator('th button');
        for (let i = 0; i < (await heads.count()); i++)
            for (let times = 0; times < 2; times++) {
                const answer = page.waitForResponse((response) => response.url().includes('sort='));
                await heads.nth(i).click();
                const { status, url } = {
                    status: (await answer).status(),
                    url: (await answer).url(),
                };
                expect(`${status} ${url}`).toMatch(/^200 /);
            }
    });

    it('can be used with the keyboard alone', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}?keys#/addresses`);
        await isFilled(page, 'addresses');
        await page.keyboard.press('Tab');
        expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Skip');
        await page.keyboard.press('/');
        await page.keyboard.type('192.168.1.1');
        await page.keyboard.press('Enter');
        await page.locator('.drawer:focus').waitFor();
        await page.keyboard.press('Escape');
        await page.locator('.drawer').waitFor({ state: 'detached' });
        expect(await page.evaluate(() => document.activeElement?.id)).toBe('find');
    });

    it('shows times in the zone that was chosen, and keeps the choice', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/settings`);
        await page.getByText('(Europe/Berlin)').waitFor();
        await page.getByRole('radio', { name: 'UTC' }).check();
        await page.getByText('(UTC)').waitFor();
        await page.getByRole('radio', { name: 'Dark' }).check();
        await page.reload();
        await page.getByText('(UTC)').waitFor();
        expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    });

    it('hides secrets of the configuration', async () => {
        const { page } = opened;
        await page.goto(`${stack.url}#/settings`);
        await page.locator('.key', { hasText: 'timezone' }).getByText('Europe/Berlin').waitFor();
        expect(await page.content()).not.toContain(stack.token);
    });
});
