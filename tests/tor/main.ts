/**
 * `deno task tor`: shows that a transport written with this library carries real Tor traffic, in a
 * private Tor network on this machine.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Deadline } from "@ptlib/ptlib/net";
import { downloadThrough } from "../../tor/download.ts";
import { startTorNetwork, type TorNetworkOptions } from "../../tor/network.ts";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";
import { overWebTunnel } from "./webtunnel.ts";

const HELP = `Usage: deno task tor [--transport rot13|webtunnel]

Starts a private Tor network on loopback (three directory authorities that are also exits, a bridge
and a client), lets the client reach the bridge through a transport, downloads 20 MiB through it and
compares SHA-256. Takes about 20 seconds and ends by itself, with status 0 when everything held.
Nothing leaves the machine, and nothing is left behind.

  --transport rot13       examples/rot0r.ts (default)
  --transport webtunnel   webtunnel/main.ts, alone, with TLS and a web site

Needs tor and tor-gencert. ${INSTALL}.`;

const SIZE = 20 * 1024 * 1024;
const DOWNLOAD_MS = 120_000;

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

/** Goes through everything, and sums it up once the network has ended. */
async function main(transport: TorNetworkOptions, signal: AbortSignal): Promise<string> {
  const start = performance.now();
  const elapsed = () => ((performance.now() - start) / 1000).toFixed(1);
  const tell = (sentence: string) => console.log(`${elapsed().padStart(6)} s  ${sentence}`);

  await using network = await startTorNetwork({
    ...transport,
    signal,
    progress: tell,
  });
  const bootstrapped = elapsed();

  const { userAddr, seen } = await network.countedClient();
  tell("The bridge logged what the Extended ORPort told it, and counted the client:");
  for (const line of [userAddr, seen]) console.log(`            ${line}`);

  tell(`Downloading ${SIZE / 1024 / 1024} MiB from a local web server through Tor`);
  using deadline = new Deadline(
    DOWNLOAD_MS,
    "The download",
    AbortSignal.any([signal, network.failed]),
  );
  const { bytes, seconds, sha256 } = await downloadThrough(
    network.socksPort,
    SIZE,
    deadline.signal,
  );
  tell("Download complete, ending the network");

  return `
Transport   ${transport.transport}, between a Tor client and a Tor bridge
Bootstrap   100 % after ${bootstrapped} s
Download    ${bytes} bytes in ${seconds.toFixed(2)} s, ${
    (bytes / seconds / 1024 / 1024).toFixed(1)
  } MiB/s
SHA-256     ${sha256}, the same at both ends
Everything held, and the network has ended.`;
}

/** Aborts when somebody wants this program to end. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of signals) {
    Deno.addSignalListener(name, () => controller.abort(new Error(`Stopped by ${name}`)));
  }
  return controller.signal;
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

const name = readName();
const missing = missingPrograms();
if (missing.length > 0) {
  console.error(`Not found on the PATH: ${missing.join(", ")}. To install: ${INSTALL}`);
  Deno.exit(1);
}

try {
  await using stack = new AsyncDisposableStack();
  const transport = await transportOf(name, stack);
  if (transport === null) refuse(`There is no transport ${name} here`);
  console.log(await main(transport, stopSignal()));
} catch (error) {
  console.error(`\nFailed: ${error instanceof Error ? error.message : String(error)}`);
  Deno.exit(1);
}
Deno.exit(0); // the signal listeners would keep it alive
