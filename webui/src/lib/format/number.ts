/** Numbers in the reader's locale. `locale` is for tests; undefined is the browser's. */

const formats = new Map<string, Intl.NumberFormat>();

function format(locale: string | undefined, options: Intl.NumberFormatOptions): Intl.NumberFormat {
    const key = JSON.stringify([locale, options]);
    let found = formats.get(key);
    if (!found) formats.set(key, (found = new Intl.NumberFormat(locale, options)));
    return found;
}

/** A whole number with its groups: "1,204,331". */
export function count(value: number, locale?: string): string {
    return format(locale, { maximumFractionDigits: 0 }).format(value);
}

/** One of many things: "1 flow", "1,204 flows". */
export function plural(value: number, one: string, many: string, locale?: string): string {
    return `${count(value, locale)} ${value === 1 ? one : many}`;
}

/** Three digits that count, so that the width stays the same while the number changes. */
function threeDigits(value: number, locale?: string): string {
    const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return format(locale, options).format(value);
}

const SCALES = ['', 'k', 'M', 'G', 'T', 'P'];

export interface Scaled {
    /** "1.23", "12.3" or "123"; below 1,000 of the base unit without fractions that say nothing. */
    digits: string;
    /** SI prefix: "", "k", "M", ... */
    scale: string;
}

/** Scales to 1 - 999; `wholeBelow`: values under it are written in full ("12,345"). */
export function scale(value: number, locale?: string, wholeBelow = 1000): Scaled {
    const size = Math.abs(value);
    if (!Number.isFinite(value)) return { digits: '–', scale: '' };
    if (size < 10 && size > 0 && !Number.isInteger(value)) {
        const tiny = size < 0.1;
        return {
            digits: format(locale, { maximumFractionDigits: tiny ? 2 : 1 }).format(value),
            scale: '',
        };
    }
    if (size < wholeBelow - 0.5) return { digits: count(value, locale), scale: '' };
    let step = 0;
    let scaled = value;
    while (Math.abs(scaled) >= 999.5 && step < SCALES.length - 1) {
        scaled /= 1000;
        step++;
    }
    return { digits: threeDigits(scaled, locale), scale: SCALES[step]! };
}

const joined = ({ digits, scale }: Scaled, unit: string) => `${digits} ${scale}${unit}`.trimEnd();

/** A number that may be large: "12,345", "123 k", "1.23 M". */
export function compact(value: number, locale?: string): string {
    return joined(scale(value, locale, 100_000), '');
}

/** Bytes: "512 B", "1.50 kB", "12.3 GB" (powers of 1000). */
export function bytes(value: number, locale?: string): string {
    return joined(scale(value, locale), 'B');
}

/** Bytes per second as bits per second: "12.3 Mbit/s". */
export function bitRate(bytesPerSecond: number, locale?: string): string {
    return joined(scale(bytesPerSecond * 8, locale), 'bit/s');
}

/** Bits per second on an axis, where ticks are round: "800 kbit/s", "2.4 Mbit/s". */
export function bitTick(bitsPerSecond: number, locale?: string): string {
    return tick(bitsPerSecond, 'bit/s', locale);
}

/** A number on an axis: "250", "1.5 k". */
export function numberTick(value: number, locale?: string): string {
    return tick(value, '', locale);
}

function tick(value: number, unit: string, locale?: string): string {
    if (value === 0) return '0';
    let step = 0;
    let scaled = value;
    for (; Math.abs(scaled) >= 1000 && step < SCALES.length - 1; step++) scaled /= 1000;
    const digits = format(locale, { maximumSignificantDigits: 3 }).format(scaled);
    return joined({ digits, scale: SCALES[step]! }, unit);
}

/** Packets per second without the unit: "0.2", "12", "12,345", "1.23 M". */
export function rate(perSecond: number, locale?: string): string {
    return joined(scale(perSecond, locale, 100_000), '');
}

/** A share of 0 to 1: "12%", "3.4%", "<0.1%". */
export function share(part: number, locale?: string): string {
    const percent = format(locale, {
        style: 'percent',
        maximumFractionDigits: part < 0.0995 && part > 0 ? 1 : 0,
    });
    return part > 0 && part < 0.001 ? `<${percent.format(0.001)}` : percent.format(part);
}
