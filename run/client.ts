/**
 * The client half of `run()`.
 *
 * @module
 */

import * as client from "../client.ts";
import { readBindAddresses } from "../config.ts";
import { handleEach } from "../net/accept.ts";
import { dial } from "../net/dial.ts";
import { Lifetime } from "../net/lifetime.ts";
import { relay } from "../net/relay.ts";
import { shutdownSignal } from "../net/shutdown.ts";
import { listenSocks, type SocksRequest } from "../net/socks.ts";
import { common, launchAll, reason, say, TRANSPORT_TIMEOUT, untilDone } from "./process.ts";
import type { ClientContext, RunOptions, Transports } from "./transport.ts";

/** Runs the client halves of transports until the process has to end. */
export async function runClient(
  transports: Transports,
  options: Readonly<RunOptions>,
): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.client);
  const { state_loc, transports: names, proxy } = client.init(supported);
  const stop = shutdownSignal();
  const bindAddress = readBindAddresses();
  if (proxy !== null) client.reportProxySuccess();

  const carry = async (name: string, request: SocksRequest) => {
    using life = new Lifetime(stop.end);
    const { signal } = life;
    const { target, args } = request;
    const context: ClientContext = {
      ...common(state_loc, signal),
      target,
      args,
      dial: async (to = target) => life.own(await dial(to, { proxy, bindAddress, signal })),
    };
    const carrier = await life.carry(TRANSPORT_TIMEOUT, () => transports[name]!.client!(context));
    await relay(await request.grant(), carrier, { signal: stop.end });
  };
  const carryOrReject = async (name: string, request: SocksRequest) => {
    try {
      await carry(name, request);
    } catch (error) {
      say("notice", `${name}: no connection: ${reason(error, request.target[0])}`);
      await request.reject(error); // That waits for the user; what was dialled is closed by now.
    }
  };
  const serving = launchAll(client, names, (name) => {
    const listener = listenSocks({ signal: stop });
    client.reportSuccess(name, 5, listener.address);
    return () => handleEach(listener, (request) => carryOrReject(name, request));
  }, options);
  await untilDone(serving, stop);
}
