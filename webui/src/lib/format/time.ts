/**
 * Times in the zone the reader chose, durations in words. Times are unix seconds with fractions,
 * zones IANA names; an unknown zone is shown as UTC.
 */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = JSON.stringify([zone, options]);
    let found = formats.get(key);
    if (!found) {
        const timeZone = isZone(zone) ? zone : 'UTC';
        formats.set(key, (found = new Intl.DateTimeFormat(undefined, { ...options, timeZone })));
    }
    return found;
}

export function isZone(zone: string): boolean {
    if (zone === '') return false;
    try {
        new Intl.DateTimeFormat(undefined, { timeZone: zone });
        return true;
    } catch {
        return false;
    }
}

/** "14:03:22", in any locale, so that columns stay aligned. */
export function clockTime(unix: number, zone: string): string {
    const parts = wallParts(unix, zone);
    return `${parts.hour}:${parts.minute}:${parts.second}`;
}

/** "14:03" */
export function clockMinute(unix: number, zone: string): string {
    return clockTime(unix, zone).slice(0, 5);
}

/** Date and time of day in the locale's form. */
export function dateTime(unix: number, zone: string): string {
    return format(zone, { dateStyle: 'medium', timeStyle: 'medium' }).format(unix * 1000);
}

/** The time of day when it is less than 12 hours away, else date and time. */
export function shortTime(unix: number, zone: string, now: number): string {
    return Math.abs(now - unix) < 12 * 3600 ? clockTime(unix, zone) : dateTime(unix, zone);
}

function wallParts(unix: number, zone: string): Record<string, string> {
    const parts = format(zone, {
        hourCycle: 'h23',
        numberingSystem: 'latn',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
    }).formatToParts(unix * 1000);
    return Object.fromEntries(parts.map(({ type, value }) => [type, value.padStart(2, '0')]));
}

/** Seconds that the zone's clocks are ahead of UTC at that time. */
export function zoneOffset(unix: number, zone: string): number {
    const { year, month, day, hour, minute, second } = wallParts(unix, zone);
    const wall = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
    return Math.round(wall / 1000 - Math.floor(unix));
}

/** Moves a time of day "HH:MM:SS.mmm" by so many seconds, around midnight if need be. */
export function shiftClock(time: string, seconds: number): string {
    if (seconds === 0) return time;
    const [hours, minutes, rest] = time.split(':');
    if (rest === undefined) return time;
    const day = 86400;
    const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(rest.slice(0, 2)) + seconds;
    const moved = ((total % day) + day) % day;
    const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
    return `${two(moved / 3600)}:${two((moved / 60) % 60)}:${two(moved % 60)}${rest.slice(2)}`;
}

/** A span in its two largest units: "3 d 4 h", "12 min 5 s", "0.4 s". */
export function duration(seconds: number): string {
    if (!Number.isFinite(seconds)) return '–';
    if (seconds < 1 && seconds > 0) return `${Math.max(0.1, Math.round(seconds * 10) / 10)} s`;
    const whole = Math.round(seconds);
    const units: [string, number][] = [
        ['d', 86400],
        ['h', 3600],
        ['min', 60],
        ['s', 1],
    ];
    const at = units.findIndex(([, size]) => whole >= size);
    if (at < 0) return '0 s';
    const [unit, size] = units[at]!;
    const next = units[at + 1];
    const left = next ? Math.floor((whole % size) / next[1]) : 0;
    return `${Math.floor(whole / size)} ${unit}${left > 0 ? ` ${left} ${next![0]}` : ''}`;
}

/** What remains, to the second: "9:59", "1:00:00", "3 d 4 h"; "now" when it is over. */
export function countdown(seconds: number): string {
    const whole = Math.round(seconds);
    if (whole <= 0) return 'now';
    if (whole >= 86400) return duration(whole);
    const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
    return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** "just now", "12 s ago", "3 min ago" */
export function ago(seconds: number): string {
    if (seconds < 2) return 'just now';
    const unit = seconds < 60 ? 1 : seconds < 3600 ? 60 : seconds < 86400 ? 3600 : 86400;
    return `${duration(Math.floor(seconds / unit) * unit)} ago`;
}
