/**
 * The server's end of a tunnel: a transport's server in front of a service.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly, handshake, type StreamConn, writeAll } from "../net/conn.ts";
import { relay } from "../net/relay.ts";
import { listenExtOrPort } from "./ext_orport_listener.ts";
import { listeningPlace } from "./listening_place.ts";
import { type LaunchOptions, launchServer, type LaunchServerOptions } from "./launch.ts";
import { formatProxyHead, type ProxyProtocol } from "./proxy_protocol.ts";
import { connectService } from "./service.ts";
import type { Traffic } from "./traffic.ts";
import { OpenTunnel, type Tunnel, type TunnelledConnection } from "./tunnel.ts";
import { isUnixSocket, type UnixSocket } from "./unix_socket.ts";

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
  /**
   * The service behind it: an address, whose host may be a name that is looked up for each
   * connection, or a Unix socket.
   */
  forward: Readonly<Address> | UnixSocket;
  /**
   * Tells the service who its client is, by a head of HAProxy's PROXY protocol in this version. The
   * service must expect one.
   */
  proxyProtocol?: ProxyProtocol | undefined;
  /** The transport's options, such as a key. */
  options?: Iterable<readonly [string, string]> | undefined;
  /** Is called when a connection has ended, or has failed. */
  onEnd?: ((connection: TunnelledConnection) => void) | undefined;
}

/** A client that the transport's server delivers. */
interface Client {
  conn: Deno.TcpConn;
  /** `null` where nobody says it. */
  clientAddress: Address | null;
}

/** Where the transport's server delivers its clients: to us. */
interface Entrance {
  /** What the program is told of it. */
  ports: Pick<LaunchServerOptions, "orport" | "extOrPort">;
  clients(signal: AbortSignal): AsyncIterable<Client>;
  close(): Promise<void>;
}

/** A port that any transport can deliver to, and any user of this machine. */
function openOrPort(): Entrance {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return {
    ports: { orport: ["127.0.0.1", listener.addr.port] },
    async *clients(signal) {
      for await (const conn of acceptAll(listener, { signal })) yield { conn, clientAddress: null };
    },
    close: () => Promise.resolve(closeQuietly(listener)),
  };
}

/** One for those alone that know a secret; they say who the client is. */
async function openExtOrPort(): Promise<Entrance> {
  const listener = await listenExtOrPort();
  return {
    ports: { extOrPort: listener },
    async *clients(signal) {
      const close = () => void listener.close();
      signal.addEventListener("abort", close);
      if (signal.aborted) close();
      yield* listener;
    },
    close: () => listener.close(),
  };
}

/** A Unix socket can be for few users, so that the way to it is not for all. */
async function openEntrance({ forward, proxyProtocol }: TunnelServerOptions): Promise<Entrance> {
  const isForFew = isUnixSocket(forward) || proxyProtocol !== undefined;
  return isForFew ? await openExtOrPort() : openOrPort();
}

/** Connects to the service, and tells it who is there. */
async function greetService(
  { forward, proxyProtocol }: TunnelServerOptions,
  client: Client,
  listening: Readonly<Address>,
  signal: AbortSignal,
): Promise<StreamConn> {
  const service = await connectService(forward, signal);
  if (proxyProtocol === undefined) return service;
  const head = formatProxyHead(proxyProtocol, client.clientAddress, listening);
  await handshake(service, signal, () => writeAll(service, head));
  return service;
}

async function carry(
  options: TunnelServerOptions,
  client: Client,
  listening: Readonly<Address>,
  traffic: Traffic,
  signal: AbortSignal,
): Promise<TunnelledConnection> {
  try {
    const service = await greetService(options, client, listening, signal);
    return await relay(service, traffic.counted(client.conn), { signal });
  } catch (error) {
    closeQuietly(client.conn);
    throw error;
  }
}

/**
 * Opens the server's end of a tunnel: a transport's server, whose clients are forwarded to a service.
 *
 * Where the service is a Unix socket, or is told who its client is, the program must use an Extended
 * ORPort, as nearly all do.
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
  const { transport, listen } = options;
  const entrance = await openEntrance(options);
  try {
    const process = await launchServer(command, {
      ...options,
      transports: { [transport]: { bindAddress: listen, options: options.options } },
      ...entrance.ports,
    });
    const method = process.methods[transport];
    // Without one the launch would have failed.
    if (method === undefined) throw new TypeError("A launched transport has a method");
    const listening = listeningPlace(listen, method.address) ?? listen;
    return new OpenTunnel<Address, Client>({
      address: method.address,
      args: method.args,
      process,
      arrivals: (signal) => entrance.clients(signal),
      carry: (client, traffic, signal) => carry(options, client, listening, traffic, signal),
      release: () => entrance.close(),
      onEnd: options.onEnd,
    });
  } catch (error) {
    await entrance.close();
    throw error;
  }
}
