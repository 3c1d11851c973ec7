/** A ClientHello made from its parts, in records of TLS. */

import { concat } from "../../net/conn.ts";

export interface HelloParts {
  readonly version?: number;
  readonly ciphers: readonly number[];
  readonly extensions: readonly (readonly [number: number, body: readonly number[]])[];
}

export function u16(...values: readonly number[]): number[] {
  return values.flatMap((value) => [value >> 8, value & 0xff]);
}

/** A list of numbers of two bytes, behind its length. */
export function list16(...values: readonly number[]): number[] {
  return [...u16(values.length * 2), ...u16(...values)];
}

/** The handshake message. */
export function handshake({ version = 0x0303, ciphers, extensions }: HelloParts): Uint8Array {
  const all = extensions.flatMap(([number, body]) => [...u16(number, body.length), ...body]);
  const body = [
    ...u16(version),
    ...Array(32).fill(7),
    0,
    ...list16(...ciphers),
    1,
    0,
    ...extensions.length > 0 ? [...u16(all.length), ...all] : [],
  ];
  return Uint8Array.of(1, 0, ...u16(body.length), ...body);
}

/** The message in records of so many bytes. */
export function records(message: Uint8Array, size = message.length): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    parts.push(Uint8Array.of(22, 3, 1, ...u16(part.length)), part);
  }
  return concat(...parts);
}

/** The name of a server. */
export function serverName(name: string): [number, number[]] {
  const bytes = [...new TextEncoder().encode(name)];
  return [0, [...u16(bytes.length + 3), 0, ...u16(bytes.length), ...bytes]];
}

/** Protocols to choose from. */
export function alpn(...protocols: readonly string[]): [number, number[]] {
  const bytes = protocols.flatMap((name) => [name.length, ...new TextEncoder().encode(name)]);
  return [16, [...u16(bytes.length), ...bytes]];
}

/** The Chrome in FoxIO's description of JA4, with GREASE among its values. */
export const CHROME: HelloParts = {
  ciphers: [
    0x3a3a,
    0x1301,
    0x1302,
    0x1303,
    0xc02b,
    0xc02f,
    0xc02c,
    0xc030,
    0xcca9,
    0xcca8,
    0xc013,
    0xc014,
    0x009c,
    0x009d,
    0x002f,
    0x0035,
  ],
  extensions: [
    [0x1a1a, []],
    [0x001b, []],
    serverName("example.com"),
    [0x0033, []],
    alpn("h2", "http/1.1"),
    [0x4469, []],
    [0x0017, []],
    [0x002d, []],
    [0x000d, list16(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)],
    [0x0005, []],
    [0x0023, []],
    [0x0012, []],
    [0x002b, [6, 0x5a, 0x5a, 3, 4, 3, 3]],
    [0xff01, []],
    [0x000b, [1, 0]],
    [0x000a, list16(0xdada, 0x001d)],
    [0x0015, []],
  ],
};
