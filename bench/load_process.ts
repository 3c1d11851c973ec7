/** The load generator, as its orders are given. Its program is in `load/`. */

import type { Address } from "@ptlib/ptlib";
import { formatAddress, parseAddress } from "@ptlib/ptlib/address";

/** The way through a transport; both are tor's ORPort where there is none. */
export interface Way {
  /** Where its client takes SOCKS requests. */
  socks: Address;
  /** Where its server listens. */
  bridge: Address;
  /** The arguments of the SOCKS request, at most 255 bytes. */
  args?: string;
}

/** What can be ordered. */
export type Order =
  /** Moves so many bytes in all on so many connections at once, towards the bridge or from it. */
  | { kind: "up" | "down"; way: Way; connections: number; bytes: number }
  /** Opens so many connections, some at once, each with a byte there and back. */
  | { kind: "connect"; way: Way; connections: number; atOnce: number }
  /** Sends so many bytes there and back on one connection, 512 at a time. */
  | { kind: "exchange"; way: Way; bytes: number }
  /** Bulk on so many connections, with an interactive one and new ones beside it. */
  | { kind: "beside"; way: Way; connections: number; seconds: number }
  /** Opens so many connections, each with a byte there and back, and keeps them. */
  | { kind: "hold"; way: Way; connections: number }
  /** Opens so many, and sends until nothing more is taken: nobody reads at the other end. */
  | { kind: "stall"; way: Way; connections: number }
  /** Closes everything that `hold` and `stall` have left open. */
  | { kind: "release" };

/** What came of an order. */
export interface Answer {
  /** How long it took. */
  Seconds: number;
  /** The bytes that were moved, where their number was not ordered. */
  Bytes: number;
  /** Milliseconds of each 512 bytes there and back. */
  Interactive: number[] | null;
  /** Milliseconds of each new connection, until the first byte was back. */
  Fresh: number[] | null;
}

const SOURCE = new URL("load/", import.meta.url).pathname;

/** How long an order may take, in milliseconds: a program that hangs answers none. */
const LONGEST = 120_000;

/** A running load generator; disposing of it ends it. */
export class LoadProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#orders = child.stdin.getWriter();
    this.#lines = readLines(child.stdout);
  }

  /** Builds the program; needs Go. */
  static async build(directory: string): Promise<string> {
    const program = `${directory}/load`;
    const { success, stderr } = await new Deno.Command("go", {
      args: ["build", "-o", program, "."],
      cwd: SOURCE,
      env: { GO111MODULE: "off", GOFLAGS: "" },
    }).output();
    if (success) return program;
    throw new Error(`go cannot build the load generator: ${new TextDecoder().decode(stderr)}`);
  }

  /** Starts it, and tells the two ports that servers can connect to. */
  static async start(command: readonly string[], cookieFile: string, signal: AbortSignal): Promise<
    { load: LoadProcess; orport: Address; extOrPort: { address: Address; cookieFile: string } }
  > {
    const [program = "", ...args] = command;
    const child = new Deno.Command(program, {
      args: [...args, cookieFile],
      stdin: "piped",
      stdout: "piped",
      signal,
    }).spawn();
    const load = new LoadProcess(child);
    try {
      const { Orport, ExtOrport } = JSON.parse(await load.#nextLine());
      const extOrPort = { address: parseAddress(ExtOrport), cookieFile };
      return { load, orport: parseAddress(Orport), extOrPort };
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid;
  }

  async #nextLine(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("The load generator has ended: see its words above");
    return value;
  }

  /** Gives an order, and waits for what comes of it. */
  async order(order: Order): Promise<Answer> {
    const line = JSON.stringify(
      order,
      (key, value) => key === "socks" || key === "bridge" ? formatAddress(value) : value,
    );
    const limit = setTimeout(() => {
      console.error(`The order ${order.kind} is not done after ${LONGEST / 1000} s`);
      this.#child.kill("SIGKILL");
    }, LONGEST);
    try {
      await this.#orders.write(new TextEncoder().encode(`${line}\n`));
      return JSON.parse(await this.#nextLine());
    } finally {
      clearTimeout(limit);
    }
  }

  /** Ends it, in the middle of an order, too. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#orders.close().catch(() => {});
    await this.#child.status;
  }
}

/** An answer can be longer than any line of a transport's may be. */
async function* readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const [first = "", ...others] = chunk.split("\n");
    text += first;
    for (const line of others) {
      yield text;
      text = line;
    }
  }
}
