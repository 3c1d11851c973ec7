/**
 * Teaches composition: a transport inside another one, and both used in this process, without tor
 * and without SOCKS.
 *
 * It connects to a service behind two transports, `sealed` of `frames.ts` inside `pinned` of
 * `tls.ts`, and is to it what `nc` is to a plain one: stdin goes there, what comes goes to stdout.
 *
 *     deno run --no-prompt --allow-net=192.0.2.1:4443 nested.ts \
 *       192.0.2.1:4443 --pin=... --key=...
 *
 * With `--proxy=socks5://127.0.0.1:1080` nothing but that proxy is connected to. The other end is
 * this program, too, started as a pluggable transport's server, for instance by `ptlib`:
 *
 *     ptlib server --transport nested --listen 0.0.0.0:4443 --forward 127.0.0.1:7 \
 *       --option cert=/etc/pinned/cert.pem --option key=/etc/pinned/key.pem --option seal=... \
 *       -- deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/etc/pinned nested.ts
 *
 * @module
 */

import { type Address, parseAddress } from "@ptlib/ptlib/address";
import { readProxy } from "@ptlib/ptlib/config";
import type { StreamConn } from "@ptlib/ptlib/net";
import { connectThrough, run, type Transport } from "@ptlib/ptlib/run";
import { parseArgs } from "node:util";
import { transport as sealed } from "./frames.ts";
import { transport as pinned } from "./tls.ts";

/** What the two transports need to know of a bridge. */
export interface Secrets {
  /** The pin of the certificate, for `pinned`. */
  pin: string;
  /** The key of the frames, for `sealed`. */
  key: string;
}

/** Connects through both, the outer one through an upstream proxy where there is one. */
export function connectNested(
  bridge: Address,
  { pin, key }: Secrets,
  proxy: ReturnType<typeof readProxy> = null,
): Promise<StreamConn> {
  return connectThrough(sealed, bridge, {
    args: [["key", key]],
    dial: (to, { signal }) => connectThrough(pinned, to, { args: [["pin", pin]], proxy, signal }),
  });
}

/** The options of the inner transport, whose key has another name here. */
function sealOptions(options: URLSearchParams): URLSearchParams {
  return new URLSearchParams([["key", options.get("seal") ?? ""]]);
}

/** The same from the other end: TLS is taken off first, then the seal. */
const nested: Transport = {
  async publish(context) {
    await sealed.publish!({ ...context, options: sealOptions(context.options) });
    return await pinned.publish!(context);
  },
  async server(conn, context) {
    const inner = await pinned.server!(conn, context) as StreamConn;
    return await sealed.server!(inner, { ...context, options: sealOptions(context.options) });
  },
};

/** Carries stdin and stdout. */
async function main(args: readonly string[]): Promise<void> {
  const { values, positionals: [bridge = ""] } = parseArgs({
    args: [...args],
    options: { pin: { type: "string" }, key: { type: "string" }, proxy: { type: "string" } },
    allowPositionals: true,
  });
  const { pin = "", key = "", proxy } = values;
  const conn = await connectNested(parseAddress(bridge), { pin, key }, readProxy(() => proxy));
  const up = async () => {
    for await (const bytes of Deno.stdin.readable) {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
    }
    await conn.closeWrite();
  };
  const down = async () => {
    const buffer = new Uint8Array(16_384);
    const stdout = Deno.stdout.writable.getWriter();
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await stdout.write(buffer.slice(0, count));
    }
  };
  await Promise.all([up(), down()]);
  conn.close();
}

if (import.meta.main) {
  if (Deno.args.length > 0) await main(Deno.args);
  else await run({ nested }, { name: "nested", version: "0.1.0" });
}
