/** What must be seen: each of these transports goes around the upstream proxy in its own way. */

import type { Address } from "../../address.ts";
import { readProxy } from "../../config.ts";
import { dial } from "../../net/dial.ts";
import { run, type StreamConn } from "../../run/run.ts";

const proxy = readProxy();

async function sendDatagram([hostname, port]: Address): Promise<void> {
  const transport = "udp" as const;
  const wildcard = hostname.includes(":") ? "::" : "0.0.0.0";
  const socket = Deno.listenDatagram({ hostname: wildcard, port: 0, transport });
  await socket.send(new Uint8Array(1), { transport, hostname, port }).finally(() => socket.close());
}

async function lookUp([name]: Address): Promise<unknown> {
  const { lookup } = await import("node:dns/promises");
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
    client: ({ target }) => dial(target, { proxy }).catch(() => dial(target)),
  },
  connects_first: first((target) => dial(target)),
  looks_up: first(lookUp),
  asks_dns: first(([name]) => Deno.resolveDns(name, "A")),
  sends_datagram: first(sendDatagram),
  starts_program: first(([name]) => new Deno.Command("getent", { args: ["hosts", name] }).output()),
});
