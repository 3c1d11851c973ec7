/**
 * Dials from source addresses and says on stdout what happened. Made for a network namespace with
 * nothing in it but these addresses; `bind_test.ts` runs it there.
 */

import type { Address } from "../../address.ts";
import { dial, DialError, type DialOptions, replyFor, type StreamConn } from "../../net/mod.ts";
import { SILENT } from "../network_namespace.ts";
import { UpstreamProxy } from "./upstream_proxy.ts";

/** Who dials, who is dialled, and an address that is nobody's. */
export const NEAR = { v4: "10.1.2.3", v6: "fd00::3" } as const;
export const FAR = { v4: "10.1.2.4", v6: "fd00::4" } as const;
const NOBODY = { v4: "10.1.2.5", v6: "fd00::5" } as const;

/** A name with the addresses of FAR, IPv6 first. */
export const NAME = "far.test";

async function outcome(target: Address, options: DialOptions): Promise<string | number> {
  try {
    (await dial(target, options)).close();
    return "connected";
  } catch (error) {
    return replyFor(error);
  }
}

/** The address from which `listener` sees the dialler come. */
async function sourceSeen(
  listener: Deno.TcpListener,
  target: Address,
  options: DialOptions,
): Promise<string> {
  const accepting = listener.accept();
  const conn = await dial(target, options);
  using accepted = await accepting;
  conn.close();
  return accepted.remoteAddr.hostname;
}

/** The code of the error when the source address has no port left. */
async function withoutPorts(target: Address): Promise<unknown> {
  await Deno.writeTextFile("/proc/sys/net/ipv4/ip_local_port_range", "50000 50001");
  const open: StreamConn[] = [];
  try {
    while (open.length < 3) open.push(await dial(target, { outboundBindAddress: NEAR }));
    return "connected";
  } catch (error) {
    const { cause } = error instanceof DialError ? error : {};
    if (!(cause instanceof Deno.errors.AddrInUse)) return String(cause);
    if (!cause.message.includes("has no free port left: each connection takes one")) return cause;
    return Object(cause.cause).code;
  } finally {
    open.forEach((conn) => conn.close());
  }
}

if (import.meta.main) {
  const outboundBindAddress = NEAR;
  using v4 = Deno.listen({ hostname: FAR.v4, port: 0 });
  using v6 = Deno.listen({ hostname: FAR.v6, port: 0 });
  using loopback = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using proxy = new UpstreamProxy("socks5", [FAR.v4, v4.addr.port], FAR.v4);
  const seen = {
    v4: await sourceSeen(v4, [FAR.v4, v4.addr.port], { outboundBindAddress }),
    v6: await sourceSeen(v6, [FAR.v6, v6.addr.port], { outboundBindAddress }),
    mapped: await sourceSeen(v4, [`::ffff:${FAR.v4}`, v4.addr.port], { outboundBindAddress }),
    otherFamily: await sourceSeen(v6, [FAR.v6, v6.addr.port], {
      outboundBindAddress: { v4: NEAR.v4, v6: null },
    }),
    loopback: await sourceSeen(loopback, ["127.0.0.1", loopback.addr.port], {
      outboundBindAddress,
    }),
    loopbackName: await sourceSeen(loopback, ["localhost", loopback.addr.port], {
      outboundBindAddress,
    }),
    nameV4: await sourceSeen(v4, [NAME, v4.addr.port], { outboundBindAddress }),
    nameV6: await sourceSeen(v6, [NAME, v6.addr.port], { outboundBindAddress }),
    proxied: await sourceSeen(v4, ["192.0.2.7", 443], { outboundBindAddress, proxy: proxy.info })
      .then(() => proxy.clients[0]),
    nobody: await outcome([FAR.v4, v4.addr.port], { outboundBindAddress: NOBODY }),
    unknownName: await outcome(["unknown.test", 80], { outboundBindAddress }),
    unreachable: await outcome(["192.0.2.7", 80], { outboundBindAddress }),
    refused: await outcome([FAR.v4, 1], { outboundBindAddress }),
    silent: await outcome([SILENT.far, 80], { timeout: 100 }),
    silentBound: await outcome([SILENT.far, 80], {
      outboundBindAddress: { v4: SILENT.near, v6: null },
      timeout: 100,
    }),
  };
  using both = Deno.listen({ hostname: FAR.v6, port: v4.addr.port });
  const preferred = await sourceSeen(both, [NAME, v4.addr.port], { outboundBindAddress });
  const noPort = await withoutPorts([FAR.v4, v4.addr.port]);
  console.log(JSON.stringify({ ...seen, preferred, noPort }));
}
