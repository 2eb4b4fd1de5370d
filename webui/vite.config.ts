import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// A gateway to develop against: NTC_GATEWAY=http://127.0.0.1:8086 npm run dev
const gateway = process.env.NTC_GATEWAY ?? 'http://127.0.0.1:8086';
const paths = ['/api', '/events', '/blacklist', '/whitelist', '/healthz', '/readyz', '/metrics'];

/** Writes NAME.gz beside each file, which the gateway sends to browsers that take it. */
function gzip(): Plugin {
    const compress = (folder: string) => {
        for (const entry of readdirSync(folder, { withFileTypes: true })) {
            const path = join(folder, entry.name);
            if (entry.isDirectory()) compress(path);
            else
                writeFileSync(
                    `${path}.gz`,
                    gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION }),
                );
        }
    };
    return {
        name: 'gzip',
        apply: 'build',
        writeBundle: ({ dir }) => compress(dir!),
    };
}

export default defineConfig({
    plugins: [svelte(), gzip()],
    base: './', // the page may live under a prefix
    build: {
        target: 'es2022',
        assetsInlineLimit: 0, // the content security policy allows no data: URLs
        modulePreload: { polyfill: false },
    },
    server: { proxy: Object.fromEntries(paths.map((path) => [path, gateway])) },
    test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
