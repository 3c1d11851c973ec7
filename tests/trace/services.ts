/** What stands behind the scripted proxy: the other end of each transport, with an echo. */

import type { Address } from "../../address.ts";
import { formatPlace } from "../../cli/places.ts";
import { prefixed, writeAll } from "../../net/conn.ts";
import { readHead } from "../../net/head.ts";
import { acceptTls, certificatePin, type StreamConn } from "../../net/tls.ts";
import type { ServerContext } from "../../run/transport.ts";
import { transport as sealed } from "../../examples/frames.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { GRANTED } from "../webtunnel/test_bridge.ts";

/** The other end of a transport, and what a client has to know of it. */
export interface Service {
  /** The arguments for a connection to a target. */
  argsFor(target: Readonly<Address>): readonly (readonly [string, string])[];
  serve(conn: StreamConn): Promise<void>;
}

async function echo(conn: StreamConn): Promise<void> {
  const into = new Uint8Array(4096);
  for (let count; (count = await conn.read(into)) !== null;) {
    await writeAll(conn, into.slice(0, count));
  }
  await conn.closeWrite();
}

function unwrapping(
  unwrap: (conn: StreamConn) => Promise<StreamConn>,
  args: ReturnType<Service["argsFor"]> = [],
): Service {
  return { argsFor: () => args, serve: async (conn) => await echo(await unwrap(conn)) };
}

const KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const PIN = await certificatePin(TEST_CERTIFICATE);

/** What the server half of `frames.ts` is told. */
const SEALED: ServerContext = {
  state_loc: "",
  stateDirectory: () => Promise.reject(new Error("it keeps no files")),
  flags: {},
  signal: new AbortController().signal,
  options: new URLSearchParams([["key", KEY]]),
  args: new URLSearchParams(),
  clientAddress: ["127.0.0.1", 0],
  waitUntil: () => {},
};

async function unseal(conn: StreamConn): Promise<StreamConn> {
  return await sealed.server!(conn, SEALED) as StreamConn;
}

const takeOffTls = (conn: StreamConn) => acceptTls(conn, { cert: TEST_CERTIFICATE, key: TEST_KEY });

/** Bytes as they are. An echo of what rot13 has made is what rot13 takes. */
export const plain: Service = unwrapping((conn) => Promise.resolve(conn));

/** TLS with the certificate of the tests. */
export const tls: Service = unwrapping(takeOffTls, [["pin", PIN]]);

/** The frames of `frames.ts`. */
export const frames: Service = unwrapping(unseal, [["key", KEY]]);

/** WebTunnel, which goes by its URL alone. */
export const webtunnel: Service = {
  ...unwrapping(async (conn) => {
    const secure = await takeOffTls(conn);
    const { rest } = await readHead(secure, 8192);
    await writeAll(secure, new TextEncoder().encode(GRANTED));
    return prefixed(secure, rest);
  }),
  argsFor: (target) => [["url", `https://${formatPlace(target)}/secret`], ["cert", PIN]],
};

/** Both, as `nested.ts` has them. */
export const nested: Service = unwrapping(
  async (conn) => await unseal(await takeOffTls(conn)),
  [["pin", PIN], ["key", KEY]],
);
