/** `ptlib` as a process: one that ends, and one that goes on running. */

import { LineReader } from "../../parent/line.ts";
import { readFull } from "../../net/mod.ts";
import { permitted, withDirectory } from "../permitted.ts";

const CLI = new URL("../../cli.ts", import.meta.url).href;

/** A program with the transport `plain`. */
export const PLAIN = [
  Deno.execPath(),
  "run",
  "--no-config",
  "--no-prompt",
  "--allow-all",
  new URL("../parent/plain_transport.ts", import.meta.url).href,
];

/** `ptlib` with these arguments. */
export function ptlib(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-prompt", "--allow-all", CLI, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env,
  });
}

/** What `ptlib` says, and how it ends. */
export async function finished(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await ptlib(args, env).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out ?? "", err: err ?? "" };
}

/** A `ptlib` that goes on running. */
export class Running implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** The lines of its stderr, or of the output that is followed instead. */
  readonly err: string[] = [];
  readonly #other: Promise<string>;
  readonly #followed: Promise<void>;
  #wake = Promise.withResolvers<void>();

  constructor(
    args: readonly string[],
    env: Record<string, string> = {},
    followed: "stdout" | "stderr" = "stderr",
  ) {
    this.child = ptlib(args, env).spawn();
    const { stdout, stderr } = this.child;
    const [lines, other] = followed === "stderr" ? [stderr, stdout] : [stdout, stderr];
    this.#other = new Response(other).text();
    this.#followed = this.#follow(lines);
  }

  async #follow(lines: ReadableStream<Uint8Array>): Promise<void> {
    const reader = new LineReader();
    for await (const chunk of lines) {
      this.err.push(...reader.push(chunk).map(String));
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
    this.#wake.promise.catch(() => {}); // Perhaps nobody waits for a line any more.
    this.#wake.reject(new Error(`ptlib has ended:\n${this.err.join("\n")}`));
  }

  /** What a line says, as soon as there is one, or as many as asked for. */
  async says(pattern: RegExp, times = 1): Promise<RegExpExecArray> {
    for (;;) {
      const { promise } = this.#wake;
      const matches = this.err.map((line) => pattern.exec(line)).filter((match) => match !== null);
      const match = matches[times - 1];
      if (match !== undefined) return match;
      await promise;
    }
  }

  /** The port of 127.0.0.1 on which it listens. */
  async port(): Promise<number> {
    return Number((await this.says(/listening on 127\.0\.0\.1:(\d+)/))[1]);
  }

  /** Ends it; `out` is all of the output that is not followed. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<{ code: number; out: string }> {
    try {
      this.child.kill(signal);
    } catch {
      // It has ended by itself.
    }
    const { code } = await this.child.status;
    await this.#followed;
    return { code, out: await this.#other };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** A test of the command in a directory of its own. */
export function command(name: string, use: (directory: string) => Promise<void>): void {
  permitted(["net", "run", "read", "write"], name, () => withDirectory(use));
}

/** What comes back through a tunnel. */
export async function echo(port: number, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new TextEncoder().encode(text);
  await conn.write(bytes);
  return new TextDecoder().decode(await readFull(conn, new Uint8Array(bytes.length)));
}
