/** A server of WebTunnel in the test's own process, and a web site behind it. */

import { type Address, formatAddress } from "../../address.ts";
import { acceptAll } from "../../net/accept.ts";
import { closeInPeace, closeQuietly, type StreamConn, writeAll } from "../../net/conn.ts";
import type { ServerContext, Transport } from "../../run/transport.ts";
import { webtunnel, type WebTunnelOptions } from "../../webtunnel/mod.ts";

/** What a test server is. */
export interface TestServerOptions {
  /** `ServerTransportOptions`. */
  options: Readonly<Record<string, string>>;
  hostname?: string;
  site?: WebTunnelOptions["site"];
  /** Where the bridge line goes. Default: it cannot be kept. */
  stateDirectory?: string;
  /** What is behind the tunnel. Default: it echoes, and its end, too. */
  service?: (conn: StreamConn) => Promise<void>;
}

export async function echo(conn: StreamConn): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    await writeAll(conn, buffer.subarray(0, count));
  }
  await conn.closeWrite();
}

/** The server. Disposing of it closes all it has. */
export class TestServer implements AsyncDisposable {
  /** What it publishes. */
  published = new URLSearchParams();
  publishedAddress: Readonly<Address> = ["", 0];
  /** What its operator is told. */
  readonly log: string[] = [];
  /** The addresses of those who came into the tunnel, as tor would be told. */
  readonly clients: (Readonly<Address> | null)[] = [];
  /** How many connections it has. */
  open = 0;
  readonly #options: TestServerOptions;
  readonly #listener: Deno.TcpListener;
  readonly #transport: Transport;
  readonly #end = new AbortController();
  readonly #served = new Set<Promise<void>>();

  private constructor(options: TestServerOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: options.hostname ?? "127.0.0.1", port: 0 });
    this.#transport = webtunnel({
      site: options.site,
      log: (severity, text) => this.log.push(`${severity}: ${text}`),
    });
  }

  static async start(options: TestServerOptions): Promise<TestServer> {
    const server = new TestServer(options);
    try {
      const published = await server.#transport.publish!(server.#context());
      if (Symbol.iterator in published) throw new Error("There is no address");
      server.published = new URLSearchParams([...published.args ?? []].map(([...pair]) => pair));
      server.publishedAddress = published.address!;
    } catch (error) {
      server.#listener.close();
      throw error;
    }
    server.#accept();
    return server;
  }

  #context() {
    const { stateDirectory } = this.#options;
    return {
      state_loc: stateDirectory ?? "/nonexistent/pt_state",
      stateDirectory: () => {
        if (stateDirectory !== undefined) return Promise.resolve(stateDirectory);
        return Promise.reject(new Deno.errors.NotCapable("none here"));
      },
      flags: {},
      signal: this.#end.signal,
      options: new URLSearchParams({ ...this.#options.options }),
    };
  }

  async #accept(): Promise<void> {
    for await (const conn of acceptAll(this.#listener)) {
      const serving = this.#serve(conn).catch(() => closeQuietly(conn));
      this.#served.add(serving);
      serving.finally(() => this.#served.delete(serving));
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    this.open++;
    const waiting: Promise<unknown>[] = [];
    const context: ServerContext = {
      ...this.#context(),
      args: this.published,
      clientAddress: [conn.remoteAddr.hostname, conn.remoteAddr.port],
      waitUntil: (promise) => void waiting.push(promise),
    };
    try {
      const result = await this.#transport.server!(conn, context);
      await Promise.all(waiting);
      if (result === null || !("conn" in result)) return;
      this.clients.push(result.clientAddress);
      await (this.#options.service ?? echo)(result.conn);
      await closeInPeace(result.conn);
    } finally {
      closeQuietly(conn);
      this.open--;
    }
  }

  /** Where it listens. */
  get address(): Address {
    return [this.#listener.addr.hostname, this.#listener.addr.port];
  }

  /** Its address as `addr=` has it. */
  get addr(): string {
    return formatAddress(this.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.#listener);
    this.#end.abort(new DOMException("The test is over", "AbortError"));
    await Promise.all(this.#served);
  }
}

/** A web site that answers each request with what it was asked. Disposing of it ends it. */
export class TestSite implements AsyncDisposable {
  readonly #server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    // A visitor may go in the middle of a request.
    onError: () => new Response(null, { status: 500 }),
  }, TestSite.answer);

  static async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const text = `${request.method} ${pathname} ${await request.text()}\n`;
    // A date would be another one each time.
    return new Response(text, { status: pathname === "/" ? 200 : 404, headers: { date: "today" } });
  }

  /** Where it listens. */
  get addr(): string {
    return formatAddress([this.#server.addr.hostname, this.#server.addr.port]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
