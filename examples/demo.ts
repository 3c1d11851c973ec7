/**
 * Teaches what happens to a user's bytes, in one command and without Tor: `deno task demo`.
 *
 * It plays the parent for the client and the server of `rot0r.ts`, two processes with only their
 * own permissions, and sends random bytes both ways at once:
 *
 *     this program -> SOCKS, rot0r's client -> tap -> rot0r's server -> ORPort, this program
 *
 * The tap is a forwarder of its own. The client may connect to nothing else, so that the tap sees
 * every byte between the two, and can compare them with the rotation of what was sent.
 *
 *     deno run --no-prompt --allow-env --allow-run --allow-net=127.0.0.1 \
 *       --allow-read --allow-write demo.ts
 *
 * It reads and writes only its temporary directory, which the two get as their state directory.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Address, formatAddress } from "@ptlib/ptlib/address";
import { Deadline } from "@ptlib/ptlib/net";
import {
  dialTransport,
  launchClient,
  type LaunchOptions,
  launchServer,
  type TransportProcess,
} from "@ptlib/ptlib/parent";
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import { receive, type Received, send, type Sent } from "./demo/stream.ts";
import { type Passed, Tap } from "./demo/tap.ts";
import { Progress, size, speed, tell } from "./demo/terminal.ts";

const HELP = `Usage: deno task demo [--mib NUMBER] [--transport rot13|rot26]

Sends random bytes both ways through rot0r's client and server, and checks that they arrive whole
(SHA-256) and that they are rotated by 13 places on the wire between the two.

  --mib NUMBER      How many MiB to send each way. Default: 64
  --transport NAME  The transport. rot26 rotates nothing, so that the check of the wire has to fail
  --help            Show this text`;

const PROGRAM = import.meta.resolve("./rot0r.ts");
const MIB = 1024 * 1024;
const TIMEOUT = 50_000;
const GREETINGS = {
  toServer: "Hello bridge, these are the words of a client.\n",
  toClient: "Hello client, this is what the bridge has to say.\n",
};

interface Order {
  transport: string;
  bytes: number;
}

/** How rot0r is started: with access to these addresses and the protocol's variables alone. */
function rot0r(...peers: readonly Address[]): string[] {
  const net = ["127.0.0.1:0", ...peers.map(formatAddress)].join();
  const permissions = ["--no-prompt", "--allow-env=TOR_PT_*", `--allow-net=${net}`];
  return [Deno.execPath(), "run", ...permissions, PROGRAM];
}

/** Shows a process: how it is started, and its lines as they come. */
function show(
  name: string,
  command: readonly string[],
): Pick<LaunchOptions, "onStdout" | "onStderr"> {
  const line = (text: string) => tell(`${cyan(name)} ${dim("|")} ${text}`);
  line(dim(`$ deno ${command.slice(1, -1).join(" ")} rot0r.ts`));
  return { onStdout: line, onStderr: (text) => line(yellow(text)) };
}

/** Rejects when a process ends, which it must not do by itself. */
async function untilItDies(
  name: string,
  process: Pick<TransportProcess<never>, "exited">,
): Promise<never> {
  const { code, fault } = await process.exited;
  throw fault ?? new Error(`The ${name} ended with status ${code} before its work was done`);
}

/** What a direction has carried, at its three places. */
interface Direction {
  sent: Sent;
  passed: Passed;
  received: Received;
}

/** Shows what became of a direction. Throws when anything is wrong with it. */
function verify(name: string, bytes: number, { sent, passed, received }: Direction): void {
  if (received.bytes !== bytes) {
    throw new Error(`${name}: ${received.bytes} of ${bytes} bytes arrived`);
  }
  if (received.sha256 !== sent.sha256) {
    throw new Error(`${name}: what arrived is not what was sent, by SHA-256`);
  }
  const wire = passed.sha256();
  if (wire === sent.sha256) {
    throw new Error(`${name}: the bytes between client and server are not rotated`);
  }
  if (wire !== sent.rotatedSha256) {
    throw new Error(`${name}: the bytes between client and server are not the rotation of those`);
  }
  tell(`${green("ok")} ${name}`);
  tell(`   arrived  ${dim(`${bytes} bytes, SHA-256`)} ${received.sha256}`);
  tell(`   on wire  ${dim(`${passed.bytes} bytes, SHA-256`)} ${wire}`);
  tell(`            ${dim("the rotation of what was sent; it begins with")} ${passed.firstLine}`);
}

/** Sends both ways, and resolves when both streams have ended at every place. */
async function exchange(
  user: Deno.TcpConn,
  orport: Deno.TcpConn,
  tap: Tap,
  bytes: number,
): Promise<{ toServer: Direction; toClient: Direction; milliseconds: number }> {
  const progress = new Progress(2 * bytes);
  const count = (read: number) => progress.add(read);
  const [up, down, upReceived, downReceived] = await Promise.all([
    send(user, GREETINGS.toServer, bytes),
    send(orport, GREETINGS.toClient, bytes),
    receive(orport, count),
    receive(user, count),
  ]);
  return {
    toServer: { sent: up, passed: tap.toServer, received: upReceived },
    toClient: { sent: down, passed: tap.toClient, received: downReceived },
    milliseconds: progress.elapsed,
  };
}

/** Starts everything, sends, checks, and ends everything. */
async function demonstrate(
  { transport, bytes }: Order,
  stateDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  tell(`${size(bytes)} of random bytes go each way, which takes a few seconds:`);
  tell("this program <-> rot0r's client <-> a tap <-> rot0r's server <-> this program\n");
  using orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using tap = new Tap();
  const orportAddress: Address = [orport.addr.hostname, orport.addr.port];

  const serverCommand = rot0r(orportAddress);
  await using server = await launchServer(serverCommand, {
    ...show("server", serverCommand),
    transports: { [transport]: { bindAddress: ["127.0.0.1", 0] } },
    orport: orportAddress,
    stateDirectory: `${stateDirectory}/server`,
    signal,
  });
  const clientCommand = rot0r(tap.address);
  await using client = await launchClient(clientCommand, {
    ...show("client", clientCommand),
    transports: [transport],
    stateDirectory: `${stateDirectory}/client`,
    signal,
  });

  const [socks, bridge] = [client.methods[transport], server.methods[transport]];
  if (socks === undefined || bridge === undefined) throw new Error(`There is no ${transport}`);
  const forwarded = tap.forward(bridge.address, signal);
  const accepted = orport.accept();
  const exchanged = async () => {
    using user = await dialTransport(socks, tap.address, [], { signal });
    using delivered = await accepted;
    return await exchange(user, delivered, tap, bytes);
  };
  const [{ toServer, toClient, milliseconds }] = await Promise.race([
    Promise.all([exchanged(), accepted, forwarded]),
    untilItDies("client", client),
    untilItDies("server", server),
  ]);
  verify("client to bridge", bytes, toServer);
  verify("bridge to client", bytes, toClient);
  tell(
    dim("This program makes, hashes and compares each byte on the same processor, so the speed"),
  );
  tell(dim("is mostly its own; docs/what-it-costs.md has what a transport alone can carry."));
  const seconds = (milliseconds / 1000).toFixed(2);
  const all = `${size(2 * bytes)} in ${seconds} s`;
  tell(
    bold(green(`Everything held: ${all}, ${speed(2 * bytes, milliseconds)} both ways together`)),
  );
}

function readOrder(args: readonly string[]): Order {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mib: { type: "string", default: "64" },
      transport: { type: "string", default: "rot13" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const bytes = Number(values.mib) * MIB;
  if (!Number.isInteger(bytes) || bytes < 1) {
    throw new TypeError("--mib takes a number of MiB above 0");
  }
  if (!["rot13", "rot26"].includes(values.transport)) {
    throw new TypeError("--transport takes rot13 or rot26");
  }
  return { transport: values.transport, bytes };
}

/** Aborts when somebody wants this program to end. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) {
    Deno.addSignalListener(name, () => controller.abort(new Error(`Stopped by ${name}`)));
  }
  return controller.signal;
}

async function main(): Promise<void> {
  const order = readOrder(Deno.args);
  using deadline = new Deadline(TIMEOUT, "The demo", stopSignal());
  const directory = await Deno.makeTempDir({ prefix: "ptlib-demo-" });
  try {
    await demonstrate(order, directory, deadline.signal);
  } catch (error) {
    throw deadline.signal.aborted ? deadline.signal.reason : error;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(red(`Failed: ${error instanceof Error ? error.message : String(error)}`));
  Deno.exit(1);
}
