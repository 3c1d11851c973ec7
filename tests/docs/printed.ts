/** Compares what a command prints with what a document shows of it. */

import { assertEquals } from "@std/assert";

/** A pattern of a shown line; `...` in it stands for anything. */
function patternOf(line: string): string {
  return line.split("...").map((part) => RegExp.escape(part)).join(".*?");
}

function trimmed(text: string): string {
  return text.split("\n").map((line) => line.trimEnd()).join("\n").trim();
}

/** Whether a command printed what is shown, where a line of `...` stands for any lines, or none. */
export function isShown(printed: string, shown: string): boolean {
  const lines = trimmed(shown).split("\n").map((line) =>
    line.trim() === "..." ? "(?:.*\n)*?" : `${patternOf(line)}\n`
  );
  return new RegExp(`^${lines.join("")}$`).test(`${trimmed(printed)}\n`);
}

/** Fails, with the difference, where a command did not print what is shown. */
export function assertShown(printed: string, shown: string, place: string): void {
  if (!isShown(printed, shown)) {
    assertEquals(trimmed(printed), trimmed(shown), `${place} shows what is not printed`);
  }
}
