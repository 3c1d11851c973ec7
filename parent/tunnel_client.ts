/**
 * The client's end of a tunnel: a local port, or a Unix socket, whose connections go through a
 * transport to a bridge.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly, type StreamConn } from "../net/conn.ts";
import { DialError } from "../net/dial.ts";
import { relay } from "../net/relay.ts";
import { dialTransport } from "./dial_transport.ts";
import { launchClient, type LaunchOptions, type TransportProcess } from "./launch.ts";
import type { ClientMethod } from "./line.ts";
import { OpenTunnel, type Tunnel, type TunnelledConnection } from "./tunnel.ts";
import { isUnixSocket, listenUnix, type UnixSocket } from "./unix_socket.ts";

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
  /** Where the server's end listens; the host may be a name. */
  address: Readonly<Address>;
  /** What the transport needs to know, such as the server's certificate. */
  args?: Iterable<readonly [string, string]> | undefined;
}

/**
 * What a tunnel meets on the way to its bridges, before a connection has ended.
 *
 * @example
 * ```ts
 * import type { BridgeTrouble } from "@ptlib/ptlib/parent";
 *
 * function tell({ bridge, bridges, error }: BridgeTrouble): void {
 *   const what = error === null ? "lets us wait" : "could not be reached";
 *   console.error(`bridge ${bridge} of ${bridges} ${what}`);
 * }
 * ```
 */
export interface BridgeTrouble {
  /** Which bridge: 1 is the first, and its fallbacks follow. */
  bridge: number;
  /** How many there are. */
  bridges: number;
  /** Why it could not be reached; `null` where it is still waited for, after 10 s. */
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
  /**
   * Where to listen: an address, of which port 0 is a port of the system's choice, or a Unix socket,
   * whose file is removed at the end.
   */
  listen: Readonly<Address> | UnixSocket;
  /**
   * Where the server's end listens. A host that is not numeric is given to the program as a name,
   * which looks it up, through the proxy where there is one.
   */
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
  /**
   * Is called when one bridge of several could not be reached, and when a bridge does not answer for
   * 10 s: once, until it answers again.
   */
  onTrouble?: ((trouble: BridgeTrouble) => void) | undefined;
}

/** How long a bridge may take until that is told, in milliseconds. */
const SLOW = 10_000;

/** A bridge for which the program has a transport. */
interface ReachableBridge {
  /** Its number among all bridges. */
  number: number;
  method: ClientMethod;
  address: Readonly<Address>;
  args: URLSearchParams;
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

/** Those for which the program has a transport. */
function reachable(
  bridges: ReturnType<typeof bridgesOf>,
  { methods }: TransportProcess<ClientMethod>,
): ReachableBridge[] {
  return bridges.flatMap(({ transport, address, args }, index) => {
    const method = methods[transport];
    return method === undefined ? [] : [{ number: index + 1, method, address, args }];
  });
}

/** What a connection fails with that has tried several bridges. */
function noBridgeError(failures: readonly unknown[]): DialError {
  const reasons = failures.map((error) => error instanceof Error ? error.message : String(error));
  const sentence = `None of ${failures.length} bridges could be reached`;
  return new DialError(`${sentence}: ${[...new Set(reasons)].join("; ")}`, {
    cause: failures.at(-1),
  });
}

/** Connects to bridges: first to the one that was reached last. */
class BridgeDialer {
  readonly #bridges: readonly ReachableBridge[];
  readonly #tell: (bridge: number, error: unknown) => void;
  /** Those of which it was told that they let us wait. */
  readonly #slow = new Set<ReachableBridge>();
  #current = 0;

  constructor(
    bridges: readonly ReachableBridge[],
    tell: (bridge: number, error: unknown) => void,
  ) {
    this.#bridges = bridges;
    this.#tell = tell;
  }

  /** Connects to one of them. */
  async #reach(bridge: ReachableBridge, signal: AbortSignal): Promise<Deno.TcpConn> {
    const timer = setTimeout(() => {
      if (this.#slow.has(bridge)) return;
      this.#slow.add(bridge);
      this.#tell(bridge.number, null);
    }, SLOW);
    try {
      const conn = await dialTransport(bridge.method, bridge.address, bridge.args, { signal });
      this.#slow.delete(bridge);
      return conn;
    } finally {
      clearTimeout(timer);
    }
  }

  async dial(signal: AbortSignal): Promise<Deno.TcpConn> {
    const failures: unknown[] = [];
    const [first, count] = [this.#current, this.#bridges.length];
    for (let turn = 0; turn < count; turn++) {
      const index = (first + turn) % count;
      const bridge = this.#bridges[index]!;
      try {
        const conn = await this.#reach(bridge, signal);
        this.#current = index;
        return conn;
      } catch (error) {
        if (signal.aborted || count === 1) throw error;
        failures.push(error);
        this.#tell(bridge.number, error);
      }
    }
    throw noBridgeError(failures);
  }
}

/** Where a tunnel listens, TCP or not. */
interface LocalListener {
  readonly address: Address | UnixSocket;
  accept(signal: AbortSignal): AsyncIterable<StreamConn>;
  close(): void;
}

async function listen(place: Readonly<Address> | UnixSocket): Promise<LocalListener> {
  if (isUnixSocket(place)) {
    const listener = await listenUnix(place);
    return {
      address: place,
      accept: (signal) => acceptAll(listener, { signal }),
      close: () => closeQuietly(listener),
    };
  }
  const listener = Deno.listen({ hostname: place[0], port: place[1] });
  return {
    address: [listener.addr.hostname, listener.addr.port],
    accept: (signal) => acceptAll(listener, { signal }),
    close: () => closeQuietly(listener),
  };
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
export function tunnelClient(
  command: readonly string[],
  options: Readonly<TunnelClientOptions & { listen: Readonly<Address> }>,
): Promise<Tunnel>;
/**
 * Opens the client's end of a tunnel, which may be at a Unix socket.
 *
 * @param command The program that has the transport, and its arguments.
 * @param options The transport, where to listen, where the server is.
 * @returns The tunnel, ready for connections.
 * @throws {LaunchError} When the program cannot be launched.
 * @throws {Deno.errors.AddrInUse} When somebody listens there already, or the path is a file.
 * @throws {Deno.errors.NotCapable} Without `--allow-read`, `--allow-write` and `--allow-net=unix:PATH`
 * for the path.
 * @throws {TypeError} When the transport's name is not valid, or the proxy's host is not numeric.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example At a Unix socket
 * ```ts
 * import { tunnelClient } from "@ptlib/ptlib/parent";
 *
 * async function open(): Promise<void> {
 *   await using tunnel = await tunnelClient(["obfs4proxy"], {
 *     transport: "obfs4",
 *     listen: { path: "/run/user/1000/my-tunnel.sock" },
 *     bridge: ["192.0.2.7", 5678],
 *     stateDirectory: "/var/lib/my-tunnel",
 *   });
 *   await tunnel.exited;
 * }
 * ```
 */
export function tunnelClient(
  command: readonly string[],
  options: Readonly<TunnelClientOptions>,
): Promise<Tunnel<Address | UnixSocket>>;
export async function tunnelClient(
  command: readonly string[],
  options: Readonly<TunnelClientOptions>,
): Promise<Tunnel<Address | UnixSocket>> {
  const bridges = bridgesOf(options);
  const listener = await listen(options.listen);
  try {
    const transports = [...new Set(bridges.map(({ transport }) => transport))];
    const process = await launchClient(command, { ...options, transports });
    const tell = (bridge: number, error: unknown) => {
      try {
        options.onTrouble?.({ bridge, bridges: bridges.length, error });
      } catch (error) {
        reportError(error); // As an event listener's.
      }
    };
    const dialer = new BridgeDialer(reachable(bridges, process), tell);
    return new OpenTunnel<Address | UnixSocket, StreamConn>({
      address: listener.address,
      args: bridges[0]?.args ?? new URLSearchParams(),
      process,
      arrivals: (signal) => listener.accept(signal),
      carry: async (conn, traffic, signal) => {
        try {
          const through = await dialer.dial(signal);
          return await relay(conn, traffic.counted(through), { signal });
        } catch (error) {
          closeQuietly(conn);
          throw error;
        }
      },
      release: () => Promise.resolve(listener.close()),
      onEnd: options.onEnd,
    });
  } catch (error) {
    listener.close();
    throw error;
  }
}
