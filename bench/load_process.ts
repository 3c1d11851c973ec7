/** The load generator, as its orders are given. */

import type { Address } from "@ptlib/ptlib";
import type { Order } from "./load.ts";
import { LineReader } from "@ptlib/ptlib/line";

const PROGRAM = import.meta.resolve("./load.ts");

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

  /** Starts it, and tells the ORPort that servers have to connect to. */
  static async start(): Promise<{ load: LoadProcess; orport: Address }> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net=127.0.0.1", PROGRAM],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const load = new LoadProcess(child);
    const { orport } = JSON.parse(await load.#nextLine());
    return { load, orport };
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

  /** Gives an order, and waits for the value of its answer. */
  async order(order: Order): Promise<number> {
    await this.#orders.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    return JSON.parse(await this.#nextLine()).value;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#orders.close().catch(() => {});
    await this.#child.status;
  }
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const lines = new LineReader();
  for await (const chunk of stream) {
    for (const line of lines.push(chunk)) yield line ?? "";
  }
}
