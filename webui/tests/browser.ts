/** Chromium, and pages that notice what must never happen: console errors, foreign requests. */

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
    chromium,
    type Browser,
    type BrowserContext,
    type BrowserContextOptions,
    type Page,
} from 'playwright-core';

export const FOLDER = fileURLToPath(new URL('.', import.meta.url));
export const SCREENSHOTS = resolve(FOLDER, '../../build/screenshots');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 740 };
export const WALL = { width: 2560, height: 1440 };

/** Makes the gateway see somebody on the network instead of a browser on the router itself. */
export const STRANGER = { extraHTTPHeaders: { 'X-Forwarded-For': '192.0.2.50' } };

export const CHROMIUM_OPTIONS = {
    executablePath: CHROMIUM,
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--enable-precise-memory-info',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
};

export function launch(): Promise<Browser> {
    return chromium.launch(CHROMIUM_OPTIONS);
}

/** What a page did that it must not do. */
export class Watch {
    readonly problems: string[] = [];
    #isForgiving = false;

    constructor(page: Page, origin: string) {
        page.on('console', (message) => {
            if (message.type() !== 'error' && message.type() !== 'warning') return;
            // A refused connection is the browser's own line, and expected while a program is away.
            const isNetwork = /Failed to load resource|net::ERR_/.test(message.text());
            if (!(this.#isForgiving && isNetwork)) this.problems.push(message.text());
        });
        page.on('response', (response) => {
            if (response.status() < 400 || this.#isForgiving) return;
            void response.text().then((text) => {
                this.problems.push(`${response.status()} for ${response.url()}: ${text}`);
            });
        });
        page.on('pageerror', (error) => this.problems.push(String(error.stack ?? error)));
        page.on('request', (request) => {
            const url = new URL(request.url());
            if (url.origin !== origin && url.protocol !== 'blob:')
                this.problems.push(`a request left for ${request.url()}`);
        });
    }

    /** From now on requests may fail. */
    expectFailures(): void {
        this.#isForgiving = true;
    }
}

export interface OpenPage {
    page: Page;
    context: BrowserContext;
    watch: Watch;
}

export async function openPage(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
): Promise<OpenPage> {
    const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-US', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const watch = new Watch(page, new URL(url).origin);
    await page.goto(url);
    return { page, context, watch };
}

export async function screenshot(page: Page, name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Texts of the cells of the live table's rows, top to bottom. */
export function liveRows(page: Page): Promise<string[]> {
    return page.locator('.live [role=row].body').allInnerTexts();
}

/**
 * Waits, frame by frame, until `condition` holds in the page. (Playwright's waitForFunction() needs
 * eval(), which the content security policy forbids.)
 */
export async function until<Arg>(
    page: Page,
    condition: (arg: Arg) => boolean,
    arg: Arg,
    timeout = 15_000,
): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!(await page.evaluate(condition as (arg: unknown) => boolean, arg as unknown))) {
        if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${condition}`);
        await page.evaluate(() => new Promise((frame) => requestAnimationFrame(frame)));
    }
}

/** Waits until `pattern` matches the texts of all that `selector` finds, of which there are some. */
export function untilAllMatch(page: Page, selector: string, pattern: RegExp): Promise<void> {
    return until(
        page,
        ([where, source]) => {
            const found = [...document.querySelectorAll<HTMLElement>(where!)];
            return (
                found.length > 0 && found.every((one) => new RegExp(source!).test(one.innerText))
            );
        },
        [selector, pattern.source],
    );
}

/** Waits until there are at least so many of what `selector` finds. */
export function untilThere(page: Page, selector: string, least: number): Promise<void> {
    return until(
        page,
        ([where, count]) => document.querySelectorAll(where as string).length >= (count as number),
        [selector, least] as (string | number)[],
    );
}
