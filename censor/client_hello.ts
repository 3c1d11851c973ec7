/**
 * The first message of a TLS client, as everybody between it and the server can read it (RFC 8446
 * section 4.1.2).
 *
 * @module
 */

import { concat } from "../net/conn.ts";

/**
 * What a ClientHello says.
 *
 * @example
 * ```ts
 * import type { ClientHello } from "@ptlib/ptlib/censor";
 *
 * const offersHttp2 = (hello: ClientHello) => hello.alpn.includes("h2");
 * ```
 */
export interface ClientHello {
  /** The version in its old place, such as 0x0303. */
  readonly legacyVersion: number;
  /** The versions it offers, in their order; without the extension for them, none. */
  readonly versions: readonly number[];
  /** The cipher suites, in their order. */
  readonly cipherSuites: readonly number[];
  /** The numbers of the extensions, in their order. */
  readonly extensions: readonly number[];
  /** The name of the server that it asks for; `null` without one. */
  readonly serverName: string | null;
  /** The protocols it offers for what is inside. */
  readonly alpn: readonly string[];
  /** The groups for the exchange of keys. */
  readonly groups: readonly number[];
  /** The formats of points, of elliptic curves. */
  readonly pointFormats: readonly number[];
  /** The algorithms of signatures that it takes. */
  readonly signatureAlgorithms: readonly number[];
}

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const EXTENSION = { serverName: 0, groups: 10, points: 11, signatures: 13, alpn: 16, versions: 43 };

/** The message was cut short, or is no such message. */
class Truncated extends Error {}

/** Reads numbers and vectors one after the other. */
class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) throw new Truncated();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(size: number): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** What stands behind its own length of so many bytes. */
  vector(size: number): Fields {
    return new Fields(this.take(this.number(size)));
  }

  /** All that is left, as numbers of so many bytes. */
  numbers(size: number): number[] {
    const all: number[] = [];
    while (!this.atEnd) all.push(this.number(size));
    return all;
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }
}

/** What the records of a handshake carry; it may be cut. */
function handshakeOf(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; bytes[at] === HANDSHAKE_RECORD && bytes[at + 1] === 3;) {
    const length = (bytes[at + 3] ?? 0) * 256 + (bytes[at + 4] ?? 0);
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return concat(...parts);
}

function extensionsOf(fields: Fields): Map<number, Fields> {
  const extensions = new Map<number, Fields>();
  if (fields.atEnd) return extensions; // TLS 1.2 knows hellos without any.
  for (const all = fields.vector(2); !all.atEnd;) extensions.set(all.number(2), all.vector(2));
  return extensions;
}

function nameIn(extension: Fields | undefined): string | null {
  if (extension === undefined) return null;
  const names = extension.vector(2);
  return names.number(1) === 0 ? new TextDecoder().decode(names.vector(2).rest()) : null;
}

function protocolsIn(extension: Fields | undefined): string[] {
  const protocols: string[] = [];
  if (extension === undefined) return protocols;
  for (const all = extension.vector(2); !all.atEnd;) {
    protocols.push(String.fromCharCode(...all.vector(1).rest()));
  }
  return protocols;
}

function parse(handshake: Fields): ClientHello | null {
  if (handshake.number(1) !== CLIENT_HELLO) return null;
  const hello = handshake.vector(3);
  const legacyVersion = hello.number(2);
  hello.take(32); // Random bytes.
  hello.vector(1); // The id of a session.
  const cipherSuites = hello.vector(2).numbers(2);
  hello.vector(1); // How to compress.
  const extensions = extensionsOf(hello);
  return {
    legacyVersion,
    cipherSuites,
    extensions: [...extensions.keys()],
    versions: extensions.get(EXTENSION.versions)?.vector(1).numbers(2) ?? [],
    serverName: nameIn(extensions.get(EXTENSION.serverName)),
    alpn: protocolsIn(extensions.get(EXTENSION.alpn)),
    groups: extensions.get(EXTENSION.groups)?.vector(2).numbers(2) ?? [],
    pointFormats: extensions.get(EXTENSION.points)?.vector(1).numbers(1) ?? [],
    signatureAlgorithms: extensions.get(EXTENSION.signatures)?.vector(2).numbers(2) ?? [],
  };
}

/**
 * Reads a ClientHello.
 *
 * @param bytes What a client sent first; what stands behind the message does not matter.
 * @returns What it says; `null` for what is not a whole ClientHello.
 *
 * @example
 * ```ts
 * import { parseClientHello } from "@ptlib/ptlib/censor";
 *
 * if (parseClientHello(new TextEncoder().encode("GET / HTTP/1.1")) !== null) throw new Error();
 * ```
 */
export function parseClientHello(bytes: Uint8Array): ClientHello | null {
  try {
    return parse(new Fields(handshakeOf(bytes)));
  } catch (error) {
    if (!(error instanceof Truncated)) throw error;
    return null;
  }
}
