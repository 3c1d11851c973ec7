/**
 * Text in lines that fit a terminal and an issue tracker.
 *
 * @module
 */

import { withoutEscapeCodes } from "../parent/escape_codes.ts";

const WIDTH = 100;
const CONTINUED = " \\";
const FURTHER = " ".repeat(9);

/** The pieces of a text that are never longer than `most`. */
function pieces(text: string, most: number): string[] {
  return text.split(" ").flatMap((word) =>
    word.length <= most ? [word] : word.match(new RegExp(`.{1,${most}}`, "gu")) ?? [word]
  );
}

/** Puts words into lines of at most `most` characters. */
function lines(words: readonly string[], most: number): string[] {
  const all: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + 1 + word.length > most) {
      all.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...all, line];
}

/** A text behind a lead, whose further lines stand below its first. */
export function fold(lead: string, text: string): string {
  const indent = withoutEscapeCodes(lead).length;
  const most = WIDTH - indent;
  return lead + lines(pieces(text, most), most).join(`\n${" ".repeat(indent)}`);
}

/** Lines of text, what each goes on with below its own indentation. */
export function foldLines(text: string): string {
  return text.split("\n").map((line) => {
    const [indent] = /^ */.exec(line) ?? [""];
    return fold(indent, line.slice(indent.length));
  }).join("\n");
}

/** The words of a command for a shell, with their quotes. */
function shellWords(command: string): string[] {
  return command.match(/(?:[^\s'"\\]|\\.|'[^']*'|"[^"]*")+/gu) ?? [];
}

/** A command behind a lead, that a shell takes as it stands although it has several lines. */
export function foldCommand(lead: string, command: string): string {
  const most = WIDTH - lead.length - CONTINUED.length;
  return lead + lines(shellWords(command), most).join(`${CONTINUED}\n${FURTHER}`);
}
