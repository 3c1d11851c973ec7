/** The dummy programs as a parent starts them, and connections through them. */

import type { Address } from "../../address.ts";
import { writeAll } from "../../net/mod.ts";
import { dialTransport } from "../../parent/mod.ts";
import type { Variables } from "../environment.ts";
import { RawChild } from "../raw_child.ts";

/** What either half may do here. */
const FLAGS = ["--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1,[::1]"];

/** The command of one of the dummy programs. */
export function dummy(half: "client" | "server"): string[] {
  const path = new URL(`../../examples/dummy_${half}.ts`, import.meta.url).pathname;
  return [Deno.execPath(), "run", ...FLAGS, path];
}

/** What tor sets for the client, without an upstream proxy. */
export const CLIENT: Variables = {
  MANAGED_TRANSPORT_VER: "1",
  STATE_LOCATION: "/nowhere",
  EXIT_ON_STDIN_CLOSE: "1",
  CLIENT_TRANSPORTS: "dummy",
};

/** What tor sets for the server, with an ORPort at which nobody listens. */
export const SERVER: Variables = {
  MANAGED_TRANSPORT_VER: "1",
  STATE_LOCATION: "/nowhere",
  EXIT_ON_STDIN_CLOSE: "1",
  SERVER_TRANSPORTS: "dummy",
  SERVER_BINDADDR: "dummy-127.0.0.1:0",
  ORPORT: "127.0.0.1:1",
};

/** Connects to a target through the client that listens on a port. */
export async function dialThrough(port: number, target: Address): Promise<Deno.TcpConn> {
  return await dialTransport({ socksVersion: 5, address: ["127.0.0.1", port] }, target);
}

/** Bytes that are nowhere the same. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  // It fills 64 KiB at most.
  for (let i = 0; i < length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
  return bytes;
}

/** Sends all of some bytes, and the end. */
export async function sendAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  await writeAll(conn, bytes);
  await conn.closeWrite();
}

/** Resolves when the peer has ended the connection, in whatever way. */
export async function ended(conn: Deno.Conn): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(65536)) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

/** Both halves, one behind the other, in front of an address. */
export class Chain implements AsyncDisposable {
  readonly client = new RawChild(dummy("client"), CLIENT);
  readonly server: RawChild;

  constructor([host, port]: Address) {
    this.server = new RawChild(dummy("server"), { ...SERVER, ORPORT: `${host}:${port}` });
  }

  async start(): Promise<void> {
    await Promise.all([this.client.until("CMETHODS DONE"), this.server.until("SMETHODS DONE")]);
  }

  /** Where the server listens for its client. */
  get bridge(): Address {
    return ["127.0.0.1", this.server.port("dummy")];
  }

  /** A connection through both. */
  async connect(): Promise<Deno.TcpConn> {
    return await dialThrough(this.client.port("dummy"), this.bridge);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
