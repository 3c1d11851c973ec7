/** What is taken out of what goes into a log (`scrub.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { scrubAddresses } from "../../scrub.ts";
import { address, hostName, ip, text } from "./arbitraries.ts";
import { forAll, type NamedProperty } from "./property.ts";

/** Characters that stand for ASCII ones, and cannot be told from them by a careless reader. */
const LOOKALIKES: readonly ((char: string) => string)[] = [
  (char) => char,
  (char) => char.toUpperCase(),
  (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`,
  (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0),
  (char) => /[0-9]/.test(char) ? String.fromCodePoint(0x1d7ce + Number(char)) : char,
  (char) => `${char}\u200b`,
  (char) => `\0${char}`,
  (char) => `\ufeff${char}`,
  (char) => `\u00ad${char}\u2060`,
];

/** The same word for whoever looks closely. Characters other than printable ASCII stay. */
function disguised(words: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const choices = fc.array(fc.nat(LOOKALIKES.length - 1), { minLength: 1, maxLength: 20 });
  return fc.tuple(words, fc.oneof(fc.constant([0]), choices)).map(([word, choices]) =>
    Array.from(word, (char, index) => {
      const look = LOOKALIKES[choices[index % choices.length] ?? 0];
      return look === undefined || !/[!-~]/.test(char) ? char : look(char);
    }).join("")
  );
}

/** What a text says to whoever looks closely: another way than that of `scrub.ts`. */
function seen(text: string): string {
  const decoded = text.replace(/(?:%[0-9a-f]{2})+/gi, (row) => {
    const bytes = row.slice(1).split("%").map((digits) => parseInt(digits, 16));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  });
  return decoded.replace(/[\p{Cc}\p{Cf}]/gu, "").normalize("NFKC").toLowerCase();
}

/** What stands between two things, and is part of neither. */
const gap = fc.constantFrom(" ", ", ", "/", "(", ")", "=", "\n", "-", "x", "é", "; ", "'", "😀");

const mention = fc.tuple(address, fc.constantFrom("host", "bracketed", "with port", "node's"))
  .map(([[host, port], form]) => {
    const literal = host.includes(":") ? `[${host}]` : host;
    const forms = {
      "host": host,
      "bracketed": literal,
      "with port": `${literal}:${port}`,
      "node's": `${host}:${port}`,
    };
    return { host, form: forms[form] };
  });

/** A text with addresses in it, and their hosts. */
const betrayal = fc.array(
  fc.oneof(
    mention.chain(({ host, form }) =>
      disguised(fc.constant(form)).map((said) => ({ said, hosts: [host] }))
    ),
    // Digits beside an address would make another one of it.
    text.map((said) => ({ said: ` ${said} `, hosts: [] })),
  ),
  { minLength: 1, maxLength: 5 },
).chain((parts) =>
  fc.array(gap, { minLength: parts.length, maxLength: parts.length }).map((gaps) => ({
    text: parts.map(({ said }, index) => said + (gaps[index] ?? "")).join(""),
    hosts: parts.flatMap(({ hosts }) => hosts),
  }))
);

/** A shorter host stands in too many places by chance, as a `::` does. */
const tellingHosts = (hosts: readonly string[]) => hosts.filter((host) => host.length >= 6);

const secret = fc.oneof(
  fc.domain(),
  fc.stringMatching(/^[a-zA-Z0-9+/]{8,40}$/),
  fc.webUrl(),
  hostName,
  fc.string({ unit: "grapheme", minLength: 8 }),
).filter((secret) => seen(secret).length >= 8 && !"[scrubbed]".includes(seen(secret)));

/** Words without anything that is a part of an address. */
const harmless = fc.array(
  fc.constantFrom(
    "a",
    "Z",
    "é",
    "😀",
    " ",
    "[",
    "]",
    "-",
    "%",
    "=",
    "\0",
    "\u200b",
    "\n",
    "ſ",
    "/",
  ),
).map((chars) => chars.join(""));

/** The properties of `scrub.ts`. */
export const scrubProperties: NamedProperty[] = [
  forAll("scrubAddresses() leaves no address, in whatever dress", betrayal, ({ text, hosts }) => {
    const left = seen(scrubAddresses(text));
    for (const host of tellingHosts(hosts)) assert(!left.includes(host), left);
  }),
  forAll(
    "scrubAddresses() takes an address and its port, and nothing around them",
    fc.tuple(mention, gap, gap),
    ([{ form }, before, after]) => {
      assertEquals(
        scrubAddresses(`reach ${before}${form}${after}`),
        `reach ${before}[scrubbed]${after}`,
      );
    },
  ),
  forAll(
    "scrubAddresses() leaves no secret, in whatever dress",
    secret.chain((secret) =>
      fc.tuple(fc.constant(secret), disguised(fc.constant(secret)), text, gap, text)
    ),
    ([secret, said, before, gap, after]) => {
      const left = seen(scrubAddresses(`${before}${gap}${said}${gap}${after}`, secret));
      assert(!left.includes(seen(secret)), left);
    },
  ),
  forAll("scrubAddresses() leaves harmless words as they are", harmless, (words) => {
    assertEquals(scrubAddresses(words, "bridge.example", "2001:db8::1"), words);
  }),
  forAll(
    "scrubAddresses() makes five times as much of any text at most, and never throws",
    fc.tuple(text, fc.array(fc.oneof(text, hostName, ip), { maxLength: 3 }), fc.nat(400)),
    ([text, secrets, times]) => {
      for (const long of [text, text.repeat(times)]) {
        const scrubbed = scrubAddresses(long, ...secrets);
        assert(scrubbed.length <= 5 * Math.min(long.length, 8_192) + 4, `${scrubbed.length}`);
      }
    },
    100,
  ),
  forAll("scrubAddresses() leaves nothing for a second time", betrayal, ({ text }) => {
    const once = scrubAddresses(text);
    assertEquals(scrubAddresses(once), once);
  }),
  forAll(
    "scrubAddresses() keeps no part of an address where it cuts a long text",
    fc.tuple(ip, fc.constantFrom(7_168, 8_192), fc.integer({ min: -90, max: 90 }), gap),
    ([host, edge, offset, gap]) => {
      const text = `${"_".repeat(edge + offset)}${gap}${host}${gap}${"_".repeat(2_000)}`;
      const left = scrubAddresses(text).replace("[scrubbed]", "").replaceAll(/[^0-9a-f:.]/g, "");
      // What remains is the mark of the cut.
      assertEquals(left, "...");
    },
    60,
  ),
];
