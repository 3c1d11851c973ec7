/**
 * `deno task tor`: shows that a transport written with this library carries
 * real Tor traffic, in a private Tor network on this machine.
 *
 * @module
 */

import { Deadline } from "@ptlib/ptlib/net";
import { downloadThrough } from "./download.ts";
import { startTorNetwork } from "./network.ts";
import { INSTALL, missingPrograms } from "./programs.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";

const HELP = `Usage: deno task tor

Starts a private Tor network on loopback (three directory authorities that are also exits, a bridge
and a client), lets the client reach the bridge through the transport rot13 of examples/rot0r.ts,
downloads 20 MiB through it and compares SHA-256. Takes about 20 seconds and ends by itself, with
status 0 when everything held. Nothing leaves the machine, and nothing is left behind.

Needs tor and tor-gencert. ${INSTALL}.`;

const SIZE = 20 * 1024 * 1024;
const DOWNLOAD_MS = 120_000;
const TRANSPORT = "rot13";

/** Goes through everything, and sums it up once the network has ended. */
async function main(signal: AbortSignal): Promise<string> {
  const start = performance.now();
  const elapsed = () => ((performance.now() - start) / 1000).toFixed(1);
  const tell = (sentence: string) => console.log(`${elapsed().padStart(6)} s  ${sentence}`);

  await using network = await startTorNetwork({
    transport: TRANSPORT,
    clientCommand: rot0rClient,
    serverCommand: rot0rServer,
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
Transport   ${TRANSPORT}, between a Tor client and a Tor bridge
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

if (Deno.args.length > 0) {
  const help = Deno.args.length === 1 && ["--help", "-h"].includes(Deno.args[0] ?? "");
  if (help) console.log(HELP);
  else console.error(`Takes no arguments, but got: ${Deno.args.join(" ")}\n\n${HELP}`);
  Deno.exit(help ? 0 : 2);
}

const missing = missingPrograms();
if (missing.length > 0) {
  console.error(`Not found on the PATH: ${missing.join(", ")}. To install: ${INSTALL}`);
  Deno.exit(1);
}

try {
  console.log(await main(stopSignal()));
} catch (error) {
  console.error(`\nFailed: ${error instanceof Error ? error.message : String(error)}`);
  Deno.exit(1);
}
Deno.exit(0); // the signal listeners would keep it alive
