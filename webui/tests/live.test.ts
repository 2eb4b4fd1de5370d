/** The live table: filters at the server, pause, and ten thousand events a second. */

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
    launch,
    liveRows,
    openPage,
    until,
    untilAllMatch,
    untilThere,
    type OpenPage,
} from './browser.ts';
import { Stack } from './stack.ts';

const ROWS = '.live [role=row].body';

let browser: Browser;

beforeAll(async () => {
    browser = await launch();
});
afterAll(async () => {
    await browser?.close();
});

describe('the live table', () => {
    let stack: Stack;
    let opened: OpenPage;

    beforeAll(async () => {
        stack = await Stack.start({ rate: 200 });
        opened = await openPage(browser, `${stack.url}#/live`);
    });
    afterAll(async () => {
        await opened?.context.close();
        await stack?.close();
        expect(opened.watch.problems).toEqual([]);
    });

    it('shows the newest first', async () => {
        const { page } = opened;
        await untilThere(page, ROWS, 20);
        await page.getByRole('button', { name: 'Pause' }).click();
        const times = (await liveRows(page)).map((text) => text.slice(0, 12));
        expect(times).toEqual([...times].sort().reverse());
        await page.getByRole('button', { name: 'Resume' }).click();
    });

    it('has filters that the server applies', async () => {
        const { page } = opened;
        const asked = page.waitForRequest((request) => request.url().endsWith('/events?proto=UDP'));
        await page.getByLabel('Protocol').selectOption('UDP');
        await asked;
        await untilAllMatch(page, ROWS, /UDP/);
        const more = page.waitForRequest((request) =>
            /events\?ip=192.168.1.0%2F24&port=53&proto=UDP&direction=EGRESS/.test(request.url()),
        );
        await page
            .getByRole('textbox', { name: 'Filter by address' })
            .fill('192.168.1.0/24 dns out');
        await more;
        await untilAllMatch(page, ROWS, /out\s[^]*UDP[^]*192\.168\.1\.\d+/);
        await untilAllMatch(page, ROWS, /:53\s/);
        await page.getByRole('textbox', { name: 'Filter by address' }).fill('nonsense');
        await page.getByText('neither an address').waitFor();
        const all = page.waitForRequest((request) => request.url().endsWith('/events'));
        await page.getByRole('button', { name: 'Clear filters' }).click();
        await all;
    });

    it('keeps counting while it is paused, and shows it all on resume', async () => {
        const { page } = opened;
        await page.locator(ROWS).nth(5).waitFor();
        await page.getByRole('button', { name: 'Pause' }).click();
        const before = await liveRows(page);
        const held = page.locator('[data-held]');
        await until(
            page,
            (least) =>
                Number(document.querySelector<HTMLElement>('[data-held]')?.dataset.held) > least,
            150,
        );
        expect(await held.innerText()).toMatch(/Paused: \d+ new events/);
        expect(await liveRows(page)).toEqual(before);
        await page.getByRole('button', { name: 'Resume' }).click();
        await held.waitFor({ state: 'detached' });
        const first = before[0]!;
        await until(
            page,
            ([rows, text]) => document.querySelector<HTMLElement>(rows!)!.innerText !== text,
            [ROWS, first],
        );
    });

    it('stands still when somebody scrolls down, and follows again at the top', async () => {
        const { page } = opened;
        const scroller = page.locator('.live .scroll');
        await until(
            page,
            (height) => document.querySelector('.live .scroll')!.scrollHeight > height,
            3000,
        );
        await scroller.evaluate((node) => node.scrollTo({ top: 600 }));
        await page.getByText(/Held: \d+ new events/).waitFor();
        await page.locator('[data-held]').click();
        await page.locator('[data-held]').waitFor({ state: 'detached' });
        expect(await scroller.evaluate((node) => node.scrollTop)).toBe(0);
    });

    it('clears, hides columns, and remembers which', async () => {
        const { page } = opened;
        await page.getByRole('button', { name: 'Pause' }).click();
        await page.getByRole('button', { name: 'Clear' }).first().waitFor();
        await page.getByRole('button', { name: 'Clear', exact: true }).click();
        await page.getByText('0 events', { exact: true }).waitFor();
        await page.getByRole('button', { name: 'Resume' }).click();
        await page.getByText('Columns').click();
        await page.getByLabel('TCP flags').uncheck();
        await page.getByRole('columnheader', { name: 'TCP flags' }).waitFor({ state: 'detached' });
        await page.reload();
        await page.getByRole('columnheader', { name: 'Source' }).waitFor();
        expect(await page.getByRole('columnheader', { name: 'TCP flags' }).count()).toBe(0);
        await page.getByText('Columns').click();
        await page.getByLabel('TCP flags').check();
    });

    it('opens the drawer of the address that was under the pointer', async () => {
        const { page } = opened;
        await page.locator(ROWS).nth(3).waitFor();
        const ip = await page.evaluate(
            () =>
                new Promise<string>((done) => {
                    document
                        .querySelector('.rows')!
                        .addEventListener(
                            'pointerdown',
                            (event) => done((event.target as HTMLElement).dataset.ip ?? ''),
                            { once: true, capture: true },
                        );
                    const target = document.querySelectorAll('.live [role=row].body a')[2]!;
                    target.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
                    target.dispatchEvent(
                        new MouseEvent('click', { bubbles: true, cancelable: true, detail: 1 }),
                    );
                }),
        );
        await page.locator('.drawer h2', { hasText: ip }).waitFor();
        await page.keyboard.press('Escape');
    });
});

describe('at 10,000 events a second', () => {
    const RATE = 10_000;
    const SECONDS = 20;
    let stack: Stack;
    let opened: OpenPage;

    beforeAll(async () => {
        stack = await Stack.start({ rate: RATE });
        opened = await openPage(browser, `${stack.url}#/live`);
    });
    afterAll(async () => {
        await opened?.context.close();
        await stack?.close();
        expect(opened.watch.problems).toEqual([]);
    });

    it('answers the keyboard within 100 ms and keeps its memory', async () => {
        const { page, context } = opened;
        const session = await context.newCDPSession(page);
        const heap = async () => {
            await session.send('HeapProfiler.collectGarbage');
            return (await session.send('Runtime.getHeapUsage')).usedSize;
        };
        await page.getByText('last 5,000').waitFor();
        const before = await heap();
        await page.evaluate(() => {
            const box = document.querySelector<HTMLInputElement>('#find')!;
            const waits: number[] = [];
            Object.assign(window, { waits });
            box.addEventListener('keydown', (event) => {
                // From the key to the end of the frame that shows what it did.
                requestAnimationFrame(() => {
                    const { port1, port2 } = new MessageChannel();
                    port1.onmessage = () => waits.push(performance.now() - event.timeStamp);
                    port2.postMessage(null);
                });
            });
        });
        await page.locator('#find').focus();
        const rates: number[] = [];
        const end = Date.now() + SECONDS * 1000;
        for (let i = 0; Date.now() < end; i++) {
            await page.keyboard.press(i % 2 ? 'Backspace' : '1');
            await until(
                page,
                (count) => (window as unknown as { waits: number[] }).waits.length > count,
                i,
            );
            const text = await page.locator('.live .status').innerText();
            const rate = /([\d,]+) events\/s/.exec(text)?.[1];
            if (rate) rates.push(Number(rate.replaceAll(',', '')));
        }
        const waits = await page.evaluate(() => (window as unknown as { waits: number[] }).waits);
        waits.sort((a, b) => a - b);
        const after = await heap();
        const rate = rates.reduce((sum, one) => sum + one, 0) / rates.length;
        const worst = waits[Math.floor(waits.length * 0.95)]!;
        console.log(
            `${Math.round(rate)} events/s; ${waits.length} keys, 95% within ${Math.round(worst)} ms, ` +
                `all within ${Math.round(waits.at(-1)!)} ms; heap ${(before / 1e6).toFixed(1)} MB, ` +
                `${(after / 1e6).toFixed(1)} MB after ${SECONDS} s`,
        );
        expect(rate).toBeGreaterThan(RATE * 0.8);
        expect(worst).toBeLessThan(100);
        expect(after - before).toBeLessThan(5e6);
        const rows = await page.locator(ROWS).count();
        expect(rows).toBeLessThan(80);
        await page.getByText('last 5,000').waitFor();
    });
});
