/** A working upstream proxy on loopback, of any of the three kinds that `TOR_PT_PROXY` names. */

import { type Address, bytesToIp } from "../../address.ts";
import { acceptAll } from "../../net/accept.ts";
import { readFull, type StreamConn, writeAll } from "../../net/conn.ts";
import { relay } from "../../net/relay.ts";

/** The schemes of `TOR_PT_PROXY`. */
export const SCHEMES = ["http", "socks4a", "socks5"] as const;

/** One of them. */
export type Scheme = typeof SCHEMES[number];

const text = new TextDecoder();
const utf8 = new TextEncoder();

async function readUntilZero(conn: StreamConn): Promise<string> {
  const all: number[] = [];
  for (;;) {
    const [byte = 0] = await readFull(conn, new Uint8Array(1));
    if (byte === 0) return text.decode(Uint8Array.from(all));
    all.push(byte);
  }
}

async function readPort(conn: StreamConn): Promise<number> {
  const [high = 0, low = 0] = await readFull(conn, new Uint8Array(2));
  return high << 8 | low;
}

async function readSocks5Host(conn: StreamConn, type: number): Promise<string> {
  if (type !== 3) return bytesToIp(await readFull(conn, new Uint8Array(type === 1 ? 4 : 16)));
  const [length = 0] = await readFull(conn, new Uint8Array(1));
  return text.decode(await readFull(conn, new Uint8Array(length)));
}

async function readField(conn: StreamConn): Promise<string> {
  const [length = 0] = await readFull(conn, new Uint8Array(1));
  return text.decode(await readFull(conn, new Uint8Array(length)));
}

/** What a client asked for, and the bytes that grant it. */
export interface ProxyRequest {
  target: Address;
  user: string;
  password: string;
  grant: Uint8Array;
}

/** Reads the method that a SOCKS5 client offers, as ours do: one alone. */
export async function readSocks5Method(conn: StreamConn): Promise<number> {
  const [, , method = 0] = await readFull(conn, new Uint8Array(3));
  return method;
}

/** Reads the user and password of SOCKS5. */
export async function readSocks5Credentials(
  conn: StreamConn,
): Promise<[user: string, password: string]> {
  await readFull(conn, new Uint8Array(1));
  return [await readField(conn), await readField(conn)];
}

/** Reads the target of a SOCKS5 request. */
export async function readSocks5Target(conn: StreamConn): Promise<Address> {
  const [, , , type = 0] = await readFull(conn, new Uint8Array(4));
  return [await readSocks5Host(conn, type), await readPort(conn)];
}

async function readSocks5(conn: StreamConn): Promise<ProxyRequest> {
  const method = await readSocks5Method(conn);
  await writeAll(conn, Uint8Array.of(5, method));
  let [user, password] = ["", ""];
  if (method === 2) {
    [user, password] = await readSocks5Credentials(conn);
    await writeAll(conn, Uint8Array.of(1, 0));
  }
  const target = await readSocks5Target(conn);
  return { target, user, password, grant: Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0) };
}

/** Reads a SOCKS4a request. */
export async function readSocks4a(conn: StreamConn): Promise<ProxyRequest> {
  await readFull(conn, new Uint8Array(2));
  const port = await readPort(conn);
  const ip = bytesToIp(await readFull(conn, new Uint8Array(4)));
  const user = await readUntilZero(conn);
  const host = ip.startsWith("0.0.0.") ? await readUntilZero(conn) : ip;
  const grant = Uint8Array.of(0, 90, 0, 0, 0, 0, 0, 0);
  return { target: [host, port], user, password: "", grant };
}

/** Reads an HTTP CONNECT request. */
export async function readHttp(conn: StreamConn): Promise<ProxyRequest> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    head += text.decode(await readFull(conn, new Uint8Array(1)));
  }
  const [, host = "", port] = /^CONNECT \[?([^\s\]]+?)\]?:(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
  const basic = /^Proxy-Authorization: Basic (.*)\r$/m.exec(head)?.[1] ?? "";
  const [user = "", password = ""] = text.decode(Uint8Array.fromBase64(basic)).split(":");
  return {
    target: [host, Number(port)],
    user,
    password,
    grant: utf8.encode("HTTP/1.1 200 Connection established\r\n\r\n"),
  };
}

const READERS = { http: readHttp, socks4a: readSocks4a, socks5: readSocks5 } as const;

/**
 * A proxy that connects to whatever it is asked for, or to one place instead, and remembers what
 * it was asked for. It relays with half-close. Disposing of it closes all it has.
 */
export class UpstreamProxy implements Disposable {
  /** The proxy as `dial()` takes it. */
  readonly info: { scheme: Scheme; host: string; port: number };
  /** Every target that was asked for, with the user and password given. */
  readonly requests: { target: Address; user: string; password: string }[] = [];
  /** The address of every client. */
  readonly clients: string[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Deno.TcpConn>();

  /** Starts a proxy at an IP address; with `instead`, every connection goes there. */
  constructor(scheme: Scheme, instead?: Address, host = "127.0.0.1") {
    this.#listener = Deno.listen({ hostname: host, port: 0 });
    this.info = { scheme, host, port: this.#listener.addr.port };
    this.#serve(scheme, instead);
  }

  async #serve(scheme: Scheme, instead?: Address): Promise<void> {
    for await (const conn of acceptAll(this.#listener)) {
      this.#conns.add(conn);
      this.clients.push(conn.remoteAddr.hostname);
      this.#connect(conn, scheme, instead).catch(() => conn[Symbol.dispose]());
    }
  }

  async #connect(conn: Deno.TcpConn, scheme: Scheme, instead?: Address): Promise<void> {
    const { grant, ...request } = await READERS[scheme](conn);
    this.requests.push(request);
    const [hostname, port] = instead ?? request.target;
    const onward = await Deno.connect({ hostname, port });
    this.#conns.add(onward);
    await writeAll(conn, grant);
    await relay(conn, onward);
  }

  /** Closes the listener and every connection. */
  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#conns) conn[Symbol.dispose]();
  }
}
