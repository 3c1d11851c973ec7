/**
 * The server half of `run()`.
 *
 * @module
 */

import { type Address, isLoopback } from "../address.ts";
import { readBindAddresses } from "../config.ts";
import { acceptAll, handleEach } from "../net/accept.ts";
import { dialOr } from "../net/ext_orport.ts";
import { inTime, Lifetime } from "../net/lifetime.ts";
import { relay } from "../net/relay.ts";
import { shutdownSignal } from "../net/shutdown.ts";
import * as server from "../server.ts";
import { common, launchAll, reason, say, TRANSPORT_TIMEOUT, untilDone } from "./process.ts";
import type { PublishContext, RunOptions, ServerContext, Transports } from "./transport.ts";

/** Arguments of any kind as the multimap in which they are handed on. */
function pairs(args: Iterable<readonly [string, string]>): URLSearchParams {
  return new URLSearchParams(Array.from(args, ([key, value]) => [key, value]));
}

/** Runs the server halves of transports until the process has to end. */
export async function runServer(
  transports: Transports,
  options: Readonly<RunOptions>,
): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.server);
  const info = server.init(supported);
  const stop = shutdownSignal();
  const bindAddress = readBindAddresses();
  if (info.ext_orport !== null && !isLoopback(info.ext_orport[0])) {
    say("warning", "TOR_PT_EXTENDED_SERVER_PORT is on another machine: the way there is open");
  }

  const names = Object.keys(info.transports);
  const publish = async (name: string): Promise<[PublishContext, URLSearchParams]> => {
    const options = info.transport_options[name] ?? new URLSearchParams();
    const context = { ...common(info.state_loc, stop.end), options };
    const transport = transports[name]!;
    // Timers cost start-up time, so there is none where there is nothing to wait for.
    if (transport.publish === undefined) return [context, new URLSearchParams()];
    const work = () => transport.publish!(context);
    return [context, pairs(await inTime(TRANSPORT_TIMEOUT, "publish()", stop.end, work))];
  };
  const published = await Promise.allSettled(names.map(publish));

  const carry = async (name: string, context: ServerContext, conn: Deno.TcpConn) => {
    using life = new Lifetime(stop.end);
    const { signal } = life;
    life.own(conn);
    try {
      const carrier = await life.carry(
        TRANSPORT_TIMEOUT,
        () => transports[name]!.server!(conn, { ...context, signal }),
      );
      const { clientAddress } = context;
      const tor = await dialOr(info, { transport: name, clientAddress, bindAddress, signal });
      await relay(carrier, life.own(tor), { signal: stop.end });
    } catch (error) {
      say("notice", `${name}: no connection: ${reason(error, context.clientAddress[0])}`);
    }
  };
  const serving = launchAll(server, names, (name) => {
    const outcome = published[names.indexOf(name)]!;
    if (outcome.status === "rejected") throw outcome.reason;
    const [context, args] = outcome.value;
    const [hostname, port] = info.transports[name]!;
    const listener = Deno.listen({ hostname, port });
    try {
      server.reportSuccess(name, [listener.addr.hostname, listener.addr.port], args);
    } catch (error) {
      listener.close(); // What is not reported must not look alive.
      throw error;
    }
    return () =>
      handleEach(acceptAll(listener, { signal: stop }), (conn) => {
        const clientAddress: Address = [conn.remoteAddr.hostname, conn.remoteAddr.port];
        return carry(name, { ...context, args, clientAddress }, conn);
      });
  }, options);
  await untilDone(serving, stop);
}
