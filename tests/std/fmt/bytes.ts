/**
 * An offline stand-in for `@std/fmt/bytes`.
 *
 * @module
 */

/** How {@linkcode format} writes a number of bytes. */
export interface FormatOptions {
  /** Bits instead of bytes. */
  bits?: boolean;
  /** Powers of 1024 (`KiB`) instead of 1000 (`kB`). */
  binary?: boolean;
  /** A `+` before positive numbers, a space before zero. */
  signed?: boolean;
  /** Digits as in the user's locale (`true`) or the given one. */
  locale?: boolean | string | string[];
  /** At least so many digits behind the point; rounds by locale rules. */
  minimumFractionDigits?: number;
  /** At most so many digits behind the point; rounds by locale rules. */
  maximumFractionDigits?: number;
}

/** `1337` as `1.34 kB`: three digits, unless the options say otherwise. */
export function format(num: number, options: FormatOptions = {}): string {
  if (!Number.isFinite(num)) {
    throw new TypeError(`Expected a finite number, got ${typeof num}: ${num}`);
  }
  const { bits = false, binary = false, signed = false } = options;
  if (signed && num === 0) return bits ? " 0 b" : " 0 B";

  const sign = num < 0 ? "-" : signed ? "+" : "";
  const size = Math.abs(num);
  const exponent = exponentOf(size, binary);
  if (exponent === 0) return `${sign}${digits(size, size < 1, options)} ${bits ? "b" : "B"}`;

  const scaled = size / Math.pow(binary ? 1024 : 1000, exponent);
  const prefix = "kMGTPEZY"[exponent - 1];
  const unit = `${prefix}${binary ? "i" : ""}${bits ? "bit" : "B"}`;
  return `${sign}${digits(scaled, false, options)} ${unit}`;
}

function exponentOf(size: number, binary: boolean): number {
  if (size < 1) return 0;
  const exponent = binary ? Math.log(size) / Math.log(1024) : Math.log10(size) / 3;
  return Math.min(Math.floor(exponent), 8);
}

function digits(num: number, exact: boolean, options: FormatOptions): string {
  const { locale, minimumFractionDigits, maximumFractionDigits } = options;
  const fraction: Intl.NumberFormatOptions = {};
  if (minimumFractionDigits !== undefined) fraction.minimumFractionDigits = minimumFractionDigits;
  if (maximumFractionDigits !== undefined) fraction.maximumFractionDigits = maximumFractionDigits;
  const hasFraction = Object.keys(fraction).length > 0;

  const rounded = exact || hasFraction ? num : Number(num.toPrecision(3));
  if (typeof locale === "string" || Array.isArray(locale)) {
    return rounded.toLocaleString(locale, fraction);
  }
  return locale || hasFraction ? rounded.toLocaleString(undefined, fraction) : String(rounded);
}
