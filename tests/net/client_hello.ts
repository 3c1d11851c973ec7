/** The first message of a TLS client, as a server sees it before there is TLS. */

import { assertEquals } from "@std/assert";
import type { StreamConn } from "../../net/conn.ts";
import { take } from "./scripted_peer.ts";

/** The number of the extension with the name that is sent (RFC 6066 section 3). */
export const SERVER_NAME = 0;
/** That with the protocols to choose from (RFC 7301). */
export const ALPN = 16;

/** A ClientHello: its record as it came, all of it, and its extensions by their numbers. */
export interface ClientHello {
  record: Uint8Array<ArrayBuffer>;
  hello: Uint8Array;
  extensions: ReadonlyMap<number, Uint8Array>;
}

/** Reads a ClientHello (RFC 8446 section 4.1.2). */
export async function takeHello(conn: Pick<StreamConn, "read">): Promise<ClientHello> {
  const header = await take(conn, 5);
  assertEquals(header[0], 22);
  const hello = await take(conn, new DataView(header.buffer).getUint16(3));
  const view = new DataView(hello.buffer);
  // Type, length, version and random; then three lists: session id, cipher suites, compression.
  let at = 4 + 2 + 32;
  at += 1 + view.getUint8(at);
  at += 2 + view.getUint16(at);
  at += 1 + view.getUint8(at);
  const extensions = new Map<number, Uint8Array>();
  for (at += 2; at < hello.length;) {
    const body = at + 4;
    at = body + view.getUint16(body - 2);
    extensions.set(view.getUint16(body - 4), hello.subarray(body, at));
  }
  return { record: Uint8Array.of(...header, ...hello), hello, extensions };
}

/** The name that is sent in a ClientHello; `null` for none. */
export function sentName({ extensions }: ClientHello): string | null {
  const extension = extensions.get(SERVER_NAME);
  // Behind the length of the list, a type and the length of the name.
  return extension === undefined ? null : new TextDecoder().decode(extension.subarray(5));
}
