/** Who we are to the gateway, and the way to become its administrator. */

import { api, asApiError } from '../api/client.ts';
import type { Session } from '../api/types.ts';

class SessionStore {
    data = $state.raw<Session | null>(null);
    /** True while the login dialog is open. */
    isAsking = $state(false);
    #answer: ((loggedIn: boolean) => void) | null = null;

    get isAdmin(): boolean {
        return this.data?.admin ?? false;
    }

    async load(): Promise<void> {
        this.data = await api.session();
    }

    /** Opens the dialog. Resolves to true once somebody has logged in, to false if it was closed. */
    ask(): Promise<boolean> {
        this.#answer?.(false);
        this.isAsking = true;
        return new Promise((resolve) => (this.#answer = resolve));
    }

    /** Ends the dialog. */
    close(loggedIn: boolean): void {
        this.isAsking = false;
        this.#answer?.(loggedIn);
        this.#answer = null;
    }

    /** Throws an ApiError when the token is wrong. */
    async login(token: string): Promise<void> {
        await api.login(token);
        await this.load();
        this.close(true);
    }

    async logout(): Promise<void> {
        await api.logout();
        await this.load();
    }

    /** Does what needs the administrator; asks for the token and tries again if the server wants it. */
    async asAdmin<T>(task: () => Promise<T>): Promise<T> {
        try {
            return await task();
        } catch (cause) {
            const error = asApiError(cause);
            if (error.status !== 401 || !(await this.ask())) throw error;
            return await task();
        }
    }
}

export const session = new SessionStore();
