/**
 * What a transport and its program are, to `run()`.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { StreamConn } from "../net/conn.ts";

/**
 * What both halves of a transport are told.
 *
 * @example
 * ```ts
 * import type { TransportContext } from "@ptlib/ptlib/run";
 *
 * async function keyFile(context: TransportContext): Promise<string> {
 *   return `${await context.stateDirectory()}/key`;
 * }
 * ```
 */
export interface TransportContext {
  /** The directory in which the transport may keep files; it may not exist yet. */
  state_loc: string;
  /** Creates that directory, for this user alone, and resolves to its path. */
  stateDirectory(): Promise<string>;
  /** Aborts when the connection, or the whole transport, is at its end. */
  signal: AbortSignal;
}

/**
 * What the client half of a transport is told about a connection.
 *
 * @example
 * ```ts
 * import type { ClientContext } from "@ptlib/ptlib/run";
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * async function client({ args, dial }: ClientContext): Promise<StreamConn> {
 *   if (!args.has("secret")) throw new Error("the bridge line has no secret=");
 *   return await dial();
 * }
 * ```
 */
export interface ClientContext extends TransportContext {
  /** Where the user's program wants to go: the bridge. */
  target: Address;
  /** The arguments of the bridge line. */
  args: URLSearchParams;
  /**
   * Connects to the target, or to another address, as the parent wants it: through the upstream
   * proxy and from the source address that it has set. The connection is closed for you in the
   * end.
   */
  dial(target?: Readonly<Address>): Promise<StreamConn>;
}

/**
 * What the server half of a transport is told before it listens.
 *
 * @example
 * ```ts
 * import type { PublishContext } from "@ptlib/ptlib/run";
 *
 * function publish({ options }: PublishContext): [string, string][] {
 *   return [["secret", options.get("secret") ?? "swordfish"]];
 * }
 * ```
 */
export interface PublishContext extends TransportContext {
  /** What the operator has set with `ServerTransportOptions`. */
  options: URLSearchParams;
}

/**
 * What the server half of a transport is told about a connection.
 *
 * @example
 * ```ts
 * import type { ServerContext } from "@ptlib/ptlib/run";
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * function server(conn: Deno.TcpConn, { args }: ServerContext): StreamConn {
 *   if (!args.has("secret")) throw new Error("nothing was published");
 *   return conn;
 * }
 * ```
 */
export interface ServerContext extends PublishContext {
  /** What `publish` has published. */
  args: URLSearchParams;
  /** The client's address. Never log it. */
  clientAddress: Address;
}

/**
 * A transport: how a connection is wrapped at each end. One with a single half is known to that
 * half of the parent only.
 *
 * Each function may take 60 s. One that throws, or takes longer, ends its own connection and
 * nothing else.
 *
 * @example
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 * import type { Transport } from "@ptlib/ptlib/run";
 *
 * const invert = (bytes: Uint8Array) => bytes.forEach((byte, i) => bytes[i] = ~byte);
 * const wrap = (conn: StreamConn) => mapBytes(conn, { read: invert, write: invert });
 *
 * const inverted: Transport = {
 *   client: async ({ dial }) => wrap(await dial()),
 *   server: wrap,
 * };
 * ```
 */
export interface Transport {
  /**
   * Connects to the bridge and returns the connection that carries the user's bytes. What it
   * throws becomes a SOCKS reply, and a `LOG` line without addresses.
   */
  client?(context: ClientContext): StreamConn | Promise<StreamConn>;
  /** Takes a client's connection and returns the one that carries the user's bytes. */
  server?(conn: Deno.TcpConn, context: ServerContext): StreamConn | Promise<StreamConn>;
  /**
   * Returns what clients must know, before the server listens: the `ARGS` of its `SMETHOD` line,
   * printable ASCII without spaces. What it throws becomes an `SMETHOD-ERROR`.
   */
  publish?(
    context: PublishContext,
  ): Iterable<readonly [string, string]> | Promise<Iterable<readonly [string, string]>>;
}

/** Transports by their names. */
export type Transports = Readonly<Record<string, Transport>>;

/**
 * What a program says of itself.
 *
 * @example
 * ```ts
 * import type { RunOptions } from "@ptlib/ptlib/run";
 *
 * const options: RunOptions = { name: "rot13", version: "1.0.0" };
 * ```
 */
export interface RunOptions {
  /** The program's name. Default: the name of its file. */
  name?: string;
  /** The program's version. Default: none. */
  version?: string;
  /**
   * Whether the parent is told name and version, which a new tor publishes for a bridge. An older
   * tor warns about it and an older Arti fails. Default: `false`.
   */
  reportVersion?: boolean;
  /** Permission flags that each half needs beyond those of `run()`, for `--capabilities`. */
  permissions?: { client?: readonly string[]; server?: readonly string[] };
}
