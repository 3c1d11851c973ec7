/**
 * Any TCP service through any pluggable transport, without tor: a server half in front of the
 * service, and a client half behind a local port.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly } from "../net/conn.ts";
import { relay } from "../net/relay.ts";
import { dialTransport } from "./dial_transport.ts";
import {
  launchClient,
  type LaunchOptions,
  launchServer,
  type TransportExit,
  type TransportProcess,
} from "./launch.ts";
import type { ClientMethod, ServerMethod } from "./line.ts";

/**
 * What became of one connection through a tunnel.
 *
 * @example
 * ```ts
 * import type { TunnelledConnection } from "@ptlib/ptlib/parent";
 *
 * const total = ({ sent, received }: TunnelledConnection) => sent + received;
 * ```
 */
export interface TunnelledConnection {
  /** Bytes that went into the transport. */
  sent: number;
  /** Bytes that came out of it. */
  received: number;
  /**
   * What ended it early: a {@linkcode DialError} when there was no way to the bridge, otherwise
   * for instance a reset; `null` after a normal end.
   */
  error: unknown;
}

/**
 * What the client's end of a tunnel takes.
 *
 * @example
 * ```ts
 * import { parseSocksArgs } from "@ptlib/ptlib/args";
 * import type { TunnelClientOptions } from "@ptlib/ptlib/parent";
 *
 * const options: TunnelClientOptions = {
 *   transport: "obfs4",
 *   listen: ["127.0.0.1", 1234],
 *   bridge: ["192.0.2.7", 5678],
 *   args: parseSocksArgs("cert=...;iat-mode=0"),
 *   stateDirectory: "/var/lib/my-tunnel",
 * };
 * ```
 */
export interface TunnelClientOptions extends LaunchOptions {
  /** The transport's name. */
  transport: string;
  /** Where to listen; port 0 is a port of the system's choice. */
  listen: Readonly<Address>;
  /** Where the server's end listens. */
  bridge: Readonly<Address>;
  /** What the transport needs to know, such as the server's certificate. */
  args?: Iterable<readonly [string, string]> | undefined;
  /** The upstream proxy, through which alone the transport may connect. */
  proxy?: ProxyInfo | undefined;
  /** Is called when a connection has ended, or has failed. */
  onEnd?: ((connection: TunnelledConnection) => void) | undefined;
}

/**
 * What the server's end of a tunnel takes.
 *
 * @example
 * ```ts
 * import type { TunnelServerOptions } from "@ptlib/ptlib/parent";
 *
 * const options: TunnelServerOptions = {
 *   transport: "obfs4",
 *   listen: ["127.0.0.1", 5678],
 *   forward: ["127.0.0.1", 22],
 *   stateDirectory: "/var/lib/my-tunnel",
 * };
 * ```
 */
export interface TunnelServerOptions extends LaunchOptions {
  /** The transport's name. */
  transport: string;
  /** Where the transport listens; port 0 is a port of its choice. */
  listen: Readonly<Address>;
  /** The service behind it. */
  forward: Readonly<Address>;
  /** The transport's options, such as a key. */
  options?: Iterable<readonly [string, string]> | undefined;
}

/**
 * One end of a tunnel. Disposing of it ends it.
 *
 * @example
 * ```ts
 * import type { Tunnel } from "@ptlib/ptlib/parent";
 *
 * async function untilItDies(tunnel: Tunnel): Promise<void> {
 *   const { code } = await tunnel.exited;
 *   throw new Error(`the transport ended with status ${code}`);
 * }
 * ```
 */
export interface Tunnel extends AsyncDisposable {
  /** Where it listens. */
  readonly address: Address;
  /**
   * What the other end needs to know, on a server such as its certificate; the client's end
   * passes on what it was given.
   */
  readonly args: URLSearchParams;
  /** The program that runs the transport. */
  readonly process: TransportProcess<ClientMethod | ServerMethod>;
  /** Resolves when the program has ended, and with it the tunnel. */
  readonly exited: Promise<TransportExit>;
  /** Ends the listener, the connections and the program. */
  close(): Promise<TransportExit>;
}

/** The method of the only transport; without one the launch would have failed. */
function onlyMethod<M extends ClientMethod | ServerMethod>(process: TransportProcess<M>): M {
  const [method] = Object.values(process.methods);
  if (method === undefined) throw new TypeError("A launched transport has a method");
  return method;
}

class ClientTunnel implements Tunnel {
  readonly address: Address;
  readonly args: URLSearchParams;
  readonly process: TransportProcess<ClientMethod>;
  readonly exited: Promise<TransportExit>;
  readonly #listener: Deno.TcpListener;
  readonly #bridge: Readonly<Address>;
  readonly #onEnd: ((connection: TunnelledConnection) => void) | undefined;
  readonly #end = new AbortController();
  readonly #open = new Set<Promise<void>>();

  constructor(
    listener: Deno.TcpListener,
    process: TransportProcess<ClientMethod>,
    options: TunnelClientOptions,
  ) {
    this.address = [listener.addr.hostname, listener.addr.port];
    this.args = new URLSearchParams([...options.args ?? []].map(([key, value]) => [key, value]));
    this.process = process;
    this.#listener = listener;
    this.#bridge = options.bridge;
    this.#onEnd = options.onEnd;
    this.exited = this.#exit(this.#accept());
  }

  async #accept(): Promise<void> {
    const method = onlyMethod(this.process);
    for await (const conn of acceptAll(this.#listener, { signal: this.#end.signal })) {
      const carried = this.#carry(conn, method);
      this.#open.add(carried);
      carried.finally(() => this.#open.delete(carried));
    }
  }

  async #carry(conn: Deno.TcpConn, method: ClientMethod): Promise<void> {
    const { signal } = this.#end;
    let connection: TunnelledConnection;
    try {
      const through = await dialTransport(method, this.#bridge, this.args, { signal });
      connection = await relay(conn, through, { signal });
    } catch (error) {
      closeQuietly(conn);
      connection = { sent: 0, received: 0, error };
    }
    try {
      this.#onEnd?.(connection);
    } catch (error) {
      reportError(error); // As an event listener's.
    }
  }

  async #exit(accepting: Promise<void>): Promise<TransportExit> {
    const exit = await this.process.exited;
    this.#end.abort();
    await accepting;
    await Promise.all(this.#open);
    return exit;
  }

  async close(): Promise<TransportExit> {
    this.#end.abort();
    await this.process.close();
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class ServerTunnel implements Tunnel {
  readonly address: Address;
  readonly args: URLSearchParams;
  readonly process: TransportProcess<ServerMethod>;

  constructor(process: TransportProcess<ServerMethod>) {
    const { address, args } = onlyMethod(process);
    this.address = address;
    this.args = args;
    this.process = process;
  }

  get exited(): Promise<TransportExit> {
    return this.process.exited;
  }

  async close(): Promise<TransportExit> {
    return await this.process.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens the client's end of a tunnel: a local TCP port whose connections go through a transport to
 * its server.
 *
 * @param command The program that has the transport, and its arguments.
 * @param options The transport, where to listen, where the server is.
 * @returns The tunnel, ready for connections.
 * @throws {LaunchError} When the program cannot be launched.
 * @throws {Deno.errors.AddrInUse} When somebody listens there already.
 * @throws {TypeError} When the transport's name is not valid, or the proxy's host is not numeric.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { tunnelClient } from "@ptlib/ptlib/parent";
 *
 * async function ssh(cert: string): Promise<void> {
 *   await using tunnel = await tunnelClient(["obfs4proxy"], {
 *     transport: "obfs4",
 *     listen: ["127.0.0.1", 0],
 *     bridge: ["192.0.2.7", 5678],
 *     args: [["cert", cert], ["iat-mode", "0"]],
 *     stateDirectory: "/var/lib/my-tunnel",
 *   });
 *   const [host, port] = tunnel.address;
 *   await new Deno.Command("ssh", { args: ["-p", `${port}`, host] }).spawn().status;
 * }
 * ```
 */
export async function tunnelClient(
  command: readonly string[],
  options: Readonly<TunnelClientOptions>,
): Promise<Tunnel> {
  const [hostname, port] = options.listen;
  const listener = Deno.listen({ hostname, port });
  try {
    const process = await launchClient(command, { ...options, transports: [options.transport] });
    return new ClientTunnel(listener, process, options);
  } catch (error) {
    listener.close();
    throw error;
  }
}

/**
 * Opens the server's end of a tunnel: a transport's server that forwards its clients to a TCP
 * service.
 *
 * @param command The program that has the transport, and its arguments.
 * @param options The transport, where it listens, where the service is.
 * @returns The tunnel, ready for clients; its `args` are what they need.
 * @throws {LaunchError} When the program cannot be launched.
 * @throws {TypeError} When the transport's name is not valid, or an address is not numeric.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { tunnelServer } from "@ptlib/ptlib/parent";
 *
 * async function serveSsh(): Promise<void> {
 *   await using tunnel = await tunnelServer(["obfs4proxy"], {
 *     transport: "obfs4",
 *     listen: ["0.0.0.0", 5678],
 *     forward: ["127.0.0.1", 22],
 *     stateDirectory: "/var/lib/my-tunnel",
 *   });
 *   console.error(`clients need this certificate: ${tunnel.args.get("cert")}`);
 *   await tunnel.exited;
 * }
 * ```
 */
export async function tunnelServer(
  command: readonly string[],
  options: Readonly<TunnelServerOptions>,
): Promise<Tunnel> {
  const { transport, listen, forward } = options;
  const process = await launchServer(command, {
    ...options,
    transports: { [transport]: { bindAddress: listen, options: options.options } },
    orport: forward,
  });
  return new ServerTunnel(process);
}
