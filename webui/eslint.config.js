import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

/** Forbids names in the files given, with the reason. */
function forbid(files, names, message) {
    return {
        files,
        rules: {
            'no-restricted-globals': ['error', ...names.map((name) => ({ name, message }))],
        },
    };
}

export default ts.config(
    { ignores: ['dist/'] },
    js.configs.recommended,
    ...ts.configs.recommended,
    ...svelte.configs.recommended,
    { languageOptions: { globals: { ...globals.browser } } },
    { files: ['*.config.*', 'tests/**'], languageOptions: { globals: { ...globals.node } } },
    {
        files: ['**/*.svelte', '**/*.svelte.ts'],
        languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
    },
    {
        rules: {
            '@typescript-eslint/no-non-null-assertion': 'off',
            'no-unused-vars': 'off',
            '@typescript-eslint/no-unused-vars': 'error',
            eqeqeq: 'error',
        },
    },
    {
        // Data flows one way: api -> stores -> components and views.
        files: ['src/lib/stores/**', 'src/lib/format/**', 'src/lib/filters/**', 'src/lib/api/**'],
        rules: {
            'no-restricted-imports': ['error', { patterns: ['*.svelte', '**/components/**'] }],
        },
    },
    forbid(
        ['src/lib/components/**', 'src/views/**', 'src/lib/stores/**', 'src/lib/format/**'],
        ['fetch', 'EventSource', 'XMLHttpRequest'],
        'All HTTP is in src/lib/api/.',
    ),
);
