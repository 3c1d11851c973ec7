/**
 * Watching a transport: server and client are started, a recorder stands between them, and
 * connections go through.
 *
 * @module
 */

import { type Address, formatAddress, isLoopback } from "../address.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly, connectTcp } from "../net/conn.ts";
import { clientArgs } from "../parent/client_args.ts";
import { dialTransport } from "../parent/dial_transport.ts";
import {
  launchClient,
  launchServer,
  type TransportExit,
  type TransportProcess,
} from "../parent/launch.ts";
import { LaunchError } from "../parent/launch_error.ts";
import type { ClientMethod, ServerMethod } from "../parent/line.ts";
import { LoggedWords } from "../parent/logged_words.ts";
import { freePort } from "../testing/free_port.ts";
import { CensorError } from "./censor_error.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { firstBurst, type Flow } from "./flow.ts";
import { type OwnLoad, pass, type Way } from "./loads.ts";
import { type Arrived, probeServer, type Probing } from "./probe_server.ts";
import { Recorder } from "./recorder.ts";
import { type Load, type Recording, SITE } from "./recording.ts";

/**
 * Which transport to watch, and how.
 *
 * @example
 * ```ts
 * import type { ObserveOptions } from "@ptlib/ptlib/censor";
 *
 * const options: ObserveOptions = {
 *   transport: "webtunnel",
 *   args: [["url", "http://{address}/path"]],
 *   serverOptions: [["url", "http://{address}/path"]],
 * };
 * ```
 */
export interface ObserveOptions {
  /** The transport's name. */
  transport: string;
  /** The command of the other half, where the program is only one. */
  peer?: readonly string[] | undefined;
  /**
   * Arguments of the client, besides those that the server publishes. `{address}` in a value is
   * where the client has to connect.
   */
  args?: Iterable<readonly [string, string]> | undefined;
  /** Options of the server, in the same way. */
  serverOptions?: Iterable<readonly [string, string]> | undefined;
  /**
   * Where the server listens, on loopback, so that a web server can stand in front of it. Default: a
   * free port.
   */
  bind?: Readonly<Address> | undefined;
  /** What stands in front of the server, on loopback: client and probes go there. */
  front?: Readonly<Address> | undefined;
  /** How many connections there are of each short kind. Default: 30. */
  connections?: number | undefined;
  /** Whether the server is probed. Default: true. */
  probes?: boolean | undefined;
  /**
   * How long it is waited for the server to give up connections that say too little, in
   * milliseconds. Default: 25,000.
   */
  patience?: number | undefined;
  /** Is called before each kind of connections, and before the probes. */
  onLoad?: ((load: Load | "probes") => void) | undefined;
  /** Ends it: programs that run are ended, and it throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * What was seen.
 *
 * @example
 * ```ts
 * import { judge, type Observation } from "@ptlib/ptlib/censor";
 *
 * const findings = (observation: Observation) => judge(observation.through);
 * ```
 */
export interface Observation {
  /** The connections between client and server. */
  readonly through: Recording;
  /** The same without a transport. */
  readonly plain: Recording;
  /** What became of probes of the server; `null` where none were wanted. */
  readonly probing: Probing | null;
  /** The commands that were client and server. */
  readonly halves: { readonly client: readonly string[]; readonly server: readonly string[] };
}

const CONNECTIONS = 30;
/** Connections with much in them show no more the more there are. */
const BULK_CONNECTIONS = 3;
const LOADS: readonly OwnLoad[] = ["random", "text", "https", "bulk"];
/** Shorter than what servers of Tor's transports take at least, which is drawn for each bridge. */
const PATIENCE = 25_000;

/** Where connections arrive behind the transport. */
class Service implements Disposable {
  readonly address: Readonly<Address>;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #arrivals = acceptAll(this.#listener);

  constructor() {
    this.address = ["127.0.0.1", this.#listener.addr.port];
  }

  async accept(): Promise<Deno.TcpConn> {
    const { value } = await this.#arrivals.next();
    if (value === undefined) throw new CensorError("Nobody listens any more");
    return value;
  }

  /** Takes all connections while something is done that may make some, and only listens to them. */
  async counting<T>(work: (arrived: () => Arrived) => Promise<T>): Promise<T> {
    const taken: Deno.TcpConn[] = [];
    let [over, speaking] = [false, 0];
    const listen = async (conn: Deno.TcpConn) => {
      const count = await conn.read(new Uint8Array(1)).catch(() => null);
      if (count !== null) speaking++;
    };
    const accepting = (async () => {
      while (!over) {
        const conn = await this.accept();
        taken.push(conn);
        listen(conn);
      }
    })();
    try {
      return await work(() => ({ connections: taken.length, speaking }));
    } finally {
      over = true;
      this.#listener.close();
      await accepting.catch(() => {}); // Nobody listens any more.
      taken.forEach(closeQuietly);
    }
  }

  [Symbol.dispose](): void {
    closeQuietly(this.#listener);
  }
}

/** Where a server can be reached on this machine. */
function reachedAt(published: Readonly<Address>, bound: Readonly<Address>): Readonly<Address> {
  return published[0] === bound[0] ? published : bound;
}

/** A half that runs, and what it was started by. */
interface Half<M extends ClientMethod | ServerMethod> {
  readonly command: readonly string[];
  readonly process: TransportProcess<M>;
}

/** Starts a half by the first command that is one. */
async function startHalf<M extends ClientMethod | ServerMethod>(
  half: "client" | "server",
  commands: readonly (readonly string[])[],
  launch: (command: readonly string[]) => Promise<TransportProcess<M>>,
): Promise<Half<M>> {
  const failures: LaunchError[] = [];
  for (const command of commands) {
    try {
      return { command, process: await launch(command) };
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  throw first === undefined ? new CensorError("There is no program") : ofHalf(half, first, others);
}

/** The same failures, with the half that they are about, and what to do where one is missing. */
function ofHalf(half: string, first: LaunchError, others: readonly LaunchError[]): LaunchError {
  const failures = [first, ...others];
  const isElsewhere = first.reason === "no-method" && others.length === 0;
  const hint = isElsewhere ? `; where another program is the ${half}, --peer names it` : "";
  const sentences = failures.map(({ sentence }) => sentence).join("; nor does the other: ");
  const words = `the ${half} does not start: ${sentences}${hint}`;
  const lastLines = failures.flatMap(({ lastLines }) => lastLines);
  return new LaunchError(first.reason, words, lastLines, { cause: first.cause });
}

/** Lets all connections pass, kind by kind. */
async function record(
  recorder: Recorder,
  way: Way,
  certificate: Certificate,
  options: ObserveOptions,
): Promise<Recording> {
  const { connections = CONNECTIONS, onLoad, signal } = options;
  const recording: Partial<Record<Load, Flow[]>> = {};
  recorder.take();
  for (const load of LOADS) {
    onLoad?.(load);
    const count = load === "bulk" ? Math.min(connections, BULK_CONNECTIONS) : connections;
    for (let left = count; left > 0; left--) await pass(load, way, certificate, signal);
    const flows = recorder.take();
    if (flows.length < count) throw missed(load, count, flows.length, recorder);
    recording[load] = flows;
  }
  return recording;
}

/** Why there is less to judge than there should be, and what to do. */
function missed(load: Load, count: number, recorded: number, { address }: Recorder): CensorError {
  const what = `${recorded} of ${count} connections with ${load} inside came by`;
  return new CensorError(
    recorded > 0
      ? `${what}: the client puts several into one, and then their beginnings cannot be judged`
      : `${what} ${
        formatAddress([...address])
      }, where a client has to connect here: put {address} ` +
        "into --args where that is said; what is no TCP is not seen",
  );
}

/** Arguments or options, with the recorder's address where they have `{address}`. */
export function filledIn(
  pairs: Iterable<readonly [string, string]> | undefined,
  address: Readonly<Address>,
): [string, string][] {
  const place = formatAddress([...address]);
  return Array.from(pairs ?? [], ([key, value]) => [key, value.replaceAll("{address}", place)]);
}

/** The same error, with what both halves have said last. */
function withWords(error: unknown, words: LoggedWords): unknown {
  if (!(error instanceof CensorError) || words.none) return error;
  return new CensorError(words.behind(error.message), { cause: error });
}

/** How a program ended, and what it said last. */
function exitWords({ code, signal, lastLines }: TransportExit): string {
  const how = `the server has ended with ${signal ?? `status ${code}`}`;
  const last = lastLines.at(-1);
  return last === undefined ? how : `${how}; it said: ${last}`;
}

/** Lets connections pass through the transport. */
async function recordTransport(
  commands: readonly (readonly string[])[],
  options: ObserveOptions,
  service: Service,
  certificate: Certificate,
  directory: string,
  words: LoggedWords,
): Promise<Omit<Observation, "plain">> {
  const { transport, patience = PATIENCE, signal } = options;
  const recorder = new Recorder();
  // Some transports publish another address than that they listen on.
  const bound: Address = [...options.bind ?? ["127.0.0.1", freePort()]] as Address;
  const processes: AsyncDisposable[] = [recorder];
  try {
    const server = await startHalf("server", commands, (command) =>
      launchServer(command, {
        transports: {
          [transport]: {
            bindAddress: bound,
            options: filledIn(options.serverOptions, recorder.address),
          },
        },
        orport: service.address,
        stateDirectory: `${directory}/server`,
        onStdout: words.from("server"),
        signal,
      }));
    processes.push(server.process);
    const client = await startHalf("client", commands, (command) =>
      launchClient(command, {
        transports: [transport],
        stateDirectory: `${directory}/client`,
        onStdout: words.from("client"),
        signal,
      }));
    processes.push(client.process);
    const [from, to] = [client.process.methods[transport], server.process.methods[transport]];
    // Without them the launch would have failed.
    if (from === undefined || to === undefined) throw new CensorError("A half has no method");
    if (!isLoopback(from.address[0])) {
      throw new CensorError("The client does not listen on loopback");
    }
    const halves = { client: client.command, server: server.command };
    const target = options.front ?? reachedAt(to.address, bound);
    recorder.target = target;
    const args = clientArgs(to.args, filledIn(options.args, recorder.address));
    const open = (signal: AbortSignal) => dialTransport(from, recorder.address, args, { signal });
    const way = { open, accept: () => service.accept() };
    const through = await record(recorder, way, certificate, options);
    if (options.probes === false) return { through, probing: null, halves };
    options.onLoad?.("probes");
    let exit: string | null = null;
    server.process.exited.then((how) => exit = exitWords(how));
    const flight = async () => {
      await pass("text", way, certificate, signal);
      return firstBurst(recorder.take().at(-1) ?? [], true);
    };
    const flights = [await flight(), await flight()] as const;
    const probing = await service.counting((arrived) =>
      probeServer(target, flights, arrived, patience, signal)
    );
    return { through, probing: { ...probing, exit }, halves };
  } finally {
    for (const process of processes.reverse()) await process[Symbol.asyncDispose]();
  }
}

/** Lets the same connections pass without a transport. */
async function recordPlain(
  options: ObserveOptions,
  service: Service,
  certificate: Certificate,
): Promise<Recording> {
  const recorder = new Recorder();
  try {
    recorder.target = service.address;
    const open = (signal: AbortSignal) => connectTcp(recorder.address, signal);
    const way = { open, accept: () => service.accept() };
    return await record(recorder, way, certificate, { ...options, onLoad: undefined });
  } finally {
    await recorder[Symbol.asyncDispose]();
  }
}

/**
 * Watches a transport as a censor between its client and its server does. Both are started, and
 * have ended when it is over; what they keep is in a directory that is removed. Nothing is sent but
 * to loopback and to the program, which may send by itself what it likes.
 *
 * @param command The program, and its arguments.
 * @param options The transport and the rest.
 * @returns What passed, with the transport and without it, and what probes of the server showed.
 * @throws {LaunchError} When the program cannot be launched as one of the halves.
 * @throws {CensorError} When connections do not get through.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { firstPayload, fixedPlaces, observe } from "@ptlib/ptlib/censor";
 *
 * async function hasConstantByte(command: string[], transport: string): Promise<boolean> {
 *   const { through } = await observe(command, { transport, probes: false });
 *   return fixedPlaces((through.random ?? []).map(firstPayload)).length > 0;
 * }
 * ```
 */
export async function observe(
  command: readonly string[],
  options: Readonly<ObserveOptions>,
): Promise<Observation> {
  options.signal?.throwIfAborted();
  for (const address of [options.bind, options.front]) {
    if (address === undefined || isLoopback(address[0])) continue;
    throw new TypeError(`${address[0]} is not on loopback, and nothing is sent elsewhere`);
  }
  const directory = await Deno.makeTempDir({ prefix: "censor-" });
  const service = new Service();
  const words = new LoggedWords();
  try {
    const commands = options.peer === undefined ? [command] : [command, options.peer];
    const certificate = await makeCertificate(SITE);
    const plain = await recordPlain(options, service, certificate);
    const through = recordTransport(commands, options, service, certificate, directory, words);
    return { plain, ...await through };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw withWords(error, words); // All of it: the halves have ended.
  } finally {
    service[Symbol.dispose]();
    await Deno.remove(directory, { recursive: true });
  }
}
