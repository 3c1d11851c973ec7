/** Inputs: what is right, what is nearly right, and garbage. */

import fc from "npm:fast-check@4.10.2";
import { type Address, bytesToIp, formatAddress } from "../../address.ts";

/** The characters that mean something somewhere. */
const MEANINGFUL = "\\=;:,\"'[].-%@/*01 \n\r\0aé😀\ud800\ufeff";

const meaningfulChar = fc.constantFrom(...MEANINGFUL);

/** Any text, with the characters that mean something in it more often than by chance. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: fc.string({ unit: "binary" }), weight: 20 },
  { arbitrary: fc.string({ unit: meaningfulChar }), weight: 20 },
  { arbitrary: fc.string({ unit: "binary", size: "+1" }), weight: 1 },
  { arbitrary: fc.string({ unit: meaningfulChar, size: "+1" }), weight: 1 },
);

/** Text that survives as UTF-8, which lone surrogates do not. */
export const wellFormed: fc.Arbitrary<string> = text.map((text) => text.toWellFormed());

/** Text without the empty one. */
export function nonEmpty(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return texts.filter((text) => text !== "");
}

/** Printable ASCII without space. */
export const printableWord: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..."\\=;:,"),
    fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  ),
});

/** A name of a transport, one that JavaScript has a meaning for now and then. */
export const transportName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("a", "b", "obfs4", "rot13", "_", "__proto__", "constructor", "toString"),
  fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/),
);

/** An IP address as bytes. */
export const ipBytes: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Long runs of zeros are what the short forms of IPv6 are about.
  fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((bytes) =>
    Uint8Array.from(bytes)
  ),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) =>
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes)
  ),
);

/** An IP address without brackets, in its canonical form. */
export const ip: fc.Arbitrary<string> = ipBytes.map(bytesToIp);

/** A port that can be connected to. */
export const port: fc.Arbitrary<number> = fc.integer({ min: 1, max: 65535 });

/** A numeric address that can be connected to. */
export const address: fc.Arbitrary<Address> = fc.tuple(ip, port);

/** A host name, or what a careless user could write for one. */
export const hostName: fc.Arbitrary<string> = fc.oneof(
  fc.domain(),
  fc.stringMatching(/^[a-z0-9_-]{1,20}$/),
  nonEmpty(text),
);

/** What may stand where a target belongs. */
export const target: fc.Arbitrary<Address> = fc.tuple(
  fc.oneof({ arbitrary: ip, weight: 2 }, { arbitrary: hostName, weight: 1 }),
  fc.oneof({ arbitrary: port, weight: 9 }, { arbitrary: fc.double(), weight: 1 }),
);

/** Keys and values. */
export const pairs: fc.Arbitrary<[key: string, value: string][]> = fc.array(
  fc.tuple(nonEmpty(wellFormed), wellFormed),
);

/** A value once in `times`, and null otherwise. */
export function rarely<T>(values: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | null> {
  return fc.oneof(
    { arbitrary: fc.constant(null), weight: times - 1 },
    { arbitrary: values, weight: 1 },
  );
}

/** Where something is changed, how much of it goes away, and what comes instead. */
function edits<T>(insert: fc.Arbitrary<T>) {
  const edit = fc.record({ at: fc.nat(400), remove: fc.nat(4), insert });
  // Nothing at all is changed half of the time.
  return fc.oneof(fc.constant([]), fc.array(edit, { maxLength: 3 }));
}

/** Texts of an arbitrary, some of them with a few places changed. */
export function edited(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const insert = fc.oneof(fc.string({ unit: meaningfulChar, maxLength: 2 }), text);
  return fc.tuple(texts, edits(insert)).map(([text, edits]) =>
    edits.reduce((text, { at, remove, insert }) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + insert + text.slice(start + remove);
    }, text)
  );
}

/** Bytes of an arbitrary, some of them with a few places changed or the end cut off. */
export function editedBytes(
  whole: fc.Arbitrary<readonly number[]>,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const insert = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 5, 10, 13, 255), fc.nat(255)), {
    maxLength: 3,
  });
  const cut = rarely(fc.nat(300), 4);
  return fc.tuple(whole, edits(insert), cut).map(([whole, edits, cut]) => {
    const changed = edits.reduce<readonly number[]>((bytes, { at, remove, insert }) => {
      const start = at % (bytes.length + 1);
      return [...bytes.slice(0, start), ...insert, ...bytes.slice(start + remove)];
    }, whole);
    return Uint8Array.from(cut === null ? changed : changed.slice(0, cut));
  });
}

/** The bytes of a text. */
export function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** An address as it is written, or nearly. */
export const addressText: fc.Arbitrary<string> = edited(fc.oneof(
  address.map(formatAddress),
  fc.tuple(
    fc.oneof(ip, ip.map((ip) => `[${ip}]`), fc.constantFrom("", "localhost", "0x7f.1", "1.2.3")),
    fc.oneof(
      fc.nat(70_000).map(String),
      fc.constantFrom("0", "0", "0", "", "080", "+1", "1e2", "0x50", " 1"),
    ),
  ).map((parts) => parts.join(":")),
));
