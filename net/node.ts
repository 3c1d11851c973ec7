/**
 * What only `node:` can do: connections that are streams of node's, and TCP connections from a
 * source address (`TOR_PT_OUTBOUND_BIND_ADDRESS_V4` and `_V6`, pt-spec section 3.2.1). Each of its
 * modules is loaded when it is used.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import { type Address, ipToBytes, isLoopback, unmappedIp } from "../address.ts";
import type { BindAddresses } from "../config.ts";
import {
  ChunkReader,
  closeQuietly,
  connectTcp,
  Deadline,
  handshake,
  type StreamConn,
  unlessAborted,
  writeAll,
} from "./conn.ts";

const CLOSED = "The connection was closed";

/** What Deno's own connections throw where node's have these codes: the words and the class. */
const MEANINGS: Readonly<
  Record<string, [words: string, Class?: new (words: string, options: ErrorOptions) => Error]>
> = {
  EADDRNOTAVAIL: ["Address not available", Deno.errors.AddrNotAvailable],
  EAI_AGAIN: ["The name was not found for now"],
  ECANCELED: [CLOSED, Deno.errors.Interrupted],
  ECONNABORTED: ["Connection aborted", Deno.errors.ConnectionAborted],
  ECONNREFUSED: ["Connection refused", Deno.errors.ConnectionRefused],
  ECONNRESET: ["Connection reset by peer", Deno.errors.ConnectionReset],
  EHOSTUNREACH: ["No route to host"],
  ENETUNREACH: ["Network is unreachable", Deno.errors.NetworkUnreachable],
  ENOTFOUND: ["The name was not found"],
  EPIPE: ["Broken pipe", Deno.errors.BrokenPipe],
  ERR_STREAM_DESTROYED: [CLOSED, Deno.errors.Interrupted],
  ERR_STREAM_PREMATURE_CLOSE: [CLOSED, Deno.errors.Interrupted],
  ETIMEDOUT: ["Connection timed out", Deno.errors.TimedOut],
};

/**
 * Turns an error of node's into the one that Deno throws in its place. Its message holds no
 * address, as node's does; its `code` stays.
 */
export function denoError(cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  const { code } = cause;
  if (typeof code !== "string" || !/^E[A-Z_]+$/.test(code)) return cause;
  const [words, Class = Error] = MEANINGS[code] ?? [code];
  return Object.assign(new Class(words, { cause }), { code });
}

/** A stream of node's as a connection. */
class DuplexConn implements StreamConn {
  readonly #duplex: Duplex;
  readonly #reader: ChunkReader;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    const chunks = duplex.iterator({ destroyOnReturn: false });
    this.#reader = new ChunkReader(async () => {
      try {
        const { done, value } = await chunks.next();
        return done ? null : value;
      } catch (error) {
        throw denoError(error);
      }
    });
    // Each error reaches who waits in read or write; as an event nobody hears it would be fatal.
    duplex.on("error", () => {});
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#reader.read(p);
  }

  async write(p: Uint8Array): Promise<number> {
    // The callback comes when the kernel has the bytes, so that waiting is the back-pressure.
    await this.#settled((done) => this.#duplex.write(p, done));
    return p.length;
  }

  async closeWrite(): Promise<void> {
    await this.#settled((done) => this.#duplex.end(done));
  }

  /** Waits for a callback of the stream's, or for its end: it forgets its callbacks then. */
  #settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = () => done(this.#duplex.errored ?? new Deno.errors.Interrupted(CLOSED));
      const done = (error?: Error | null) => {
        this.#duplex.off("close", ended);
        if (error) reject(denoError(error));
        else resolve();
      };
      this.#duplex.once("close", ended);
      start(done);
    });
  }

  close(): void {
    this.#duplex.destroy();
  }
}

/**
 * Makes a connection of a stream of node's, such as a `Socket` or a `TLSSocket`.
 *
 * @param duplex The stream, with `allowHalfOpen` if the connection is to be half-closed by the
 * peer. From now on nobody else reads it.
 * @returns The connection. Closing it destroys the stream.
 */
export function fromDuplex(duplex: Duplex): StreamConn {
  return new DuplexConn(duplex);
}

const CHUNK = 16 * 1024;

/**
 * Makes a stream of node's from a connection, for what takes only those, such as `node:tls`.
 *
 * @param conn The connection. From now on nobody else reads or writes it.
 * @returns The stream. Destroying it closes the connection.
 */
export async function toDuplex(conn: StreamConn): Promise<Duplex> {
  const { Duplex } = await import("node:stream");
  return new Duplex({
    allowHalfOpen: true,
    read() {
      const chunk = new Uint8Array(CHUNK);
      conn.read(chunk).then(
        (count) => this.push(count === null ? null : chunk.subarray(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(chunk: Uint8Array, _encoding, done) {
      writeAll(conn, chunk).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      closeQuietly(conn);
      done(error);
    },
  });
}

/**
 * Chooses the source address for a destination: the one of its family, none for loopback.
 *
 * @param host The destination's IP address, without brackets.
 * @param bindAddress The source addresses there are.
 * @returns The source address; `null` where the system chooses.
 * @throws {TypeError} When the host is a name.
 */
export function sourceAddress(
  host: string,
  bindAddress: Readonly<BindAddresses>,
): string | null {
  const ip = unmappedIp(host);
  if (ip === null) throw new TypeError("A source address goes with an IP address, not a name");
  if (isLoopback(ip)) return null;
  return ip.includes(":") ? bindAddress.v6 : bindAddress.v4;
}

/** In `node:net` a missing permission for the source address is an error nobody can catch. */
function checkPermission(source: string): void {
  const host = source.includes(":") ? `[${source}]:0` : `${source}:0`;
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  throw new Deno.errors.NotCapable(
    "Deno was not granted the source address of TOR_PT_OUTBOUND_BIND_ADDRESS; " +
      "add it with port 0 to --allow-net",
  );
}

/** node's errors for a source address that is not this machine's. */
function sourceError(error: unknown): unknown {
  const bind = error instanceof Error && "syscall" in error && error.syscall === "bind";
  if (!bind) return denoError(error);
  return new Deno.errors.AddrNotAvailable(
    "The source address of TOR_PT_OUTBOUND_BIND_ADDRESS is not one of this machine",
    { cause: error },
  );
}

/**
 * Opens a TCP connection from a source address. Both are IP addresses of one family.
 *
 * @param source The source address, without brackets.
 * @param target The IP address and port to connect to.
 * @param signal Ends the attempt.
 * @returns The connection, with `TCP_NODELAY` set.
 * @throws {Deno.errors.NotCapable} When Deno was not granted the source address (with port 0) or
 * the target.
 * @throws {Deno.errors.AddrNotAvailable} When the source address is not one of this machine.
 * @throws {Deno.errors.ConnectionRefused} When the target refuses.
 * @throws {unknown} The signal's reason when it aborts.
 */
export async function connectFrom(
  source: string,
  target: Readonly<Address>,
  signal: AbortSignal,
): Promise<StreamConn> {
  checkPermission(source);
  const { connect } = await import("node:net");
  signal.throwIfAborted();
  const socket = connect({
    host: target[0],
    port: target[1],
    localAddress: source,
    allowHalfOpen: true,
    noDelay: true,
  });
  const conn = fromDuplex(socket);
  await handshake(conn, signal, () =>
    new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => reject(sourceError(error)));
      socket.once("close", () => reject(new Deno.errors.Interrupted(CLOSED)));
    }));
  return conn;
}

/** The addresses of a name in the order of the system's preference (RFC 6724). */
async function resolve(name: string, signal: AbortSignal): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  try {
    const found = await unlessAborted(lookup(name, { all: true, verbatim: true }), signal);
    return found.map(({ address }) => address);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof Error && "code" in cause && cause.code === "EPERM")) {
      throw denoError(cause);
    }
    throw new Deno.errors.NotCapable(
      "Deno was not granted to resolve a name for a source address; run it with --allow-net",
      { cause },
    );
  }
}

async function connectIp(
  host: string,
  port: number,
  bindAddress: Readonly<BindAddresses>,
  signal: AbortSignal,
): Promise<StreamConn> {
  const source = sourceAddress(host, bindAddress);
  if (source === null) return await connectTcp([host, port], signal);
  return await connectFrom(source, [unmappedIp(host) ?? host, port], signal);
}

/** How long one address of a name may keep the next one waiting, in milliseconds. */
const LONGEST_ATTEMPT = 10_000;

/**
 * Opens a TCP connection from the source address of the target's family; of the system's choice
 * for loopback and for a family without one.
 *
 * A name may have addresses of both families. They are tried one after the other, each from its
 * own source address and each for at most 10 s. Deno cannot know these addresses beforehand, so
 * a name needs `--allow-net` without a list.
 *
 * @param target An IP address without brackets or a name, and a port.
 * @param bindAddress The source addresses.
 * @param signal Ends the attempt.
 * @returns The connection, with `TCP_NODELAY` set.
 * @throws {Error} What {@linkcode connectFrom} throws, or `Deno.connect`; for a name what the
 * last attempt threw.
 */
export async function connectBound(
  [host, port]: Readonly<Address>,
  bindAddress: Readonly<BindAddresses>,
  signal: AbortSignal,
): Promise<StreamConn> {
  if (ipToBytes(host) !== null) return await connectIp(host, port, bindAddress, signal);
  let failure: unknown;
  for (const address of await resolve(host, signal)) {
    using attempt = new Deadline(LONGEST_ATTEMPT, "The connection to an address of it", signal);
    try {
      return await connectIp(address, port, bindAddress, attempt.signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}
