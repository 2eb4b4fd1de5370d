/** What the reader has chosen, kept in this browser. */

import { isZone } from '../format/time.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export const ZONES = ['server', 'browser', 'utc'] as const;
export type Theme = (typeof THEMES)[number];
export type ZoneChoice = (typeof ZONES)[number];

const KEY = 'ntc.settings';

interface Stored {
    theme: Theme;
    zone: ZoneChoice;
    hiddenColumns: string[];
    range: number;
    split: string;
}

function load(): Partial<Stored> {
    try {
        const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
        return typeof value === 'object' && value !== null ? value : {};
    } catch {
        return {}; // no storage, or somebody else wrote there
    }
}

class Settings {
    theme = $state<Theme>('system');
    zoneChoice = $state<ZoneChoice>('server');
    /** Names of columns of the live table that are not shown. */
    hiddenColumns = $state<string[]>([]);
    /** Seconds that the charts show. */
    range = $state(300);
    /** How the charts are split. */
    split = $state('direction');
    /** Zone of the server, '' while it is not known. */
    serverZone = $state('');

    constructor() {
        const stored = load();
        this.theme = THEMES.find((one) => one === stored.theme) ?? 'system';
        this.zoneChoice = ZONES.find((one) => one === stored.zone) ?? 'server';
        if (Array.isArray(stored.hiddenColumns))
            this.hiddenColumns = stored.hiddenColumns.map(String);
        if ([300, 900, 3600].includes(stored.range ?? 0)) this.range = stored.range!;
        if (['direction', 'action', 'protocol'].includes(stored.split ?? ''))
            this.split = stored.split!;
    }

    /** IANA name of the zone in which times are shown. */
    get zone(): string {
        if (this.zoneChoice === 'utc') return 'UTC';
        if (this.zoneChoice === 'server' && isZone(this.serverZone)) return this.serverZone;
        return browserZone();
    }

    /** Call after a change. */
    save(): void {
        const stored = {
            theme: this.theme,
            zone: this.zoneChoice,
            hiddenColumns: this.hiddenColumns,
            range: this.range,
            split: this.split,
        };
        try {
            localStorage.setItem(KEY, JSON.stringify(stored));
        } catch {
            // Private windows may forbid it; the choice then lasts as long as the page.
        }
    }
}

export function browserZone(): string {
    return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

export const settings = new Settings();
