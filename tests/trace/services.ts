/** What stands behind the scripted proxy: the other end of each transport, with an echo. */

import { launchServer } from "../../parent/mod.ts";
import { writeAll } from "../../net/conn.ts";
import { relay } from "../../net/relay.ts";
import { acceptTls, certificatePin, type StreamConn } from "../../net/tls.ts";
import type { ServerContext } from "../../run/transport.ts";
import { transport as sealed } from "../../examples/frames.ts";
import { EchoServer } from "../echo.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";

/** The other end of a transport, and what a client has to know of it. */
export interface Service extends AsyncDisposable {
  readonly args: readonly (readonly [string, string])[];
  serve(conn: StreamConn): Promise<void>;
}

/** Opens a service; what it keeps in files goes into a directory. */
export type OpenService = (directory: string) => Promise<Service>;

async function echo(conn: StreamConn): Promise<void> {
  const into = new Uint8Array(4096);
  for (let count; (count = await conn.read(into)) !== null;) {
    await writeAll(conn, into.slice(0, count));
  }
  await conn.closeWrite();
}

function unwrapping(
  unwrap: (conn: StreamConn) => Promise<StreamConn>,
  args: Service["args"] = [],
): OpenService {
  return () =>
    Promise.resolve({
      args,
      serve: async (conn) => await echo(await unwrap(conn)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
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
export const plain: OpenService = unwrapping((conn) => Promise.resolve(conn));

/** TLS with the certificate of the tests. */
export const tls: OpenService = unwrapping(takeOffTls, [["pin", PIN]]);

/** The frames of `frames.ts`. */
export const frames: OpenService = unwrapping(unseal, [["key", KEY]]);

/** Both, as `nested.ts` has them. */
export const nested: OpenService = unwrapping(
  async (conn) => await unseal(await takeOffTls(conn)),
  [["pin", PIN], ["key", KEY]],
);

/** A bridge of obfs4. */
export function obfs4(program: string): OpenService {
  return async (directory) => {
    await using stack = new AsyncDisposableStack();
    const echoServer = stack.use(new EchoServer());
    const server = stack.use(
      await launchServer([program], {
        transports: { obfs4: { bindAddress: ["127.0.0.1", 0] } },
        orport: echoServer.address,
        stateDirectory: `${directory}/bridge`,
      }),
    );
    const method = server.methods["obfs4"]!; // Without one the launch would have failed.
    const [hostname, port] = method.address;
    const owned = stack.move();
    return {
      args: [...method.args],
      serve: async (conn) => void await relay(conn, await Deno.connect({ hostname, port })),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };
}
