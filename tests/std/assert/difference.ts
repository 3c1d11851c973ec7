/** How a failed comparison is shown. @module */

type Change = [sign: " " | "-" | "+", line: string];

/** Above this many pairs of lines the table below would be too large to fill. */
const MAX_PAIRS = 4_000_000;

/** A value as text, whole, with sorted keys. */
export function show(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: Infinity,
    getters: true,
    strAbbreviateSize: Infinity,
  });
}

/** A value that looks the same as another but is not the same, indented. */
export function showSameStructure(value: unknown): string {
  return red(show(value).split("\n").map((line) => `    ${line}`).join("\n"));
}

/** The lines of both values, marked `-` where only `actual` has them and `+` where only `expected` has. */
export function difference(actual: unknown, expected: unknown): string {
  const text = typeof actual === "string" && typeof expected === "string";
  const lines = text
    ? changes(linesOfText(actual), linesOfText(expected)).map(paint).join("")
    : changes(show(actual).split("\n"), show(expected).split("\n")).map(paint).join("\n");
  const head = `    ${dim("[Diff]")} ${red(bold("Actual"))} / ${green(bold("Expected"))}`;
  return `\n\n${head}\n\n\n${lines}\n`;
}

const ESCAPES: Record<string, string> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\t": "\\t",
  "\v": "\\v",
  "\r": "\\r",
  "\n": "\\n\n",
  "\r\n": "\\r\\n\r\n",
};

/** The lines of a string, each with its end, control characters made visible. */
function linesOfText(text: string): string[] {
  const visible = text.replace(/\r\n|[\\\b\f\t\v\r\n]/g, (found) => ESCAPES[found] ?? found);
  return `${visible}\n`.match(/[^\n]*\n/g) ?? [];
}

/** The shortest list of changes from `before` to `after`, by their longest common subsequence. */
function changes(before: readonly string[], after: readonly string[]): Change[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let tail = 0;
  while (tail < shorter - start && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return [
    ...before.slice(0, start).map((line): Change => [" ", line]),
    ...changesBetween(
      before.slice(start, before.length - tail),
      after.slice(start, after.length - tail),
    ),
    ...before.slice(before.length - tail).map((line): Change => [" ", line]),
  ];
}

function changesBetween(before: readonly string[], after: readonly string[]): Change[] {
  const rows = before.length;
  const columns = after.length;
  const result: Change[] = [];
  let i = 0;
  let j = 0;
  if (rows * columns <= MAX_PAIRS) {
    const width = columns + 1;
    // common[i * width + j]: how many lines the rests behind i and j share.
    const common = new Uint32Array((rows + 1) * width);
    const at = (i: number, j: number): number => common[i * width + j] ?? 0;
    for (let i = rows - 1; i >= 0; i--) {
      for (let j = columns - 1; j >= 0; j--) {
        common[i * width + j] = before[i] === after[j]
          ? at(i + 1, j + 1) + 1
          : Math.max(at(i + 1, j), at(i, j + 1));
      }
    }
    while (i < rows && j < columns) {
      if (before[i] === after[j]) {
        result.push([" ", before[i++] ?? ""]);
        j++;
      } else if (at(i + 1, j) >= at(i, j + 1)) {
        result.push(["-", before[i++] ?? ""]);
      } else {
        result.push(["+", after[j++] ?? ""]);
      }
    }
  }
  for (; i < rows; i++) result.push(["-", before[i] ?? ""]);
  for (; j < columns; j++) result.push(["+", after[j] ?? ""]);
  return result;
}

function paint([sign, line]: Change): string {
  const text = `${sign}   ${line}`;
  return sign === "-" ? red(text) : sign === "+" ? green(bold(text)) : text;
}

// Not those of @std/fmt/colors: a program's setColorEnabled() must not change what a failed test prints.
function sgr(text: string, open: number, close: number): string {
  return Deno.noColor ? text : `\x1b[${open}m${text}\x1b[${close}m`;
}

function bold(text: string): string {
  return sgr(text, 1, 22);
}

function dim(text: string): string {
  return sgr(text, 2, 22);
}

function red(text: string): string {
  return sgr(text, 31, 39);
}

function green(text: string): string {
  return sgr(text, 32, 39);
}
