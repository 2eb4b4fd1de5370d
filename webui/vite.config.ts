import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// A gateway to develop against: NTC_GATEWAY=http://127.0.0.1:8086 npm run dev
const gateway = process.env.NTC_GATEWAY ?? 'http://127.0.0.1:8086';
const paths = ['/api', '/events', '/blacklist', '/whitelist', '/healthz', '/readyz', '/metrics'];

export default defineConfig({
    plugins: [svelte()],
    base: './', // the page may live under a prefix
    build: {
        target: 'es2022',
        assetsInlineLimit: 0, // the content security policy allows no data: URLs
        modulePreload: { polyfill: false },
    },
    server: { proxy: Object.fromEntries(paths.map((path) => [path, gateway])) },
    test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
