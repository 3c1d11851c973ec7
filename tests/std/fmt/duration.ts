/**
 * An offline stand-in for `@std/fmt/duration`.
 *
 * @module
 */

/** How {@linkcode format} writes a duration. */
export interface FormatOptions {
  /** `0d 0h 1m ...`, `00:00:01:...` or `0 days, 0 hours, 1 minute, ...`. */
  style?: "narrow" | "digital" | "full";
  /** Leaves out parts that are zero; with `digital` only those at the end. */
  ignoreZero?: boolean;
}

interface Part {
  value: number;
  short: string;
  long: string;
  width: number;
}

/** A number of milliseconds, down to nanoseconds, in words; the sign is dropped. */
export function format(ms: number, options?: FormatOptions): string {
  const { style = "narrow", ignoreZero = false } = options ?? {};
  const parts = partsOf(Math.abs(ms));
  const shown = ignoreZero ? parts.filter(({ value }) => value) : parts;
  switch (style) {
    case "narrow":
      return shown.map(({ value, short }) => `${value}${short}`).join(" ");
    case "full":
      return shown.map(({ value, long }) => `${value} ${long}${value === 1 ? "" : "s"}`).join(", ");
    case "digital": {
      const end = ignoreZero ? parts.findLastIndex(({ value }) => value) + 1 : parts.length;
      return parts.slice(0, end)
        .map(({ value, width }) => String(value).padStart(width, "0")).join(":");
    }
    default:
      throw new TypeError(`style must be "narrow", "full", or "digital"!`);
  }
}

function partsOf(ms: number): Part[] {
  // Six digits behind the point, cut and not rounded, but of a number that was rounded to seven.
  const fraction = ms.toFixed(7).slice(-7, -1);
  const whole = (unit: number): number => Math.trunc(ms / unit);
  return [
    { value: whole(86_400_000), short: "d", long: "day", width: 2 },
    { value: whole(3_600_000) % 24, short: "h", long: "hour", width: 2 },
    { value: whole(60_000) % 60, short: "m", long: "minute", width: 2 },
    { value: whole(1000) % 60, short: "s", long: "second", width: 2 },
    { value: whole(1) % 1000, short: "ms", long: "millisecond", width: 3 },
    { value: Number(fraction.slice(0, 3)), short: "µs", long: "microsecond", width: 3 },
    { value: Number(fraction.slice(3)), short: "ns", long: "nanosecond", width: 3 },
  ];
}
