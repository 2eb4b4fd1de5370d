/** The three programs on synthetic traffic, in a folder of their own, gone when it is closed. */

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = resolve(process.env.NTC_BIN ?? join(ROOT, 'build/bin'));
export const DIST = join(ROOT, 'webui/dist');
const PATIENCE_MS = 20_000;

export interface StackOptions {
    /** Packets a second; undefined = the demo's own. */
    rate?: number;
    /** Names of several collectors; undefined = one. */
    collectors?: string[];
    /** More "--set" for all three, such as "server.base_path=/ntc/". */
    set?: string[];
}

class Program {
    readonly #process: ChildProcess;
    #log = '';
    #hasEnded = false;
    #waiters: (() => void)[] = [];

    constructor(name: string, args: string[]) {
        // The kernel ends it with us, however we end.
        this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', join(BIN, name), ...args], {
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        const onOutput = (data: Buffer) => {
            this.#log += data.toString();
            this.#wake();
        };
        this.#process.stdout!.on('data', onOutput);
        this.#process.stderr!.on('data', onOutput);
        this.#process.on('error', (error) => onOutput(Buffer.from(String(error))));
        this.#process.on('close', () => {
            this.#hasEnded = true;
            this.#wake();
        });
    }

    #wake(): void {
        for (const waiter of this.#waiters.splice(0)) waiter();
    }

    /** Waits until its log matches. */
    async says(pattern: RegExp): Promise<RegExpExecArray> {
        for (;;) {
            const found = pattern.exec(this.#log);
            if (found) return found;
            if (this.#hasEnded) throw new Error(`ended without saying ${pattern}:\n${this.#log}`);
            await new Promise<void>((wake) => this.#waiters.push(wake));
        }
    }

    async stop(signal: NodeJS.Signals): Promise<void> {
        this.#process.kill(signal);
        while (!this.#hasEnded) await new Promise<void>((wake) => this.#waiters.push(wake));
    }
}

/** One of the programs; of several collectors "collector NAME". */
export type ProgramName = 'collector' | 'aggregator' | 'gateway' | `collector ${string}`;

export class Stack {
    readonly folder = mkdtempSync(join(tmpdir(), 'ntc-page-'));
    readonly #options: StackOptions;
    readonly #programs = new Map<ProgramName, Program>();
    #port = 0;
    basePath = '/';

    private constructor(options: StackOptions) {
        this.#options = options;
    }

    static async start(options: StackOptions = {}): Promise<Stack> {
        for (const needed of [join(BIN, 'ntc-gateway'), join(DIST, 'index.html')])
            if (!existsSync(needed)) throw new Error(`${needed} is missing: build it first`);
        const stack = new Stack(options);
        try {
            const names = options.collectors?.map((name) => `collector ${name}` as const);
            for (const name of [
                ...(names ?? ['collector' as const]),
                'aggregator',
                'gateway',
            ] as const)
                await stack.run(name);
            await stack.isReady();
        } catch (error) {
            await stack.close();
            throw error;
        }
        return stack;
    }

    get origin(): string {
        return `http://127.0.0.1:${this.#port}`;
    }

    /** Where the page is. */
    get url(): string {
        return this.origin + this.basePath;
    }

    get token(): string {
        return readFileSync(join(this.folder, 'admin.token'), 'utf8').trim();
    }

    async run(name: ProgramName): Promise<void> {
        const [kind, id = ''] = name.split(' ') as [
            'collector' | 'aggregator' | 'gateway',
            string?,
        ];
        const folder = join(this.folder, id);
        if (id !== '') mkdirSync(folder, { recursive: true });
        const endpoints = (this.#options.collectors ?? []).map(
            (one) => `ipc://${join(this.folder, one, 'events')}`,
        );
        const set = [
            `bus.directory=${folder}`,
            `bus.collector_id="${id}"`,
            `bus.collectors=[${endpoints.join(', ')}]`,
            `persistence.path=${join(folder, 'lists.json')}`,
            `server.port=${this.#port}`,
            'server.listen=127.0.0.1',
            'server.timezone=Europe/Berlin',
            ...(this.#options.set ?? []),
        ].flatMap((one) => ['--set', one]);
        const own = {
            collector: [
                '--mock',
                ...(this.#options.rate ? ['--mock-rate', String(this.#options.rate)] : []),
            ],
            aggregator: [],
            gateway: ['--ui', DIST],
        }[kind];
        const program = new Program(`ntc-${kind}`, [...set, ...own]);
        this.#programs.set(name, program);
        if (name !== 'gateway') return;
        const said = await program.says(/serving http:\/\/[^:]+:(\d+)(\/\S*)/);
        this.#port = Number(said[1]);
        this.basePath = said[2]!;
    }

    async stop(name: ProgramName, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
        await this.#programs.get(name)?.stop(signal);
        this.#programs.delete(name);
    }

    async close(): Promise<void> {
        await Promise.all([...this.#programs.keys()].map((name) => this.stop(name)));
        rmSync(this.folder, { recursive: true, force: true });
    }

    /** A request beside the page. */
    call<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
        return new Promise((done, failed) => {
            const text = body === undefined ? '' : JSON.stringify(body);
            const headers = text ? { 'Content-Type': 'application/json' } : {};
            const sent = request(this.url + path, { method, headers }, (response) => {
                let answer = '';
                response.on('data', (piece: Buffer) => (answer += piece.toString()));
                response.on('end', () =>
                    done({ status: response.statusCode!, body: JSON.parse(answer) as T }),
                );
            });
            sent.on('error', failed);
            sent.end(text);
        });
    }

    /** Waits until all peers of the gateway are live. */
    async isReady(): Promise<void> {
        const deadline = Date.now() + PATIENCE_MS;
        for (;;) {
            const { status, body } = await this.call<{ missing: string[] }>('GET', 'readyz');
            if (status === 200) return;
            await new Promise((wake) => setTimeout(wake, 50));
            if (Date.now() > deadline) throw new Error(`not ready: ${JSON.stringify(body)}`);
        }
    }
}
