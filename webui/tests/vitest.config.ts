import { defineConfig } from 'vitest/config';

// One file after the other: each starts three programs and a browser, on machines with two cores.
export default defineConfig({
    test: {
        include: ['tests/*.test.ts'],
        pool: 'forks',
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 60_000,
    },
});
