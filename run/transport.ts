/**
 * What a transport and its program are, to `run()`.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { StreamConn } from "../net/conn.ts";

/**
 * A flag of a program's own, in the form that `parseArgs()` of `node:util` takes.
 *
 * @example
 * ```ts
 * import type { FlagOption } from "@ptlib/ptlib/run";
 *
 * const level: FlagOption = { type: "string", short: "l", default: "notice", description: "..." };
 * ```
 */
export interface FlagOption {
  /** Whether it takes a value, as in `--level notice`, or is a switch. */
  type: "string" | "boolean";
  /** One letter for it, as in `-l notice`. */
  short?: string;
  /** Whether it may come several times; its value is an array then. */
  multiple?: boolean;
  /** Its value if it is not given. */
  default?: string | boolean | string[] | boolean[];
  /** A line about it for `--help`. */
  description?: string;
}

/**
 * What a program's flags were set to, by their names.
 *
 * @example
 * ```ts
 * import type { Flags } from "@ptlib/ptlib/run";
 *
 * const isLoud = (flags: Flags) => flags["level"] === "debug";
 * ```
 */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

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
  /** What the program was started with, of the flags it has (`RunOptions.flags`). */
  flags: Flags;
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
 * function server(conn: StreamConn, { args }: ServerContext): StreamConn {
 *   if (!args.has("secret")) throw new Error("nothing was published");
 *   return conn;
 * }
 * ```
 */
export interface ServerContext extends PublishContext {
  /** What `publish` has published. */
  args: URLSearchParams;
  /** The client's address, as the connection has it. Never log it. */
  clientAddress: Address;
  /**
   * Keeps the connection open until a promise is settled, even beyond the 60 s, which begin again
   * then, like `waitUntil()` of a service worker's event. It is for connections that the transport handles itself, where
   * `server()` returns `null`.
   */
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * What a server publishes, where that is more than arguments.
 *
 * @example
 * ```ts
 * import type { Published } from "@ptlib/ptlib/run";
 *
 * // Behind NAT: what clients connect to is not what is bound here.
 * const published: Published = { args: [["cert", "AAAA"]], address: ["203.0.113.7", 443] };
 * ```
 */
export interface Published {
  /** What clients need to know: the `ARGS` of the `SMETHOD` line. Default: nothing. */
  args?: Iterable<readonly [string, string]>;
  /**
   * The address of the `SMETHOD` line, which tor publishes. Default: where the server listens.
   */
  address?: Readonly<Address>;
}

/**
 * A client's connection, with an address that the transport knows better than the connection.
 *
 * @example
 * ```ts
 * import type { StreamConn } from "@ptlib/ptlib/net";
 * import type { Accepted } from "@ptlib/ptlib/run";
 *
 * // Behind a web server, which says in a header who is there.
 * function accept(conn: StreamConn, forwardedFor: string): Accepted {
 *   return { conn, clientAddress: [forwardedFor, 60_000] };
 * }
 * ```
 */
export interface Accepted {
  /** The connection that carries the user's bytes. */
  conn: StreamConn;
  /**
   * The client's address. tor is told none where it is `null`, or where the host is not an IP
   * address: what stands in a header can be anything.
   */
  clientAddress: Readonly<Address> | null;
}

/**
 * A transport: how a connection is wrapped at each end. One that has only `client` is not offered
 * when the parent asks for a server, and the other way round.
 *
 * Each function may take 60 s, and `publish()` 15 s. One that throws, or takes longer, ends its own connection and
 * nothing else.
 *
 * @example
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 * import type { Transport } from "@ptlib/ptlib/run";
 *
 * const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 * const invert = (conn: StreamConn) => mapBytes(conn, { read: inverted, write: inverted });
 *
 * const transport: Transport = {
 *   client: async ({ dial }) => invert(await dial()),
 *   server: invert,
 * };
 * ```
 */
export interface Transport {
  /**
   * Connects to the bridge and returns the connection that carries the user's bytes. What it
   * throws becomes a SOCKS reply, and a `LOG` line without addresses.
   */
  client?(context: ClientContext): StreamConn | Promise<StreamConn>;
  /**
   * Takes a client's connection and returns the one that carries the user's bytes. It returns
   * `null` if it has handled the connection itself, for example as a decoy web site. The
   * connection is then closed, or later, when all promises given to `waitUntil()` are settled.
   */
  server?(conn: StreamConn, context: ServerContext): ServerResult | Promise<ServerResult>;
  /**
   * Is called before the server listens. Returns the `ARGS` of its `SMETHOD` line, printable ASCII
   * without spaces, and also an address if the one to publish is not the one it listens on.
   * What it throws becomes an `SMETHOD-ERROR`.
   */
  publish?(context: PublishContext): PublishResult | Promise<PublishResult>;
}

/** What the `server()` of a transport returns. */
export type ServerResult = StreamConn | Accepted | null;

/** What the `publish()` of a transport returns. */
export type PublishResult = Iterable<readonly [string, string]> | Published;

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
   * What a person has to know beyond the permissions, such as the options that its server needs and
   * where its documents are: lines for `--help`, and for whoever starts it by hand. Default: none.
   */
  about?: string;
  /**
   * Whether the parent is told name and version, which a new tor publishes for a bridge. An older
   * tor warns about it and an older Arti fails. Default: `false`.
   */
  reportVersion?: boolean;
  /** Permission flags that each half needs beyond those of `run()`, for `--capabilities`. */
  permissions?: { client?: readonly string[]; server?: readonly string[] };
  /**
   * The narrowest permission flags, a line for each way to run each half, for `--help` and
   * `--capabilities`. Default: what `run()` itself needs.
   */
  narrowed?: { client?: readonly string[]; server?: readonly string[] };
  /**
   * Flags of the program's own, by their names, as torrc lines pass them. `--help` and
   * `--capabilities` show them, and each transport is handed what they were set to. `help`,
   * `capabilities` and `version` are `run()`'s.
   */
  flags?: Readonly<Record<string, FlagOption>>;
}
