/** The examples, run as their head comments say. */

import { assert, assertEquals } from "@std/assert";
import { readFull, writeAll } from "../net/mod.ts";
import {
  type ClientMethod,
  type ExtOrPortConnection,
  launchClient,
  launchServer,
  listenExtOrPort,
  type ServerMethod,
  type ServerTransportOptions,
  type TransportProcess,
} from "../parent/mod.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);

/** What the commands of the head comments name, and what stands there for a test. */
type Places = Readonly<Record<string, string>>;

/** The commands of an example's head comment, also those behind `ptlib`: client, server, or both. */
async function commands(example: string): Promise<string[]> {
  const source = await Deno.readTextFile(new URL(example, EXAMPLES));
  const [head = ""] = source.split("*/");
  const text = head.replaceAll(/^ \* ?/gm, "").replaceAll(/ \\\n +/g, " ");
  const found = text.matchAll(/^ {4}(?:ptlib .* -- )?(deno run .*\.ts(?: .*)?)$/gm);
  return Array.from(found, ([, command = ""]) => command);
}

/** The command of one half with the permissions that its head comment gives, and no other. */
export async function commandOf(
  example: string,
  half: "client" | "server",
  places: Places,
): Promise<string[]> {
  // A server reads tor's cookie.
  const isServer = (command: string) => command.includes("--allow-read");
  const all = await commands(example);
  const found = all.find((command) => isServer(command) === (half === "server"));
  if (found === undefined) throw new Error(`${example} has no command of a ${half}`);
  assert(found.includes(" --no-prompt "), found);
  const everything = { ...places, [example]: new URL(example, EXAMPLES).pathname };
  const words = found.split(" ").slice(1).map((word) =>
    Object.entries(everything).reduce((word, [name, place]) => word.replaceAll(name, place), word)
  );
  return [Deno.execPath(), ...words];
}

/** A bridge of an example with tor behind it, and the example's client before it. */
export interface Pair extends AsyncDisposable {
  server: TransportProcess<ServerMethod>;
  client: TransportProcess<ClientMethod>;
  /** The next connection that the bridge brings to tor. */
  arrival(): Promise<ExtOrPortConnection>;
}

/** What is launched. */
export interface PairOptions {
  client: string;
  server: string;
  transport: string;
  /** What the operator sets. */
  options?: ServerTransportOptions["options"];
  /** The client's permissions take this in beside the bridge, as a `--allow-net` has it. */
  elsewhere?: string;
  /** More that the head comments name. */
  places?: Places;
  directory: string;
}

/** Launches both halves of a transport, each with just the permissions it names. */
export async function launchPair(
  { client: clientExample, server: serverExample, transport, options, directory, ...more }:
    PairOptions,
): Promise<Pair> {
  const { elsewhere } = more;
  await using stack = new AsyncDisposableStack();
  const tor = stack.use(await listenExtOrPort());
  const state = `${directory}/pt_state`;
  const places = {
    "0.0.0.0:4443": "127.0.0.2:0",
    "/var/lib/tor/extended_orport_auth_cookie": tor.cookieFile,
    "/var/lib/tor/pt_state": state,
    ...more.places,
  };
  const server = stack.use(
    await launchServer(await commandOf(serverExample, "server", places), {
      transports: { [transport]: { bindAddress: ["127.0.0.2", 0], options } },
      extOrPort: tor,
      // launchServer() creates the one that it knows of.
      stateDirectory: directory,
      env: { TOR_PT_STATE_LOCATION: state },
    }),
  );
  const bridge = server.methods[transport]?.address.join(":") ?? "";
  const targets = elsewhere === undefined ? bridge : `${bridge},${elsewhere}`;
  const client = stack.use(
    await launchClient(
      await commandOf(clientExample, "client", { "192.0.2.1:4443": targets }),
      { transports: [transport], stateDirectory: directory },
    ),
  );
  const arrivals = tor[Symbol.asyncIterator]();
  const next = async () => {
    const { value } = await arrivals.next();
    if (value === undefined) throw new Error("tor listens no more");
    return value;
  };
  const arrival = () => {
    const arriving = next();
    arriving.catch(() => {}); // A test that fails before may leave it to nobody.
    return arriving;
  };
  const disposables = stack.move();
  return { server, client, arrival, [Symbol.asyncDispose]: () => disposables.disposeAsync() };
}

/** Runs something with a directory that is removed afterwards. */
export async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const LENGTH = 300_000;

/** Sends bytes in pieces of many lengths, then the end. */
async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let start = 0, length = 1; start < bytes.length; start += length, length = 3 * length + 1) {
    await writeAll(conn, bytes.slice(start, start + length));
  }
  await conn.closeWrite();
}

/** Receives until the end. */
async function receive(conn: Deno.Conn): Promise<Uint8Array> {
  const bytes = await readFull(conn, new Uint8Array(LENGTH));
  assertEquals(await conn.read(new Uint8Array(1)), null);
  return bytes;
}

/** As many bytes as no transport carries in one piece, all at random. */
export function manyBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LENGTH);
  for (let i = 0; i < LENGTH; i += 60_000) crypto.getRandomValues(bytes.subarray(i, i + 60_000));
  return bytes;
}

/** Carries other bytes each way, and both ends. */
export async function checkCarries(user: Deno.Conn, service: Deno.Conn): Promise<void> {
  const [up, down] = [manyBytes(), manyBytes()];
  const [, , atService, atUser] = await Promise.all([
    send(user, up),
    send(service, down),
    receive(service),
    receive(user),
  ]);
  assert(atService.every((byte, i) => byte === up[i]));
  assert(atUser.every((byte, i) => byte === down[i]));
}
