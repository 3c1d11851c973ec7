/**
 * What a log must not show: addresses, and what a bridge line says, in whatever form they stand.
 *
 * What is scrubbed comes from strangers, so everything here takes time in proportion to the text, and
 * of a long one only the beginning is looked at and kept.
 *
 * @module
 */

import { ipToBytes } from "./address.ts";

const SCRUBBED = "[scrubbed]";

/** A text in the one form in which things are looked for, and where its characters come from. */
interface Folded {
  text: string;
  /** For each character where it starts in the original text. */
  starts: readonly number[];
  /** For each character where it ends there. */
  ends: readonly number[];
}

/** Made when it is needed: to start costs less without it. */
let utf8: TextDecoder | undefined;

/** How many bytes a character of UTF-8 has, by its first one. */
function lengthOfUtf8(first: number): number {
  if (first < 0x80) return 1;
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

/** The character that is percent-encoded at `index`, and where it ends; null where none is. */
function decodePercent(text: string, index: number): [char: string, end: number] | null {
  const byteAt = (at: number) => {
    const hex = text.slice(at + 1, at + 3);
    return text[at] === "%" && /^[0-9a-f]{2}$/i.test(hex) ? parseInt(hex, 16) : null;
  };
  const first = byteAt(index);
  if (first === null) return null;
  const bytes = Array.from({ length: lengthOfUtf8(first) }, (_, i) => byteAt(index + 3 * i));
  utf8 ??= new TextDecoder("utf-8", { fatal: true });
  try {
    const char = utf8.decode(Uint8Array.from(bytes.map((byte) => byte ?? 0xff)));
    return [char, index + 3 * bytes.length];
  } catch {
    return null; // It stands for itself.
  }
}

/** Folds case, compatible characters and percent-encoding, and leaves out what cannot be seen. */
function fold(text: string): Folded {
  const units: string[] = [];
  const [starts, ends]: [number[], number[]] = [[], []];
  for (let index = 0; index < text.length;) {
    const plain = String.fromCodePoint(text.codePointAt(index) ?? 0);
    const [char, end] = decodePercent(text, index) ?? [plain, index + plain.length];
    // A line end separates what stands around it; characters without a shape, such as a byte order
    // mark, do not.
    const folded = /[^\S\ufeff]/u.test(char)
      ? " "
      : /[\p{Cc}\p{Cf}]/u.test(char)
      ? ""
      : char.normalize("NFKC").toLowerCase();
    for (let i = 0; i < folded.length; i++) {
      units.push(folded[i] ?? "");
      starts.push(index);
      ends.push(end);
    }
    index = end;
  }
  return { text: units.join(""), starts, ends };
}

/** A piece of a text: from its first character to behind its last one. */
type Range = readonly [start: number, end: number];

const PORT = /:[0-9]{1,5}(?![0-9])/y;

/** Where a value stands in a text, with the port behind it. */
function* findValue(text: string, value: string): Generator<Range> {
  for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + value.length)) {
    PORT.lastIndex = at + value.length;
    yield [at, PORT.test(text) ? PORT.lastIndex : at + value.length];
  }
}

/** Whether a word of hexadecimal digits, colons and dots is an IPv6 address, perhaps with a port. */
function isIpv6(word: string): boolean {
  // An IPv4 tail is in it. node:net puts the port behind a mere colon.
  if (ipToBytes(word.replace(/:[0-9]{1,5}$/, "")) !== null) return true;
  // All others, several in a row, and one that was shortened for people.
  const colons = word.split(":").length - 1;
  return word.includes("::") || colons >= (word.includes("...") ? 2 : 7);
}

/** Where IP addresses stand in a folded text, with the ports behind them. */
function* findIps(text: string): Generator<Range> {
  for (const match of text.matchAll(/\[?([0-9a-f:.]{2,})(?:%\w{1,16})?(?:\]:[0-9]{1,5}|\])?/g)) {
    const [whole, run = ""] = match;
    if (!run.includes(":")) continue;
    // A single colon at either end belongs to the sentence.
    const before = /^:(?!:)/.test(run) ? 1 : 0;
    const after = /(?:[^:]:|\.+)$/.exec(run)?.[0].replace(/^[^:.]/, "").length ?? 0;
    const trimmed = run.slice(before, run.length - after);
    if (!isIpv6(trimmed)) continue;
    const start = match.index + (whole.startsWith("[") ? 0 : before);
    yield [start, match.index + whole.length - (whole.endsWith(run) ? after : 0)];
  }
  const ipv4 = /(?<![0-9])[0-9]{1,3}(?:\.[0-9]{1,3}){3,}(?![0-9])(?::[0-9]{1,5}(?![0-9]))?/g;
  for (const { index, 0: word } of text.matchAll(ipv4)) yield [index, index + word.length];
}

/** Decodes a label of a domain name from Punycode (RFC 3492 section 6.2); null where it is none. */
function decodePunycode(label: string): string | null {
  const dash = label.lastIndexOf("-");
  const output = dash > 0
    ? Array.from(label.slice(0, dash), (char) => char.codePointAt(0) ?? 0)
    : [];
  let [code, bias, i] = [128, 72, 0];
  for (let index = dash + 1; index < label.length;) {
    const before = i;
    for (let [weight, k] = [1, 36];; k += 36) {
      const digit = parseInt(label[index++] ?? "!", 36);
      if (Number.isNaN(digit)) return null;
      // Base 36 has its letters first here.
      const value = digit < 10 ? digit + 26 : digit - 10;
      i += value * weight;
      const threshold = Math.min(Math.max(k - bias, 1), 26);
      if (value < threshold) break;
      weight *= 36 - threshold;
    }
    const length = output.length + 1;
    let delta = Math.floor((i - before) / (before === 0 ? 700 : 2));
    delta += Math.floor(delta / length);
    let k = 0;
    for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
    bias = k + Math.floor(36 * delta / (delta + 38));
    code += Math.floor(i / length);
    i %= length;
    if (code > 0x10ffff) return null;
    output.splice(i++, 0, code);
  }
  return String.fromCodePoint(...output);
}

/** A host name as it is shown to people. */
function toUnicode(host: string): string {
  const labels = host.split(".").map((label) =>
    label.startsWith("xn--") ? decodePunycode(label.slice(4)) ?? label : label
  );
  return labels.join(".");
}

/** A host name as it is looked up; the same text where it is none. */
function toAscii(host: string): string {
  try {
    return new URL(`http://${host}`).hostname;
  } catch {
    return host;
  }
}

/** What is shorter than this stands in too many places by chance. */
const SHORTEST = 4;
/** Words of a URL that say nothing of anybody. */
const COMMON = ["http", "https"];

/** The forms in which a secret may stand in a folded text. */
function formsOf(secrets: readonly string[]): string[] {
  const forms = new Set<string>();
  for (const secret of secrets) {
    const whole = fold(secret).text;
    // A URL or a path holds names that can stand by themselves.
    for (const piece of [whole, ...whole.split(/[\s/?#@,;=&|"'()<>]|:\/\/|:(?=[0-9]*(?:\/|$))/)]) {
      for (const form of [piece, toUnicode(piece), /[^\x20-\x7e]/.test(piece) && toAscii(piece)]) {
        if (form && form.length >= SHORTEST && !COMMON.includes(form)) forms.add(form);
      }
    }
  }
  return [...forms];
}

/** The first `length` characters of a text without some pieces of it, which may overlap. */
function without(text: string, ranges: readonly Range[], length: number): string {
  let [scrubbed, end] = ["", 0];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from >= length) break;
    if (from >= end) scrubbed += text.slice(end, from) + SCRUBBED;
    end = Math.max(end, to);
  }
  return scrubbed + text.slice(end, length);
}

/** How many characters are looked at. */
const LONGEST = 8_192;
/** How much longer than what is kept that is, so that nothing is kept of which the end is cut off. */
const MARGIN = 1_024;

/**
 * Takes out of a text what a log must not show: every IP address with the port behind it, and
 * secrets that are known, such as a bridge's name and the arguments of its line.
 *
 * They are found in upper and lower case, percent-encoded, as Unicode and as Punycode, with
 * characters in between that cannot be seen, and the parts of a URL also by themselves. What is
 * shorter than four characters is not looked for.
 *
 * @param text Any text, such as an error's message. Of one that is longer than 8,192 characters only
 * the first 7,168 are kept.
 * @param secrets What must not be seen.
 * @returns The text with each of these replaced by `[scrubbed]`.
 *
 * @example
 * ```ts
 * import { scrubAddresses } from "@ptlib/ptlib/messages";
 *
 * const text = scrubAddresses("neither [2001:db8::1]:443 nor bridge.example", "bridge.example");
 * if (text !== "neither [scrubbed] nor [scrubbed]") throw new Error();
 * ```
 */
export function scrubAddresses(text: string, ...secrets: readonly string[]): string {
  const looked = text.slice(0, LONGEST);
  const folded = fold(looked);
  const found = [...findIps(folded.text)];
  for (const form of formsOf(secrets)) found.push(...findValue(folded.text, form));
  const ranges = found.map(([from, to]): Range => [
    folded.starts[from] ?? 0,
    folded.ends[to - 1] ?? looked.length,
  ]);
  if (text.length <= LONGEST) return without(text, ranges, text.length);
  return `${without(looked, ranges, LONGEST - MARGIN)} ...`;
}
