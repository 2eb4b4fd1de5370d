/** Several collectors: whose figures are shown, how each is, and what each says to a change. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PHONE, launch, openPage, screenshot, untilThere, type OpenPage } from './browser.ts';
import { Stack } from './stack.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const IDS = ['attic', 'cellar', 'office'];

let stack: Stack;
let browser: Browser;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
    stack = await Stack.start({ rate: 200, collectors: IDS });
    browser = await launch();
    for (const [ip, collector, reason] of [
        ['203.0.113.77', undefined, 'scans all ports'],
        ['198.51.100.0/28', 'cellar', 'guests of last week'],
        ['2001:db8:bad::/48', undefined, ''],
    ])
        await stack.call('POST', 'blacklist', { ip, collector, reason });
    opened = await openPage(browser, stack.url);
    page = opened.page;
});

afterAll(async () => {
    await browser?.close();
    await stack?.close();
});

afterEach(() => {
    expect(opened.watch.problems).toEqual([]);
});

const picker = () => page.locator('header').getByLabel('Collector', { exact: true });
const signs = (id: string) => page.locator('.card.collectors tr', { hasText: id }).locator('.sign');

it('shows all together, or one of them, everywhere', async () => {
    await picker().waitFor();
    expect(await picker().locator('option').allInnerTexts()).toEqual(['All 3 collectors', ...IDS]);
    await picker().selectOption('cellar');
    expect(page.url()).toContain('collector=cellar');
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await untilThere(page, '.live [role=row].body', 5);
    const requested = page.waitForRequest(/api\/flows\?.*collector=cellar/);
    await page.getByRole('link', { name: 'Flows', exact: true }).first().click();
    await requested;
    await untilThere(page, 'tbody tr', 5);
    await page.getByRole('link', { name: 'Lists', exact: true }).click();
    await page.getByText('Goes to cellar only.').waitFor();
    await picker().selectOption('');
    await page.getByText('Goes to all 3 collectors.').waitFor();
    expect(page.url()).not.toContain('collector=');
});

it('tells at which collectors an entry stands, and changes one or all', async () => {
    await page.goto(`${stack.url}#/lists`);
    const row = (ip: string) => page.locator('.lists [role=row].body', { hasText: ip });
    await row('198.51.100.0/28').getByText('cellar', { exact: true }).waitFor();
    await row('203.0.113.77').getByText('all', { exact: true }).waitFor();

    await picker().selectOption('office');
    await page.getByText('Goes to office only.').waitFor();
    await page.getByLabel('Address or network').fill('192.0.2.9');
    await page.getByRole('button', { name: 'Block', exact: true }).click();
    await page.getByText('Blocked 192.0.2.9 for ever on office.').waitFor();
    await picker().selectOption('');
    await row('192.0.2.9').getByText('office', { exact: true }).waitFor();
    await row('192.0.2.9').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('Took 192.0.2.9 off the blacklist on all collectors.').waitFor();
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await row('192.0.2.9').getByText('office', { exact: true }).waitFor();
});

it('goes back to all when the collector of the address bar does not exist', async () => {
    opened.watch.expectFailures();
    await page.goto('about:blank'); // or it would be no new page, but a click in the last one
    await page.goto(`${stack.url}#/flows?collector=garage`);
    await page.getByText('There is no collector “garage”.').waitFor();
    await page.waitForURL((url) => !url.hash.includes('collector='));
    await untilThere(page, 'tbody tr', 5);
});

describe('when a collector is away', () => {
    it('names it, and every answer to a change that it missed', async () => {
        opened.watch.expectFailures();
        await page.goto(`${stack.url}#/overview`);
        await signs('attic').getByText('Live').waitFor();
        await stack.stop('collector attic', 'SIGKILL');
        await signs('attic')
            .getByText(/Away for/)
            .waitFor();
        await page.getByText('Collector away').waitFor();
        await screenshot(page, 'collectors-overview');
        await page.emulateMedia({ colorScheme: 'dark' });
        await screenshot(page, 'collectors-overview-dark');

        await page.goto(`${stack.url}#/lists`);
        await page.getByText(/1 of 3 collectors did not tell: attic/).waitFor();
        await page.getByLabel('Address or network').fill('192.0.2.44');
        await page.getByRole('button', { name: 'Block', exact: true }).click();
        const answers = page.getByRole('region', { name: 'Answers of the collectors' });
        await answers.getByText('1 of 3 collectors did not make the change.').waitFor();
        await answers.locator('li', { hasText: 'attic' }).getByText('does not answer').waitFor();
        await answers.locator('li', { hasText: 'cellar' }).getByText('done').waitFor();
        await screenshot(page, 'collectors-lists-dark');
        await page.emulateMedia({ colorScheme: 'light' });
        await screenshot(page, 'collectors-lists');

        await stack.run('collector attic');
        await stack.isReady();
        await answers.getByRole('button', { name: 'Try again' }).click();
        await page.getByText('Blocked 192.0.2.44 for ever on all collectors.').waitFor();
        await answers.waitFor({ state: 'detached' });
        await page.goto(`${stack.url}#/settings`);
        await signs('attic').getByText('Restarted').waitFor();
        await screenshot(page, 'collectors-settings');
    });
});

it('looks right on a phone, and everybody can use it', async () => {
    const phone = await openPage(browser, stack.url, { viewport: PHONE });
    try {
        await phone.page.locator('main').getByLabel('Collector', { exact: true }).waitFor();
        await untilThere(phone.page, '.card.collectors tbody tr', 3);
        for (const [name, hash] of [
            ['overview', '#/overview'],
            ['lists', '#/lists'],
        ]) {
            await phone.page.goto(stack.url + hash);
            await phone.page.locator('main').getByLabel('Collector', { exact: true }).waitFor();
            await screenshot(phone.page, `collectors-phone-${name}`);
            const wide = await phone.page.evaluate(
                () => document.documentElement.scrollWidth > innerWidth,
            );
            expect(wide, `${name} is wider than the screen`).toBe(false);
        }
        await phone.page.goto(`${stack.url}#/overview`);
        await phone.page.locator('.card.collectors').scrollIntoViewIfNeeded();
        await screenshot(phone.page, 'collectors-phone-card');
        await phone.page.evaluate(AXE);
        const found = await phone.page.evaluate(async () => {
            const { violations } = await (
                globalThis as unknown as {
                    axe: {
                        run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
                    };
                }
            ).axe.run();
            return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
        });
        expect(found).toEqual([]);
    } finally {
        await phone.context.close();
    }
});
