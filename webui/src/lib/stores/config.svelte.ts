/** The configuration that the gateway runs with; only the administrator may see it. */

import { api, asApiError, type ApiError } from '../api/client.ts';
import type { Config } from '../api/types.ts';

class ConfigStore {
    data = $state.raw<Config | null>(null);
    error = $state.raw<ApiError | null>(null);

    async load(): Promise<void> {
        try {
            this.data = await api.config();
            this.error = null;
        } catch (cause) {
            this.data = null;
            this.error = asApiError(cause);
        }
    }
}

export const config = new ConfigStore();
