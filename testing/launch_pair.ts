/**
 * Both halves of a transport as processes, the way tor starts them, and connections through them.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { unlessAborted, withDeadline } from "../net/deadline.ts";
import { DialError } from "../net/dial.ts";
import { dialTransport } from "../parent/dial_transport.ts";
import { type ExtOrPortConnection, listenExtOrPort } from "../parent/ext_orport_listener.ts";
import { launchClient, launchServer, type TransportProcess } from "../parent/launch.ts";
import { LoggedWords } from "../parent/logged_words.ts";
import type { ClientMethod, ServerMethod } from "../parent/line.ts";
import type { ConnPair } from "./conn_pair.ts";

/** How long a connection may take from one end to the other, in milliseconds. */
const CONNECT = 30_000;

/**
 * What is launched.
 *
 * @example
 * ```ts
 * import type { PairOptions } from "@ptlib/ptlib/testing";
 *
 * const options: PairOptions = {
 *   transport: "rot13",
 *   client: ["deno", "run", "-A", "rot13.ts"],
 * };
 * ```
 */
export interface PairOptions {
  /** The name of the transport. */
  transport: string;
  /**
   * The command of the client, or a function that makes it from the `ip:port` of the server, for a
   * program that gets no more permissions than it needs.
   */
  client: readonly string[] | ((bridge: string) => readonly string[]);
  /** The same for the server, made from the path of the Extended ORPort's cookie. Default: the client's command. */
  server?: readonly string[] | ((cookieFile: string) => readonly string[]) | undefined;
  /** What the operator sets with `ServerTransportOptions`. */
  options?: Iterable<readonly [string, string]> | undefined;
  /** What stands in the bridge line. Default: what the server publishes. */
  args?: Iterable<readonly [string, string]> | undefined;
  /** Is called with each line that either program writes to its stderr. */
  onStderr?: ((line: string) => void) | undefined;
}

/**
 * Both halves of a transport, which run. Disposing of it ends them, and removes what they wrote.
 *
 * @example
 * ```ts
 * import { readToEnd, type TransportPair } from "@ptlib/ptlib/testing";
 *
 * async function carries(pair: TransportPair): Promise<boolean> {
 *   const { client, server } = await pair.connect();
 *   await client.write(Uint8Array.of(1, 2, 3));
 *   await client.closeWrite();
 *   return (await readToEnd(server)).length === 3;
 * }
 * ```
 */
export interface TransportPair extends AsyncDisposable {
  /** The client's process. */
  readonly client: TransportProcess<ClientMethod>;
  /** The server's process. */
  readonly server: TransportProcess<ServerMethod>;
  /**
   * Connects through both, as a user does: to the client's SOCKS port, and out behind the server.
   *
   * @returns Both ends: the user's, and the one that tor would have, with what the server said of its
   * client. Close them, or dispose of the pair.
   * @throws {DialError} When the client does not connect. The message has what both halves have
   * logged last.
   * @throws {DOMException} A `TimeoutError` when it takes longer than 30 s.
   */
  connect(): Promise<ConnPair<Deno.TcpConn> & { readonly from: ExtOrPortConnection }>;
}

function commandOf(
  command: readonly string[] | ((place: string) => readonly string[]),
  place: string,
): readonly string[] {
  return typeof command === "function" ? command(place) : command;
}

/** The only method of a program that has one transport. */
function methodOf<M>(methods: Readonly<Record<string, M>>, transport: string): M {
  const method = methods[transport];
  if (method === undefined) throw new TypeError(`The program has no transport ${transport}`);
  return method;
}

/** How long what a half logs may take longer than what it does, in milliseconds. */
const LOG_DELAY = 200;

/** Throws the same error, with what both halves have logged. */
async function withWords(error: unknown, words: LoggedWords): Promise<never> {
  if (!(error instanceof DialError)) throw error;
  if (words.none) await new Promise((resolve) => setTimeout(resolve, LOG_DELAY));
  throw new DialError(words.behind(error.message), { cause: error.cause });
}

/**
 * Starts both halves of a transport, each as a process of its own, with what tor gives it: a server
 * on a port of 127.0.0.1 in front of an Extended ORPort, and a client. Each has a state directory.
 *
 * It needs `--allow-run`, `--allow-env`, `--allow-net=127.0.0.1`, and `--allow-read` and
 * `--allow-write` for the directory of temporary files.
 *
 * @param options The programs, and what they are told.
 * @returns The pair.
 * @throws {LaunchError} When a program does not offer the transport.
 *
 * @example
 * ```ts
 * import { launchPair, streamConnContract } from "@ptlib/ptlib/testing";
 *
 * await using pair = await launchPair({
 *   transport: "rot13",
 *   client: [Deno.execPath(), "run", "--no-prompt", "--allow-all", "examples/rot13.ts"],
 * });
 * const [first] = streamConnContract(() => pair.connect());
 * await first?.check();
 * ```
 */
export async function launchPair(options: PairOptions): Promise<TransportPair> {
  const stack = new AsyncDisposableStack();
  try {
    return await launchInto(stack, options);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function launchInto(
  stack: AsyncDisposableStack,
  options: PairOptions,
): Promise<TransportPair> {
  const { transport, onStderr } = options;
  const words = new LoggedWords();
  const directory = await Deno.makeTempDir({ prefix: "ptlib_pair_" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const tor = stack.use(await listenExtOrPort());
  const server = stack.use(
    await launchServer(commandOf(options.server ?? options.client, tor.cookieFile), {
      transports: { [transport]: { bindAddress: ["127.0.0.1", 0], options: options.options } },
      extOrPort: tor,
      stateDirectory: `${directory}/server`,
      onStdout: words.from("server"),
      onStderr,
    }),
  );
  const { address, args } = methodOf(server.methods, transport);
  const client = stack.use(
    await launchClient(commandOf(options.client, formatAddress(address)), {
      transports: [transport],
      stateDirectory: `${directory}/client`,
      onStdout: words.from("client"),
      onStderr,
    }),
  );
  const method = methodOf(client.methods, transport);
  const arrivals = tor[Symbol.asyncIterator]();
  const conns = stack.use(new DisposableStack());

  const connectNow = async (signal: AbortSignal) => {
    words.clear();
    const dialled = dialTransport(method, address, options.args ?? args, { signal });
    const user = conns.use(await dialled.catch((error) => withWords(error, words)));
    const { value: from } = await unlessAborted(arrivals.next(), signal);
    if (from === undefined) throw new TypeError("The pair has ended");
    return { client: user, server: conns.use(from.conn), from };
  };
  // One after the other: nothing else says which arrival belongs to whom.
  let last: Promise<unknown> = Promise.resolve();
  const connect = () => {
    const what = "The connection through both programs";
    const next = last.then(() => withDeadline(CONNECT, what, undefined, connectNow));
    last = next.catch(() => {});
    return next;
  };
  return { client, server, connect, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
