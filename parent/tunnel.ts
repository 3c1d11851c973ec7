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
import { DialError } from "../net/dial.ts";
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
 * A bridge, and the transport to it. What `parseBridgeLine()` returns is one where it names a
 * transport.
 *
 * @example
 * ```ts
 * import type { TunnelBridge } from "@ptlib/ptlib/parent";
 *
 * const bridge: TunnelBridge = {
 *   transport: "obfs4",
 *   address: ["192.0.2.7", 5678],
 *   args: [["cert", "..."], ["iat-mode", "0"]],
 * };
 * ```
 */
export interface TunnelBridge {
  /** The transport's name. */
  transport: string;
  /** Where the server's end listens. */
  address: Readonly<Address>;
  /** What the transport needs to know, such as the server's certificate. */
  args?: Iterable<readonly [string, string]> | undefined;
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
  /**
   * Other bridges, of the same program's transports. When a bridge cannot be reached, the next one
   * is tried; new connections begin with the one that was reached last.
   */
  fallbacks?: readonly TunnelBridge[] | undefined;
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

function toParams(args: Iterable<readonly [string, string]>): URLSearchParams {
  return new URLSearchParams(Array.from(args, ([key, value]) => [key, value]));
}

/** The bridges of a tunnel, the first one first; their arguments can be read again and again. */
function bridgesOf(options: TunnelClientOptions) {
  const { transport, bridge: address, args, fallbacks = [] } = options;
  return [{ transport, address, args }, ...fallbacks].map((bridge) => ({
    ...bridge,
    args: toParams(bridge.args ?? []),
  }));
}

/** What a connection fails with that has tried several bridges. */
function noBridgeError(failures: readonly unknown[]): DialError {
  const reasons = failures.map((error) => error instanceof Error ? error.message : String(error));
  const sentence = `None of ${failures.length} bridges could be reached`;
  return new DialError(`${sentence}: ${[...new Set(reasons)].join("; ")}`, {
    cause: failures.at(-1),
  });
}

class ClientTunnel implements Tunnel {
  readonly address: Address;
  readonly args: URLSearchParams;
  readonly process: TransportProcess<ClientMethod>;
  readonly exited: Promise<TransportExit>;
  readonly #listener: Deno.TcpListener;
  /** Those that the program has a transport for. */
  readonly #bridges: readonly { method: ClientMethod; address: Address; args: URLSearchParams }[];
  /** The one that was reached last. */
  #current = 0;
  readonly #onEnd: ((connection: TunnelledConnection) => void) | undefined;
  readonly #end = new AbortController();
  readonly #open = new Set<Promise<void>>();

  constructor(
    listener: Deno.TcpListener,
    process: TransportProcess<ClientMethod>,
    options: TunnelClientOptions,
  ) {
    this.address = [listener.addr.hostname, listener.addr.port];
    this.process = process;
    this.#listener = listener;
    const bridges = bridgesOf(options);
    this.args = bridges[0]?.args ?? new URLSearchParams();
    this.#bridges = bridges.flatMap(({ transport, address: [host, port], args }) => {
      const method = process.methods[transport];
      return method === undefined ? [] : [{ method, address: [host, port], args }];
    });
    this.#onEnd = options.onEnd;
    this.exited = this.#exit(this.#accept());
  }

  async #accept(): Promise<void> {
    for await (const conn of acceptAll(this.#listener, { signal: this.#end.signal })) {
      const carried = this.#carry(conn);
      this.#open.add(carried);
      carried.finally(() => this.#open.delete(carried));
    }
  }

  /** Connects to the first bridge that can be reached. */
  async #dial(signal: AbortSignal): Promise<Deno.TcpConn> {
    const failures: unknown[] = [];
    const [first, count] = [this.#current, this.#bridges.length];
    for (let turn = 0; turn < count; turn++) {
      const index = (first + turn) % count;
      const { method, address, args } = this.#bridges[index]!;
      try {
        const conn = await dialTransport(method, address, args, { signal });
        this.#current = index;
        return conn;
      } catch (error) {
        if (signal.aborted || count === 1) throw error;
        failures.push(error);
      }
    }
    throw noBridgeError(failures);
  }

  async #carry(conn: Deno.TcpConn): Promise<void> {
    const { signal } = this.#end;
    let connection: TunnelledConnection;
    try {
      const through = await this.#dial(signal);
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
    const { transport, fallbacks = [] } = options;
    const transports = new Set([transport, ...fallbacks.map(({ transport }) => transport)]);
    const process = await launchClient(command, { ...options, transports: [...transports] });
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
