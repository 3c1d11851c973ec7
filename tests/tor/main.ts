/**
 * `deno task tor`: what `ptlib tor` does, for a transport of this project with just the permissions
 * that it names.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { flush } from "../../cli/terminal.ts";
import { demonstrate } from "../../cli/tor_command.ts";
import type { TorNetworkOptions } from "../../tor/network.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";
import { overWebTunnel } from "./webtunnel.ts";

const HELP = `Usage: deno task tor [--transport rot13|webtunnel]

Carries 20 MiB through a transport in a private Tor network on this machine, as 'ptlib tor' does for
any program, in half a minute.

  --transport rot13       examples/rot0r.ts (default)
  --transport webtunnel   webtunnel/main.ts, alone, with TLS and a web site`;

/** What carries, by name. Whatever it needs ends with the stack. */
async function transportOf(
  name: string,
  stack: AsyncDisposableStack,
): Promise<TorNetworkOptions | null> {
  if (name === "rot13") {
    return { transport: name, clientCommand: rot0rClient, serverCommand: rot0rServer };
  }
  if (name !== "webtunnel") return null;
  const directory = await Deno.makeTempDir({ prefix: "ptlib_tor_" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const site = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("A web site\n"),
  );
  stack.use(site);
  return await overWebTunnel("ours", "ours", directory, `127.0.0.1:${site.addr.port}`);
}

/** Ends over a command line that is none. */
function refuse(why: string): never {
  console.error(`${why}\n\n${HELP}`);
  Deno.exit(2);
}

/** What the command line says. */
function readName(): string {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        transport: { type: "string", default: "rot13" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (!values.help) return values.transport;
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  console.log(HELP);
  Deno.exit(0);
}

async function main(name: string): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const transport = await transportOf(name, stack);
  if (transport === null) refuse(`There is no transport ${name} here`);
  return await demonstrate(transport, { mib: 20, keep: false, verbose: false });
}

const status = await main(readName());
await flush();
Deno.exit(status);
