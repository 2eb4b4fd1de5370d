/** Light or dark, as chosen or as the system says; told to the style sheets. */

import { settings, type Theme } from './settings.svelte.ts';

class ThemeStore {
    #systemIsDark = $state(false);

    constructor() {
        if (typeof window === 'undefined') return;
        const query = window.matchMedia('(prefers-color-scheme: dark)');
        this.#systemIsDark = query.matches;
        query.addEventListener('change', (event) => {
            this.#systemIsDark = event.matches;
            this.#apply();
        });
        this.#apply();
    }

    get isDark(): boolean {
        return settings.theme === 'dark' || (settings.theme === 'system' && this.#systemIsDark);
    }

    choose(theme: Theme): void {
        settings.theme = theme;
        settings.save();
        this.#apply();
    }

    #apply(): void {
        document.documentElement.dataset.theme = this.isDark ? 'dark' : 'light';
    }
}

export const theme = new ThemeStore();
