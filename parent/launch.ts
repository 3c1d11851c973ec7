/**
 * Starting a pluggable transport the way tor does, and ending it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { checkTransportName } from "../grammar.ts";
import { withDeadline } from "../net/deadline.ts";
import { Child } from "./child.ts";
import {
  clientEnvironment,
  passedThrough,
  serverEnvironment,
  type ServerTransportOptions,
} from "./child_environment.ts";
import { LaunchError, legible } from "./launch_error.ts";
import type { ClientMethod, ServerMethod } from "./line.ts";
import { CLIENT, Negotiation, SERVER, type TransportMessage } from "./negotiation.ts";

/** How long a program may take to report its methods, in milliseconds. */
const START_UP = 60_000;

/** How long a program that closed its stdout may take to end, in milliseconds. */
const LAST_BREATH = 1_000;

const MOST_LAST_LINES = 10;
const LONGEST_LAST_LINE = 500;
const TOO_LONG = "(a line that is too long to show)";
const MOST_UNREAD_MESSAGES = 256;

/**
 * What launching either half takes.
 *
 * @example
 * ```ts
 * import type { LaunchOptions } from "@ptlib/ptlib/parent";
 *
 * const options: LaunchOptions = {
 *   stateDirectory: "/var/lib/my-tunnel",
 *   onStderr: (line) => console.error(line),
 * };
 * ```
 */
export interface LaunchOptions {
  /**
   * The directory in which the program may keep files. It is created, with mode 0700, where it
   * does not exist. A server keeps its keys there.
   */
  stateDirectory: string;
  /**
   * Environment variables to add or to override. From this process the program inherits only
   * `PATH`, `HOME`, `TMPDIR`, `SSL_CERT_FILE`, `SSL_CERT_DIR`, `XDG_CACHE_HOME` and `DENO_DIR`, or
   * what a program needs on Windows. `DENO_NO_UPDATE_CHECK=1` is set too.
   */
  env?: Readonly<Record<string, string>> | undefined;
  /** How long it may take to report its methods, in milliseconds. Default: 60,000. */
  timeout?: number | undefined;
  /**
   * Is called with each line of its stdout, unchanged and before it is parsed. The line may contain
   * control characters. An error thrown here goes to `reportError()` and stops nothing.
   */
  onStdout?: ((line: string) => void) | undefined;
  /** The same for its stderr. */
  onStderr?: ((line: string) => void) | undefined;
  /** Ends the launch, and later the program, as {@linkcode TransportProcess.close} does. */
  signal?: AbortSignal | undefined;
}

/**
 * What launching a client takes.
 *
 * @example
 * ```ts
 * import type { LaunchClientOptions } from "@ptlib/ptlib/parent";
 *
 * const options: LaunchClientOptions = {
 *   transports: ["obfs4"],
 *   stateDirectory: "/var/lib/my-tunnel",
 *   proxy: { scheme: "socks5", host: "127.0.0.1", port: 1080 },
 * };
 * ```
 */
export interface LaunchClientOptions extends LaunchOptions {
  /** The names of the transports to start. */
  transports: readonly string[];
  /** The upstream proxy, through which alone the program may connect. */
  proxy?: ProxyInfo | undefined;
}

/**
 * What launching a server takes.
 *
 * @example
 * ```ts
 * import type { LaunchServerOptions } from "@ptlib/ptlib/parent";
 *
 * const options: LaunchServerOptions = {
 *   transports: { obfs4: { bindAddress: ["127.0.0.1", 5678] } },
 *   orport: ["127.0.0.1", 22],
 *   stateDirectory: "/var/lib/my-tunnel",
 * };
 * ```
 */
export interface LaunchServerOptions extends LaunchOptions {
  /** The transports to start, by name. */
  transports: Readonly<Record<string, ServerTransportOptions>>;
  /** Where the program forwards its clients to, without telling who they are. */
  orport?: Readonly<Address> | undefined;
  /**
   * Where it forwards its clients to, with their addresses: a {@linkcode listenExtOrPort}. One
   * of the two is required.
   */
  extOrPort?: { readonly address: Readonly<Address>; readonly cookieFile: string } | undefined;
}

/**
 * How a program ended.
 *
 * @example
 * ```ts
 * import type { TransportExit } from "@ptlib/ptlib/parent";
 *
 * const inWords = ({ code, signal }: TransportExit) => signal ?? `status ${code}`;
 * ```
 */
export interface TransportExit {
  /** Its exit status. */
  code: number;
  /** The signal that ended it, `null` where none did. */
  signal: Deno.Signal | null;
  /** The protocol violation for which it was ended, as tor would do it; usually `null`. */
  fault: LaunchError | null;
  /** The last lines of its stderr and of its log, printable ASCII. */
  lastLines: readonly string[];
}

/**
 * A pluggable transport that runs. Disposing of it ends it.
 *
 * A program that honours `TOR_PT_EXIT_ON_STDIN_CLOSE`, as nearly all do, also ends when this
 * process is killed: its stdin closes by itself. One that does not is left behind then, and
 * somebody has to end it by hand. A shell script in front of a program should `exec` it, so that
 * signals and stdin reach it.
 *
 * @example
 * ```ts
 * import type { ClientMethod, TransportProcess } from "@ptlib/ptlib/parent";
 *
 * function socksPort(client: TransportProcess<ClientMethod>, transport: string): number {
 *   const method = client.methods[transport];
 *   if (method === undefined) throw new Error(client.failures[transport]);
 *   return method.address[1];
 * }
 * ```
 */
export interface TransportProcess<M extends ClientMethod | ServerMethod> extends AsyncDisposable {
  /** The process id. */
  readonly pid: number;
  /** The transports that were started, by name. No prototype, so any name is safe. */
  readonly methods: Readonly<Record<string, M>>;
  /** Why the other transports were not started, by name. No prototype. */
  readonly failures: Readonly<Record<string, string>>;
  /**
   * Its `LOG` and `STATUS` messages from the start; the stream ends with the program. At most 256
   * unread messages are kept; while that many are unread, new ones are dropped.
   */
  readonly messages: ReadableStream<TransportMessage>;
  /** Resolves when it has ended, by itself or not. Never rejects. */
  readonly exited: Promise<TransportExit>;
  /**
   * Ends the program: closes its stdin, 2 s later sends SIGTERM, and 2 s later SIGKILL. May be
   * called many times.
   *
   * @returns How it ended.
   */
  close(): Promise<TransportExit>;
}

/** A row of lines of which only the last few are kept, each cut short. */
class LastLines {
  readonly lines: string[] = [];

  push(line: string): void {
    this.lines.push(legible(line).slice(0, LONGEST_LAST_LINE));
    if (this.lines.length > MOST_LAST_LINES) this.lines.shift();
  }
}

/** Calls a listener. What it throws must not stop the reading of a pipe that fills up. */
function tell(listener: ((line: string) => void) | undefined, line: string): void {
  try {
    listener?.(line);
  } catch (error) {
    reportError(error);
  }
}

class Process<M extends ClientMethod | ServerMethod> implements TransportProcess<M> {
  readonly messages: ReadableStream<TransportMessage>;
  readonly exited: Promise<TransportExit>;
  readonly #negotiation: Negotiation<M>;
  readonly #child: Child;
  readonly #lastLines = new LastLines();
  readonly #started = Promise.withResolvers<void>();
  readonly #onStdout: ((line: string) => void) | undefined;
  readonly #onStderr: ((line: string) => void) | undefined;
  readonly #program: string;
  #messages: ReadableStreamDefaultController<TransportMessage> | undefined;
  #fault: LaunchError | null = null;

  constructor(
    command: readonly string[],
    env: Record<string, string>,
    negotiation: Negotiation<M>,
    options: LaunchOptions,
  ) {
    this.#program = command[0] ?? "";
    this.#negotiation = negotiation;
    this.#onStdout = options.onStdout;
    this.#onStderr = options.onStderr;
    this.messages = new ReadableStream({
      start: (controller) => void (this.#messages = controller),
    }, {
      highWaterMark: MOST_UNREAD_MESSAGES,
    });
    this.#child = new Child(command, env, {
      onStdout: (line) => this.#receive(line),
      onStderr: (line) => this.#hear(line),
    });
    this.exited = this.#exit(options.signal);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get methods(): Readonly<Record<string, M>> {
    return this.#negotiation.methods;
  }

  get failures(): Readonly<Record<string, string>> {
    return this.#negotiation.failures;
  }

  #receive(line: string | null): void {
    tell(this.#onStdout, line ?? TOO_LONG);
    if (this.#fault !== null) return;
    try {
      const message = this.#negotiation.receive(line);
      if (message !== null) this.#announce(message);
      if (this.#negotiation.done) this.#started.resolve();
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      this.#fault = error;
      this.#started.reject(error);
      this.#child.stop();
    }
  }

  #announce(message: TransportMessage): void {
    if (message.kind === "log") this.#lastLines.push(`LOG ${message.severity}: ${message.message}`);
    // It is 0 when nobody reads, and when somebody has read enough.
    if ((this.#messages?.desiredSize ?? 0) > 0) this.#messages?.enqueue(message);
  }

  #hear(line: string | null): void {
    const text = line ?? TOO_LONG;
    this.#lastLines.push(text);
    tell(this.#onStderr, text);
  }

  async #exit(signal: AbortSignal | undefined): Promise<TransportExit> {
    const stop = () => void this.#child.stop();
    signal?.addEventListener("abort", stop);
    const { code, signal: killedBy } = await this.#child.ended;
    signal?.removeEventListener("abort", stop);
    this.#closeMessages();
    const lastLines = this.#lastLines.lines;
    const fault = this.#fault && this.#named(this.#fault, lastLines);
    return { code, signal: killedBy, fault, lastLines };
  }

  #closeMessages(): void {
    try {
      this.#messages?.close();
    } catch (error) {
      // Its reader has cancelled it.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Resolves when all methods have been reported. Otherwise it has ended the program. */
  async start(deadline: AbortSignal): Promise<void> {
    const late = () => this.#started.reject(deadline.reason);
    deadline.addEventListener("abort", late);
    if (deadline.aborted) late();
    this.#endBeforeStart();
    try {
      await this.#started.promise;
    } catch (error) {
      const { lastLines } = await this.close();
      throw error instanceof LaunchError ? this.#named(error, lastLines) : error;
    } finally {
      deadline.removeEventListener("abort", late);
    }
  }

  /** An error that says which program it is about, and what that said last. */
  #named({ reason, sentence, cause }: LaunchError, lastLines: readonly string[]): LaunchError {
    return new LaunchError(reason, `${this.#program}: ${sentence}`, lastLines, { cause });
  }

  async #endBeforeStart(): Promise<void> {
    await this.#child.stdoutEnded;
    const ended = await this.#child.endsWithin(LAST_BREATH);
    // Whoever is started does not care for this any more.
    const sentence = ended
      ? await this.exited.then(({ code, signal }) => `it ended with ${signal ?? `status ${code}`}`)
      : "it closed its stdout";
    this.#started.reject(
      new LaunchError("exited", `${sentence} before it had reported its methods`),
    );
  }

  async close(): Promise<TransportExit> {
    await this.#child.stop();
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Creates the state directory; the path it returns is absolute, as pt-spec wants it. */
async function createStateDirectory(path: string): Promise<string> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    return await Deno.realPath(path);
  } catch (cause) {
    const sentence = "The state directory cannot be created";
    throw new LaunchError("not-started", sentence, [], { cause });
  }
}

/** Why a program was not started. */
function whyNotSpawned(word: string, cause: unknown): string {
  const program = JSON.stringify(word);
  if (cause instanceof Deno.errors.NotCapable) {
    return `${program} may not be run: grant --allow-run for it`;
  }
  if (!(cause instanceof Deno.errors.NotFound)) return `${program} cannot be started`;
  return word.includes(" ")
    ? `There is no program ${program}: its arguments have to be words of their own, outside of quotes`
    : `There is no program ${program}: install it, or give its path`;
}

function spawn<M extends ClientMethod | ServerMethod>(
  command: readonly string[],
  env: Record<string, string>,
  negotiation: Negotiation<M>,
  options: LaunchOptions,
): Process<M> {
  try {
    return new Process(command, env, negotiation, options);
  } catch (cause) {
    throw new LaunchError("not-started", whyNotSpawned(command[0] ?? "", cause), [], { cause });
  }
}

async function launch<M extends ClientMethod | ServerMethod>(
  command: readonly string[],
  environment: (stateLocation: string) => Record<string, string>,
  negotiation: Negotiation<M>,
  options: LaunchOptions,
): Promise<TransportProcess<M>> {
  options.signal?.throwIfAborted();
  const stateLocation = await createStateDirectory(options.stateDirectory);
  const env = {
    ...passedThrough(options.env),
    ...environment(stateLocation),
    ...options.env,
  };
  const milliseconds = options.timeout ?? START_UP;
  const process = spawn(command, env, negotiation, options);
  return await withDeadline(milliseconds, "The launch", options.signal, async (signal) => {
    try {
      await process.start(signal);
      return process;
    } catch (error) {
      if (error !== signal.reason || options.signal?.aborted) throw error;
      const { lastLines } = await process.exited;
      const seconds = milliseconds / 1000;
      const sentence = `${command[0]}: it had not reported its methods after ${seconds} s`;
      throw new LaunchError("timeout", sentence, lastLines, { cause: error });
    }
  });
}

/** Checks what must never reach a program's environment, and that there is a program. */
function checkLaunch(command: readonly string[], transports: readonly string[]): void {
  if (command.length === 0) {
    throw new TypeError("There is no program to launch: the command has no word in it");
  }
  if (transports.length === 0) throw new TypeError("There is no transport to launch");
  transports.forEach(checkTransportName);
}

/**
 * Starts the client half of a pluggable transport (pt-spec section 3.2 and 3.3), and waits until
 * its listeners are ready.
 *
 * @param command The program and its arguments.
 * @param options The transports, the state directory and the rest.
 * @returns The running program. At least one transport was started; see its `methods` and
 * `failures`.
 * @throws {LaunchError} When the program cannot be started, ends, fails or breaks the protocol.
 * It has been ended.
 * @throws {TypeError} When `command` or `transports` is empty, when a transport's name is not valid,
 * or when the proxy's host is not an IP address.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { launchClient } from "@ptlib/ptlib/parent";
 *
 * // Stands for a program such as obfs4proxy.
 * const program = `
 *   console.log("VERSION 1\\nCMETHOD rot13 socks5 127.0.0.1:32145\\nCMETHODS DONE");
 *   for await (const _ of Deno.stdin.readable);
 * `;
 * const stateDirectory = await Deno.makeTempDir();
 * {
 *   await using client = await launchClient([Deno.execPath(), "eval", program], {
 *     transports: ["rot13"],
 *     stateDirectory,
 *   });
 *   if (client.methods["rot13"]?.address[1] !== 32145) throw new Error();
 * }
 * await Deno.remove(stateDirectory, { recursive: true });
 * ```
 */
export async function launchClient(
  command: readonly string[],
  options: Readonly<LaunchClientOptions>,
): Promise<TransportProcess<ClientMethod>> {
  const { transports, proxy } = options;
  checkLaunch(command, transports);
  const negotiation = new Negotiation(CLIENT, transports, proxy !== undefined);
  const environment = (state: string) => clientEnvironment(state, transports, proxy);
  return await launch(command, environment, negotiation, options);
}

/**
 * Starts the server half of a pluggable transport (pt-spec section 3.2 and 3.3), and waits until
 * its listeners are ready.
 *
 * @param command The program and its arguments.
 * @param options The transports, where they forward to, the state directory and the rest.
 * @returns The running program. At least one transport was started; see its `methods` and
 * `failures`.
 * @throws {LaunchError} When the program cannot be started, ends, fails or breaks the protocol.
 * It has been ended.
 * @throws {TypeError} When there is no program or no transport, a name, an address or an option
 * would break the environment, or there is nowhere to forward to.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { launchServer } from "@ptlib/ptlib/parent";
 *
 * // Stands for a program such as obfs4proxy.
 * const program = `
 *   console.log("VERSION 1\\nSMETHOD rot13 127.0.0.1:5678 ARGS:by=13\\nSMETHODS DONE");
 *   for await (const _ of Deno.stdin.readable);
 * `;
 * const stateDirectory = await Deno.makeTempDir();
 * {
 *   await using server = await launchServer([Deno.execPath(), "eval", program], {
 *     transports: { rot13: { bindAddress: ["127.0.0.1", 0] } },
 *     orport: ["127.0.0.1", 22],
 *     stateDirectory,
 *   });
 *   if (server.methods["rot13"]?.args.get("by") !== "13") throw new Error();
 * }
 * await Deno.remove(stateDirectory, { recursive: true });
 * ```
 */
export async function launchServer(
  command: readonly string[],
  options: Readonly<LaunchServerOptions>,
): Promise<TransportProcess<ServerMethod>> {
  const { orport, extOrPort } = options;
  const transports = Object.keys(options.transports);
  checkLaunch(command, transports);
  if (orport === undefined && extOrPort === undefined) {
    throw new TypeError("A server needs somewhere to forward to: orport or extOrPort");
  }
  const negotiation = new Negotiation(SERVER, transports, false);
  const environment = (state: string) =>
    serverEnvironment(state, options.transports, orport, extOrPort);
  return await launch(command, environment, negotiation, options);
}
