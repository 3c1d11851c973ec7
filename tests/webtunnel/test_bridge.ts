/** A bridge of WebTunnel for tests, with and without TLS, which sees what is asked of it. */

import type { Address } from "../../address.ts";
import { acceptAll } from "../../net/accept.ts";
import { closeQuietly, prefixed, type StreamConn, writeAll } from "../../net/conn.ts";
import { readHead } from "../../net/head.ts";
import { acceptTls } from "../../net/tls.ts";
import { type ClientHello, sentName, takeHello } from "../net/client_hello.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";

/** What a bridge grants with. */
export const GRANTED =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/** What a bridge is. */
export interface TestBridgeOptions {
  /** Its certificates and key in PEM; the usual ones by default, `null` for plain HTTP. */
  tls?: { cert: string; key: string } | null;
  /** The names with which it does not finish a handshake, and what it does instead. */
  refuses?: Readonly<Record<string, "hang up" | "silent">>;
  /** What it answers to a request. */
  answer?: string;
  /**
   * What it does behind the answer. Default: it echoes, and ends when its client does. `cut` ends
   * TCP below TLS.
   */
  behind?: (conn: StreamConn, cut: () => Promise<void>) => Promise<void>;
  hostname?: string;
}

async function echo(conn: StreamConn): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    await writeAll(conn, buffer.subarray(0, count));
  }
  await conn.closeWrite();
}

/** The bridge. Disposing of it closes all it has, and waits until everybody else has, too. */
export class TestBridge implements AsyncDisposable {
  /** Each ClientHello, and the name in it. */
  readonly hellos: ClientHello[] = [];
  readonly sentNames: (string | null)[] = [];
  /** The heads of all requests. */
  readonly requests: string[] = [];
  /** How many connections have come, and how many of them their clients have not closed yet. */
  accepted = 0;
  open = 0;
  readonly #listener: Deno.TcpListener;
  readonly #options: TestBridgeOptions;
  readonly #served = new Set<Promise<void>>();

  constructor(options: TestBridgeOptions = {}) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: options.hostname ?? "127.0.0.1", port: 0 });
    this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const conn of acceptAll(this.#listener)) {
      this.accepted++;
      this.open++;
      const serving = this.#serve(conn).catch(() => {}).finally(() => this.#untilClosed(conn));
      this.#served.add(serving);
    }
  }

  /** Waits until its client has closed a connection, and closes it. */
  async #untilClosed(conn: Deno.TcpConn): Promise<void> {
    const scrap = new Uint8Array(1024);
    while (await conn.read(scrap).catch(() => null) !== null);
    closeQuietly(conn);
    this.open--;
  }

  async #serve(tcp: Deno.TcpConn): Promise<void> {
    const { answer = GRANTED, behind = echo } = this.#options;
    const conn = await this.#startTls(tcp);
    if (conn === null) return;
    const { head, rest } = await readHead(conn, 65_536);
    this.requests.push(new TextDecoder("latin1").decode(head));
    await writeAll(conn, new TextEncoder().encode(answer));
    await behind(prefixed(conn, rest), () => tcp.closeWrite());
  }

  /** Starts TLS where there is some; null where it is refused. */
  async #startTls(tcp: Deno.TcpConn): Promise<StreamConn | null> {
    const { tls = { cert: TEST_CERTIFICATE, key: TEST_KEY }, refuses = {} } = this.#options;
    if (tls === null) return tcp;
    const hello = await takeHello(tcp);
    const name = sentName(hello);
    this.hellos.push(hello);
    this.sentNames.push(name);
    const refusal = refuses[name ?? ""];
    if (refusal === "hang up") await tcp.closeWrite();
    if (refusal !== undefined) return null;
    const over: StreamConn = { ...passing(tcp), close: () => {} };
    return await acceptTls(prefixed(over, hello.record), tls);
  }

  /** Where it listens. */
  get address(): Address {
    return [this.#listener.addr.hostname, this.#listener.addr.port];
  }

  /** Its address as `addr=` has it. */
  get addr(): string {
    const [host, port] = this.address;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /** Waits until its clients have closed every connection. */
  async untilClosed(): Promise<void> {
    while (this.open > 0) await Promise.all(this.#served);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.untilClosed();
    closeQuietly(this.#listener);
  }
}

/** A connection that passes everything on. */
function passing(conn: StreamConn): StreamConn {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}
