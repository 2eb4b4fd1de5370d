/** What the page says and does when a program is away, when a token is wanted, behind a proxy. */

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STRANGER, launch, openPage, until, untilThere } from './browser.ts';
import { Stack } from './stack.ts';

const ROWS = '.live [role=row].body';

let browser: Browser;

beforeAll(async () => {
    browser = await launch();
});
afterAll(async () => {
    await browser?.close();
});

describe('programs that go and come back', () => {
    let stack: Stack;

    beforeAll(async () => {
        stack = await Stack.start({ rate: 200 });
    });
    afterAll(async () => {
        await stack?.close();
    });

    it('the gateway: the page says since when it is stale, and recovers by itself', async () => {
        const { page, context, watch } = await openPage(browser, `${stack.url}#/live`);
        await untilThere(page, ROWS, 10);
        watch.expectFailures();
        await stack.stop('gateway', 'SIGKILL');
        await page.getByRole('button', { name: /^Stale since \d\d:\d\d:\d\d$/ }).waitFor();
        await page
            .locator('.live .status')
            .getByText(/Stale since \d\d:\d\d:\d\d/)
            .waitFor();
        const before = await page.locator(ROWS).first().innerText();
        await stack.run('gateway');
        await page.getByRole('button', { name: 'Up to date' }).waitFor({ timeout: 30_000 });
        await page.locator('.live .status').getByText('events/s').waitFor({ timeout: 30_000 });
        await until(
            page,
            ([rows, text]) => document.querySelector<HTMLElement>(rows!)!.innerText !== text,
            [ROWS, before],
        );
        expect(watch.problems).toEqual([]);
        await context.close();
    });

    it('the gateway, under a table: the rows stay, marked as stale', async () => {
        const { page, context, watch } = await openPage(browser, `${stack.url}#/flows`);
        await untilThere(page, 'tbody tr', 10);
        watch.expectFailures();
        await stack.stop('gateway');
        await page
            .locator('.card-head')
            .getByText(/Stale since \d\d:\d\d:\d\d/)
            .waitFor();
        expect(await page.locator('tbody tr').count()).toBeGreaterThan(5);
        await stack.run('gateway');
        await page
            .locator('.card-head')
            .getByText(/^\d\d:\d\d:\d\d$/)
            .waitFor({ timeout: 30_000 });
        expect(watch.problems).toEqual([]);
        await context.close();
    });

    it('the aggregator: the page says that the figures stand still', async () => {
        const { page, context, watch } = await openPage(browser, `${stack.url}#/overview`);
        await untilThere(page, '.talkers tbody tr', 5);
        watch.expectFailures();
        await stack.stop('aggregator', 'SIGKILL');
        await page.getByRole('button', { name: 'Aggregator away' }).waitFor();
        await page.locator('.system').getByText('the figures stand still').waitFor();
        await stack.run('aggregator');
        await page.getByRole('button', { name: 'Up to date' }).waitFor({ timeout: 30_000 });
        expect(watch.problems).toEqual([]);
        await context.close();
    });

    it('the collector: lists cannot be changed, and the page says why', async () => {
        const { page, context, watch } = await openPage(browser, `${stack.url}#/lists`);
        await page.getByText('The blacklist is empty').waitFor();
        watch.expectFailures();
        await stack.stop('collector', 'SIGKILL');
        await page.getByRole('button', { name: 'Collector away' }).waitFor();
        await page.getByLabel('Address or network', { exact: true }).fill('192.0.2.1');
        await page.getByRole('button', { name: 'Block', exact: true }).click();
        await page.locator('.toast.failed').getByText('the collector does not answer').waitFor();
        await stack.run('collector');
        await page.getByRole('button', { name: 'Up to date' }).waitFor({ timeout: 30_000 });
        await page.getByRole('button', { name: 'Block', exact: true }).click();
        await page.getByText('Blocked 192.0.2.1').waitFor();
        expect(watch.problems).toEqual([]);
        await context.close();
    });
});

describe('a stranger on the network', () => {
    let stack: Stack;

    beforeAll(async () => {
        stack = await Stack.start({ rate: 100 });
    });
    afterAll(async () => {
        await stack?.close();
    });

    it('may look, and is asked for the token before a change', async () => {
        const { page, context, watch } = await openPage(
            browser,
            `${stack.url}#/settings`,
            STRANGER,
        );
        watch.expectFailures(); // refused requests are errors in the console
        await page.getByText('Only for the administrator').waitFor();
        await page.goto(`${stack.url}#/lists`);
        await page.getByLabel('Address or network', { exact: true }).fill('192.0.2.9');
        await page.getByRole('button', { name: 'Block', exact: true }).click();
        const dialog = page.getByRole('dialog', { name: 'Log in' });
        await dialog.getByLabel('Admin token').fill('wrong-token-wrong-token');
        await dialog.getByRole('button', { name: 'Log in' }).click();
        await dialog.getByText('the token is wrong').waitFor();
        await dialog.getByLabel('Admin token').fill(stack.token);
        await dialog.getByRole('button', { name: 'Log in' }).click();
        await page.getByText('Blocked 192.0.2.9 for ever.').waitFor();
        await page.goto(`${stack.url}#/settings`);
        await page.locator('.key', { hasText: 'timezone' }).waitFor();
        await page.getByRole('button', { name: 'Log out' }).click();
        await page.getByText('Only for the administrator').waitFor();
        expect(watch.problems).toEqual([]);
        await context.close();
    });
});

describe('a gateway with a read token', () => {
    const TOKEN = 'read-token-of-the-house';
    let stack: Stack;

    beforeAll(async () => {
        stack = await Stack.start({
            rate: 100,
            set: [`server.read_token=${TOKEN}`],
        });
    });
    afterAll(async () => {
        await stack?.close();
    });

    it('shows nothing before somebody logs in', async () => {
        const { page, context, watch } = await openPage(browser, stack.url, STRANGER);
        watch.expectFailures();
        await page.getByText('only to those who have logged in').waitFor();
        await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
        const dialog = page.getByRole('dialog', { name: 'Log in' });
        await dialog.getByLabel('Admin token').fill(TOKEN);
        await dialog.getByRole('button', { name: 'Log in' }).click();
        await untilThere(page, '.talkers tbody tr', 3);
        await context.close();
    });
});

describe('under a prefix', () => {
    let stack: Stack;

    beforeAll(async () => {
        stack = await Stack.start({ rate: 200, set: ['server.base_path=/router/ntc/'] });
    });
    afterAll(async () => {
        await stack?.close();
    });

    it('deep links work', async () => {
        expect(stack.basePath).toBe('/router/ntc/');
        const { page, context, watch } = await openPage(browser, `${stack.url}#/live?proto=UDP`);
        await untilThere(page, ROWS, 5);
        await page.getByRole('link', { name: 'Overview', exact: true }).click();
        await untilThere(page, '.talkers tbody tr', 5);
        await page.reload();
        await untilThere(page, '.talkers tbody tr', 5);
        expect(watch.problems).toEqual([]);
        await context.close();
    });
});
