/**
 * A tunnel of `ptlib server` and `ptlib client`, each a process of its own, through foreign
 * programs. `cli_test.ts` runs this as a program where it needs a network namespace.
 */

import { formatAddress, parseAddress } from "../../address.ts";
import { EchoServer } from "../echo.ts";
import { freePort } from "../../testing/free_port.ts";
import { exchange, type Exchanged } from "./exchange.ts";

/** For the whole of it, in milliseconds; it takes some seconds. */
const DEADLINE = 120_000;

/** What carries the bytes. */
export interface Carrier {
  transport: string;
  /** The path of the server's program, and of the client's. */
  server: string;
  client: string;
  /** Where the server listens. */
  host: string;
  /** The server's `--option` as a function of where it listens, `HOST:PORT` being that place. */
  option?: string;
  /** Whether clients connect by the bridge line, and not by the command line. */
  byBridgeLine?: boolean;
}

/** What came back, and how the two processes ended. */
export interface Carried extends Exchanged {
  codes: number[];
}

/** Puts `ptlib` where the shell looks for it, as if it were installed. */
const INSTALLED = `ptlib() { exec "$deno" run --no-prompt --allow-all "$cli" "$@"; }`;

/** A running `ptlib`. */
class Ptlib implements AsyncDisposable {
  /** What the pattern's group matched in what it said. */
  readonly ready: Promise<string>;
  readonly #child: Deno.ChildProcess;
  readonly #pattern: RegExp;
  readonly #match = Promise.withResolvers<string>();
  readonly #ended: Promise<void>;

  /** Starts a command line as a shell reads it. */
  constructor(line: string, pattern: RegExp, signal: AbortSignal) {
    this.#pattern = pattern;
    this.ready = this.#match.promise;
    this.ready.catch(() => {}); // It may end before anybody asks.
    this.#child = new Deno.Command("sh", {
      args: ["-c", `${INSTALLED}\n${line}`],
      env: { deno: Deno.execPath(), cli: new URL("../../cli.ts", import.meta.url).href },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    this.#ended = this.#follow();
  }

  async #follow(): Promise<void> {
    const { stdout, stderr } = this.#child;
    const said = await Promise.all([this.#read(stdout), this.#read(stderr)]);
    this.#match.reject(new Error(`ptlib has ended:\n${said.join("")}`));
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
    let text = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const [, group] = this.#pattern.exec(text) ?? [];
      if (group !== undefined) this.#match.resolve(group);
    }
    return text;
  }

  /** Ends it as Ctrl-C does, and returns its status. */
  async end(): Promise<number> {
    try {
      this.#child.kill("SIGINT");
    } catch {
      // It has ended by itself.
    }
    const { code } = await this.#child.status;
    await this.#ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

function serverLine(carrier: Carrier, forward: string, state: string): string {
  const { transport, server, host, option } = carrier;
  const listen = formatAddress([host, option === undefined ? 0 : freePort(host)]);
  const options = option === undefined ? "" : ` --option '${option.replace("HOST:PORT", listen)}'`;
  return `ptlib server --transport ${transport} --listen ${listen} --forward ${forward}` +
    ` --state '${state}'${options} -- '${server}'`;
}

/** The line that the server prints: the first one, or the one below it. */
function printedLine({ transport, byBridgeLine = false }: Carrier): RegExp {
  return byBridgeLine ? new RegExp(`^(${transport} .*)\n`, "m") : /^(ptlib client .*)\n/m;
}

/** The client's command line with a port of our own and the client's program. */
function clientLine(printed: string, { client, byBridgeLine = false }: Carrier): string {
  if (byBridgeLine) {
    return `ptlib client --listen 127.0.0.1:0 --bridge-line '${printed}' -- '${client}'`;
  }
  const line = printed.replace("--listen 127.0.0.1:1234 ", "--listen 127.0.0.1:0 ");
  return line.replace(/ -- .*$/, ` -- '${client}'`);
}

/**
 * Carries 64 MiB both ways at once through a tunnel.
 *
 * @param carrier The transport and its programs.
 * @returns What arrived.
 */
export async function carry(carrier: Carrier): Promise<Carried> {
  const signal = AbortSignal.timeout(DEADLINE);
  const state = await Deno.makeTempDir();
  try {
    using echo = new EchoServer();
    const forward = formatAddress(echo.address);
    await using far = new Ptlib(
      serverLine(carrier, forward, state),
      printedLine(carrier),
      signal,
    );
    await using near = new Ptlib(
      clientLine(await far.ready, carrier),
      /listening on (\S+)\n/,
      signal,
    );
    const [hostname, port] = parseAddress(await near.ready);
    using conn = await Deno.connect({ hostname, port });
    const exchanged = await exchange(conn);
    return { ...exchanged, codes: [await near.end(), await far.end()] };
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}

if (import.meta.main) {
  console.log(JSON.stringify(await carry(JSON.parse(Deno.args[0] ?? ""))));
}
