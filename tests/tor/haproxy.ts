/**
 * HAProxy, which spreads connections over several ports of this machine.
 *
 * @module
 */

import { freePort } from "../../testing/free_port.ts";

/** How to get it. */
export const INSTALL_HAPROXY = "Debian and Ubuntu: apt-get install haproxy";

const READY = "Loading success";

/** What HAProxy has given to one of the ports. */
export interface Sessions {
  /** How many connections are open. */
  open: number;
  /** How many there have been. */
  total: number;
}

/** The lines that docs/what-it-costs.md shows, with a socket that answers questions. */
function configuration(port: number, ports: readonly number[], socket: string): string {
  return `global
  stats socket ${socket} mode 600
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen tor
  bind 127.0.0.1:${port}
  balance leastconn
  option redispatch
${ports.map((port, i) => `  server tor${i + 1} 127.0.0.1:${port} check inter 1s\n`).join("")}`;
}

/** A running HAProxy; disposing of it ends it. */
export class Haproxy implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #socket: string;
  readonly #read: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();

  /** Where it listens on 127.0.0.1. */
  readonly port: number;

  private constructor(file: string, socket: string, port: number) {
    this.#socket = socket;
    this.port = port;
    const args = ["-W", "-f", file];
    this.#child = new Deno.Command("haproxy", { args, stdout: "null", stderr: "piped" }).spawn();
    this.#read = this.#follow();
  }

  /**
   * Starts it, and waits until it listens.
   *
   * @param directory Where its files go.
   * @param ports The ports of 127.0.0.1 that it leads to; it calls them tor1, tor2 and so on.
   */
  static async start(directory: string, ports: readonly number[]): Promise<Haproxy> {
    const port = freePort();
    const [file, socket] = [`${directory}/haproxy.cfg`, `${directory}/haproxy.sock`];
    await Deno.writeTextFile(file, configuration(port, ports, socket));
    const haproxy = new Haproxy(file, socket, port);
    await haproxy.#ready.promise;
    return haproxy;
  }

  /** What each port has got, in their order. */
  async sessions(): Promise<Sessions[]> {
    using conn = await Deno.connect({ transport: "unix", path: this.#socket });
    await conn.write(new TextEncoder().encode("show stat\n"));
    const [head = "", ...rows] = (await new Response(conn.readable).text()).trim().split("\n");
    const names = head.replace("# ", "").split(",");
    const values = rows.map((row) => row.split(","));
    const value = (row: string[], name: string) => row[names.indexOf(name)] ?? "";
    return values.filter((row) => /^tor\d/.test(value(row, "svname"))).map((row) => ({
      open: Number(value(row, "scur")),
      total: Number(value(row, "stot")),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    await Promise.all([this.#child.status, this.#read]);
  }

  async #follow(): Promise<void> {
    let said = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (said.includes(READY)) this.#ready.resolve();
    }
    this.#ready.reject(new Error(`HAProxy has ended: ${said}`));
  }
}
