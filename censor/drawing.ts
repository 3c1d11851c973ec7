/**
 * Drawing in SVG: text that cannot become markup, and a few shapes.
 *
 * @module
 */

/** How wide pictures are, and how much of that is left of the numbers at their right. */
export const [WIDTH, PLOT] = [640, 560];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text that stands in HTML or SVG as what it is; control characters become `?`. */
export function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, "?").replace(/[&<>"']/g, (letter) => ESCAPES[letter]!);
}

/** A number with up to two digits behind the point. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A rectangle of a class, with what it says when it is pointed at. */
export function box(
  [x, y, width, height]: readonly [number, number, number, number],
  style: string,
  title = "",
  opacity = 1,
): string {
  const place = `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
  const faint = opacity === 1 ? "" : ` fill-opacity="${short(opacity)}"`;
  const inside = title === "" ? "" : `<title>${escaped(title)}</title>`;
  return `<rect ${place} class="${style}"${faint}>${inside}</rect>`;
}

/**
 * Rectangles that look alike, as one shape: hundreds of them are a few bytes each. Where they lie
 * over each other they are no darker.
 */
export function boxes(
  places: readonly (readonly [number, number, number, number])[],
  style: string,
  opacity: number,
): string {
  const sides = places.map(([x, y, width, height]) =>
    `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}z`
  );
  if (sides.length === 0) return "";
  return `<path d="${sides.join("")}" class="${style}" fill-opacity="${short(opacity)}"/>`;
}

/** A word in a drawing; it stands at its start, middle or end. */
export function word(
  [x, y]: readonly [number, number],
  text: string,
  anchor: "start" | "middle" | "end" = "start",
): string {
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

/** A drawing, which is as wide as there is room for, and what it shows in words. */
export function drawing(width: number, height: number, title: string, parts: readonly string[]) {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${
    parts.join("")
  }</svg>`;
}
