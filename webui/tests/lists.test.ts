/** Blocking and allowing: in one click, with a way back, many at once, and never by mistake. */

import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launch, openPage, until, untilAllMatch, untilThere, type OpenPage } from './browser.ts';
import { Stack } from './stack.ts';

interface Entry {
    ip: string;
    ttl: number | null;
    reason: string;
}

const ROWS = '.live [role=row].body';

let stack: Stack;
let browser: Browser;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
    stack = await Stack.start({ rate: 300 });
    browser = await launch();
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

async function entries(list = 'blacklist'): Promise<Entry[]> {
    return (await stack.call<Entry[]>('GET', list)).body;
}

async function dismissToasts(): Promise<void> {
    const close = page.getByRole('button', { name: 'Dismiss' });
    while ((await close.count()) > 0) await close.first().click();
}

describe('the drawer', () => {
    const IP = '192.0.2.109'; // a busy server of the synthetic network

    it('blocks in one click: the events of the address become DROP', async () => {
        await page.goto(`${stack.url}#/live?ip=${IP}`);
        await untilThere(page, ROWS, 5);
        await untilAllMatch(page, ROWS, /PASS/);
        await page.getByRole('button', { name: 'Pause' }).click();
        await page.locator(`${ROWS} a[data-ip="${IP}"]`).first().click();
        await page.getByRole('button', { name: 'Resume' }).click();
        const drawer = page.getByRole('dialog', { name: IP });
        await drawer.getByText('On neither list').waitFor();
        await drawer.getByRole('radio', { name: '10 min' }).check();
        await drawer.getByLabel('Reason').fill('too busy');
        await drawer.getByRole('button', { name: 'Block', exact: true }).click();
        await page.getByText(`Blocked ${IP} for 10 min.`).waitFor();
        await drawer.getByText(/Blocked\s+for (10:00|9:\d\d)/).waitFor();
        await drawer.getByText('too busy').waitFor();
        expect(await entries()).toMatchObject([{ ip: IP, reason: 'too busy' }]);
        await page.getByRole('button', { name: 'Clear', exact: true }).click();
        await untilThere(page, ROWS, 5);
        await untilAllMatch(page, ROWS, /DROP/);
        await until(
            page,
            (ip) =>
                /[1-9]\d* packets/.test(document.querySelector('.entry')!.textContent!) &&
                ip !== '',
            IP,
        );
    });

    it('unblocks: they pass again', async () => {
        const drawer = page.getByRole('dialog', { name: IP });
        await drawer.getByRole('button', { name: 'Unblock' }).click();
        await drawer.getByText('On neither list').waitFor();
        expect(await entries()).toEqual([]);
        await page.getByRole('button', { name: 'Clear', exact: true }).click();
        await untilThere(page, ROWS, 5);
        await untilAllMatch(page, ROWS, /PASS/);
    });

    it('has a way back from each', async () => {
        const drawer = page.getByRole('dialog', { name: IP });
        await dismissToasts();
        await drawer.getByRole('radio', { name: 'For ever' }).check();
        await drawer.getByRole('button', { name: 'Block', exact: true }).click();
        await page.getByText(`Blocked ${IP} for ever.`).waitFor();
        await page.getByRole('button', { name: 'Undo' }).click();
        await page.getByText(`${IP} is as it was.`).waitFor();
        expect(await entries()).toEqual([]);
        await dismissToasts();
    });

    it('moves an address from one list to the other, and undo restores both', async () => {
        await stack.call('POST', 'blacklist', { ip: IP, ttl: 7000, reason: 'first' });
        const drawer = page.getByRole('dialog', { name: IP });
        await drawer.getByText(/Blocked\s+for 1:5\d:/).waitFor();
        await drawer.getByRole('button', { name: 'Allow' }).click();
        await page.getByText(`Allowed ${IP} for ever. It was taken off the blacklist.`).waitFor();
        expect(await entries()).toEqual([]);
        expect(await entries('whitelist')).toMatchObject([{ ip: IP }]);
        await page.getByRole('button', { name: 'Undo' }).click();
        await page.getByText(`${IP} is as it was.`).waitFor();
        const [entry] = await entries();
        expect(entry).toMatchObject({ ip: IP, reason: 'first' });
        expect(entry!.ttl).toBeGreaterThan(6900);
        expect(await entries('whitelist')).toEqual([]);
        await stack.call('DELETE', `blacklist?ip=${IP}`);
        await page.keyboard.press('Escape');
        await dismissToasts();
    });
});

describe('the lists', () => {
    it('say while one types what is wrong', async () => {
        await page.goto(`${stack.url}#/lists`);
        await page.getByText('The blacklist is empty').waitFor();
        const box = page.getByLabel('Address or network', { exact: true });
        const add = page.getByRole('button', { name: 'Block', exact: true });
        await box.fill('192.0.2.300');
        await page.getByText('four numbers from 0 to 255').waitFor();
        expect(await add.isDisabled()).toBe(true);
        await box.fill('192.0.2.1/24');
        await page.getByText('write 192.0.2.0/24').waitFor();
        await box.fill('192.0.2.0/24');
        await page.getByText('Such as').waitFor();
        expect(await add.isEnabled()).toBe(true);
    });

    it('take an entry, count it down, find it, and remove it', async () => {
        await page.getByRole('radio', { name: '10 min' }).check();
        await page.getByLabel('Reason').fill('test network');
        await page.getByRole('button', { name: 'Block', exact: true }).click();
        const row = page.locator('.lists [role=row].body', { hasText: '192.0.2.0/24' });
        await row.getByText(/^9:5\d$/).waitFor();
        const shown = await row.getByText(/^9:\d\d$/).innerText();
        await until(
            page,
            (text) =>
                !document.querySelector('.lists [role=row].body')!.textContent!.includes(text),
            shown,
        );
        await until(
            page,
            (least) => {
                const cells = document.querySelectorAll('.lists [role=row].body [role=cell]');
                return Number(cells[4]!.textContent!.replace(/\D/g, '')) > least;
            },
            10,
        );
        await page.getByLabel('Search the blacklist').fill('nothing like it');
        await page.getByText('Nothing found').waitFor();
        await page.getByLabel('Search the blacklist').fill('TEST');
        await row.waitFor();
        await row.getByRole('button', { name: 'Remove 192.0.2.0/24' }).click();
        await page.getByText('Took 192.0.2.0/24 off the blacklist.').waitFor();
        await row.waitFor({ state: 'detached' });
        await page.getByLabel('Search the blacklist').fill('');
        await dismissToasts();
    });

    it('import 500 lines and tell what became of each', async () => {
        const lines = Array.from({ length: 498 }, (_, i) => `198.18.${i >> 8}.${i & 255} 1d bulk`);
        lines.splice(100, 0, '198.18.0.300', '198.18.0.1');
        await page.getByRole('button', { name: 'Import' }).click();
        const dialog = page.getByRole('dialog', { name: 'Import into the blacklist' });
        await dialog.getByRole('textbox').fill(lines.join('\n'));
        await dialog.getByText('498 lines can be added, 2 cannot.').waitFor();
        await dialog.getByText('The same as line 2.').waitFor();
        await dialog.getByText('four numbers from 0 to 255').waitFor();
        await dialog.getByRole('button', { name: 'Add 498 lines' }).click();
        await dialog.getByText('498 lines added, 2 not.').waitFor({ timeout: 60_000 });
        await dialog.getByText('added', { exact: true }).first().waitFor();
        await dialog.getByRole('button', { name: 'Done' }).click();
        await page.getByText('498 entries').waitFor();
        expect(await entries()).toHaveLength(498);
        expect(await page.locator('.lists [role=row].body').count()).toBeLessThan(80);
    });

    it.each([
        ['Text', /^198\.18\.0\.0 \d+s # bulk\n/],
        ['JSON', /^\[\n\s+\{\n\s+"ip": "198\.18\.0\.0"/],
    ])('export as %s', async (format, pattern) => {
        const started = page.waitForEvent('download');
        await page.getByRole('button', { name: format, exact: true }).click();
        const text = readFileSync(await (await started).path(), 'utf8');
        expect(text).toMatch(pattern);
        expect(text.match(/198\.18\./g)).toHaveLength(498);
    });

    it('undo a whole import', async () => {
        await page.getByText('Added 498 to the blacklist.').waitFor();
        await page.getByRole('button', { name: 'Undo' }).click();
        await page.getByText('Took 498 off the blacklist.').waitFor({ timeout: 60_000 });
        expect(await entries()).toEqual([]);
        await dismissToasts();
    });
});

describe('guard rails', () => {
    const CLIENT = '192.168.1.20';
    let guarded: Stack;
    let client: OpenPage;

    beforeAll(async () => {
        guarded = await Stack.start({ rate: 20, set: ['server.trusted_proxies=[127.0.0.1]'] });
        client = await openPage(browser, `${guarded.url}#/lists`, {
            extraHTTPHeaders: { 'X-Forwarded-For': CLIENT },
        });
        client.watch.expectFailures(); // refusals are what this is about
        const { origin, token } = guarded;
        const login = await client.context.request.post(`${guarded.url}api/login`, {
            data: { token },
            headers: { Origin: origin, 'X-Forwarded-For': CLIENT },
        });
        expect(login.status()).toBe(200);
        await client.page.reload();
        await client.page.getByText('The blacklist is empty').waitFor();
    });

    afterAll(async () => {
        await client?.context.close();
        await guarded?.close();
    });

    const blacklist = async () => (await guarded.call<Entry[]>('GET', 'blacklist')).body;

    async function tryToBlock(ip: string) {
        await client.page.getByLabel('Address or network', { exact: true }).fill(ip);
        await client.page.getByRole('button', { name: 'Block', exact: true }).click();
        return client.page.getByRole('dialog', { name: `Block ${ip}?` });
    }

    it('ask twice before it is forced, and say why', async () => {
        const dialog = await tryToBlock(CLIENT);
        await dialog.getByText(`this would cut off ${CLIENT} (who asks for it)`).waitFor();
        await dialog.getByRole('button', { name: 'Go on' }).click();
        await dialog.getByText('Are you sure?').waitFor();
        expect(await blacklist()).toEqual([]);
        await dialog.getByRole('button', { name: 'Cancel' }).click();
        await dialog.waitFor({ state: 'detached' });
        expect(await blacklist()).toEqual([]);
    });

    it('let it be done all the same', async () => {
        const dialog = await tryToBlock('192.168.0.0/16');
        await dialog.getByRole('button', { name: 'Go on' }).click();
        await dialog.getByRole('button', { name: 'Block 192.168.0.0/16' }).click();
        await client.page.getByText('Blocked 192.168.0.0/16 for ever.').waitFor();
        expect(await blacklist()).toMatchObject([{ ip: '192.168.0.0/16' }]);
    });

    it('count down until it is undone, unless one keeps it', async () => {
        const bar = client.page.getByRole('region', { name: 'Changes to confirm' });
        await bar.getByText('192.168.0.0/16 was put on the blacklist.').waitFor();
        await bar.getByText(/Undone in (0:[0-5]\d|1:00) unless you keep it/).waitFor();
        await bar.getByRole('button', { name: 'Keep it' }).click();
        await bar.waitFor({ state: 'detached' });
        expect(await blacklist()).toMatchObject([
            { ip: '192.168.0.0/16', unconfirmed_until: null },
        ]);
    });

    it('undo it at once', async () => {
        const gone = await client.context.request.delete(
            `${guarded.url}blacklist?ip=192.168.0.0/16`,
            { headers: { Origin: guarded.origin, 'X-Forwarded-For': CLIENT } },
        );
        expect(gone.status()).toBe(200);
        const dialog = await tryToBlock('192.168.1.0/24');
        await dialog.getByRole('button', { name: 'Go on' }).click();
        await dialog.getByRole('button', { name: 'Block 192.168.1.0/24' }).click();
        const bar = client.page.getByRole('region', { name: 'Changes to confirm' });
        await bar.getByRole('button', { name: 'Undo now' }).click();
        await bar.waitFor({ state: 'detached' });
        expect(await blacklist()).toEqual([]);
    });
});
