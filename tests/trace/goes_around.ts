/** What must be seen: each of these transports goes around the upstream proxy in its own way. */

import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import type { Address } from "../../address.ts";
import { readProxy } from "../../config.ts";
import { dial } from "../../net/dial.ts";
import { run, type StreamConn } from "../../run/run.ts";

const proxy = readProxy();

/** Nobody needs to wait for what is seen when it is tried. */
const SOON = { timeout: 1_000 };

async function sendDatagram([host, port]: Address): Promise<void> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const sent = Promise.withResolvers<void>();
  socket.send("to anybody", port, host, (error) => error ? sent.reject(error) : sent.resolve());
  await sent.promise.finally(() => socket.close());
}

async function lookUp([name]: Address): Promise<unknown> {
  return await lookup(name);
}

/** A transport that does something forbidden before it goes by the proxy. */
function first(forbidden: (target: Address) => Promise<unknown>) {
  return {
    async client({ target }: { target: Address }): Promise<StreamConn> {
      await forbidden(target).catch(() => {});
      return await dial(target, { proxy });
    },
  };
}

await run({
  falls_back: {
    client: ({ target }) => dial(target, { proxy }).catch(() => dial(target, SOON)),
  },
  connects_first: first((target) => dial(target, SOON)),
  looks_up: first(lookUp),
  asks_dns: first(([name]) => Deno.resolveDns(name, "A")),
  sends_datagram: first(sendDatagram),
  starts_program: first(([name]) => new Deno.Command("getent", { args: ["hosts", name] }).output()),
});
