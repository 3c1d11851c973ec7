/** Users or destination, as they are started and spoken to. */

import { LineReader } from "@ptlib/ptlib/line";
import { type Line, NOTHING, type Tally } from "./tally.ts";
import type { Order } from "./users.ts";

/** A running program; disposing of it ends it. */
export class LoadProgram implements AsyncDisposable {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onFault: (text: string) => void;
  readonly #ready = Promise.withResolvers<Extract<Line, { kind: "ready" }>>();
  readonly #done = new Map<string, PromiseWithResolvers<void>>();
  readonly #ended: Promise<void>;
  #tally = NOTHING;
  #closing = false;

  /** Starts a program of this folder. */
  constructor(name: string, permissions: readonly string[], onFault: (text: string) => void) {
    this.name = name;
    this.#onFault = onFault;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...permissions, import.meta.resolve(`./${name}.ts`)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#orders = this.#child.stdin.getWriter();
    this.#ready.promise.catch(() => {}); // Only the destination says so.
    this.#ended = this.#listen();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its numbers, as it last said. */
  get tally(): Tally {
    return this.#tally;
  }

  /** What it says when it is ready. */
  get ready(): Promise<Extract<Line, { kind: "ready" }>> {
    return this.#ready.promise;
  }

  async #listen(): Promise<void> {
    const lines = new LineReader();
    for await (const chunk of this.#child.stdout) {
      for (const line of lines.push(chunk)) this.#hear(JSON.parse(line ?? ""));
    }
    const error = new Error(`The program ${this.name} has ended: see its words above`);
    this.#ready.reject(error);
    for (const { reject } of this.#done.values()) reject(error);
    if (!this.#closing) this.#onFault(error.message);
  }

  #hear(line: Line): void {
    if (line.kind === "ready") this.#ready.resolve(line);
    else if (line.kind === "tally") this.#tally = line.tally;
    else if (line.kind === "fault") this.#onFault(line.text);
    else this.#done.get(line.order)?.resolve();
  }

  /** Gives an order, and waits until it is carried out. */
  async order(order: Order): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#done.set(order.order, done);
    await this.#orders.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    await done.promise;
  }

  /** Stops it, so that it neither reads nor writes, as one whose machine has frozen. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Ends it at once, whatever it does. */
  async kill(): Promise<void> {
    this.#closing = true;
    this.#done.values().forEach(({ promise }) => promise.catch(() => {}));
    this.#child.kill("SIGKILL");
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#orders.close().catch(() => {}); // It may have ended by itself.
    await this.#child.status;
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#end();
  }
}
