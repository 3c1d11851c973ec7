/**
 * A private Tor network on loopback: three directory authorities that are also
 * exits, a bridge behind a pluggable transport and a client that uses it.
 *
 * No packet leaves the machine: addresses are fixed, names are never resolved
 * and the exits only lead to loopback.
 *
 * @module
 */

import { Deadline } from "@ptlib/ptlib/net";
import { startAuthorities } from "./authorities.ts";
import { TorFailed, type TorProcess } from "./tor_process.ts";
import { TorProcesses } from "./tor_processes.ts";
import { bridgeTorrc, freePorts, plainWords } from "./torrc.ts";

/** How long the network may take from the first process to a client that is ready. */
const BOOTSTRAP_MS = 120_000;

/** How long the bridge may take to note a client that is connected already. */
const NOTE_MS = 10_000;

/** How often the network is started again with other ports when one was taken. */
const ATTEMPTS = 3;

/** The pluggable transport that the network runs on. */
export interface TorNetworkOptions {
  /** The name of the transport. */
  transport: string;
  /** The command of the client's side, given the bridge as `ip:port`. */
  clientCommand: (bridge: string) => readonly string[];
  /** The command of the bridge's side, given the path of the Extended ORPort's cookie. */
  serverCommand: (authCookieFile: string) => readonly string[];
  /** What the client's bridge line has behind the address, such as `cert=...`. */
  bridgeArgs?: string;
  /** More lines for the client's torrc, such as `Socks5Proxy 127.0.0.1:1080`. */
  clientTorrc?: readonly string[];
  /** Ends the start of the network early. */
  signal?: AbortSignal | undefined;
  /** Is told what goes on, one sentence at a time. */
  progress?: (sentence: string) => void;
}

/** A network whose client has reached 100 %; disposing of it leaves nothing behind. */
export interface TorNetwork extends AsyncDisposable {
  /** The port of the client's SOCKS listener on 127.0.0.1. */
  readonly socksPort: number;
  /** Aborts when one of the processes fails, with the failure as its reason. */
  readonly failed: AbortSignal;
  /**
   * Waits until the bridge has counted a client under the transport. It logs so
   * where it counts for the line `bridge-ip-transports` of its statistics, which
   * themselves are only written once a day.
   *
   * @returns The bridge's log lines for USERADDR and for the client.
   * @throws {TorFailed} When the bridge counts nobody in time.
   * @throws {Error} When it counts the client under another transport.
   */
  countedClient(): Promise<{ userAddr: string; seen: string }>;
}

/**
 * Starts a private Tor network and waits until its client is ready.
 *
 * @throws {TorFailed} When a tor ends, its transport fails or time is up.
 */
export async function startTorNetwork(options: TorNetworkOptions): Promise<TorNetwork> {
  for (let attempt = 1;; attempt++) {
    const network = new PrivateNetwork(options);
    try {
      await network.start();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      const retry = error instanceof TorFailed && error.portTaken && attempt < ATTEMPTS;
      if (!retry) throw error;
      options.progress?.("Another program took one of the ports; starting again with others");
    }
  }
}

class PrivateNetwork implements TorNetwork {
  readonly #options: TorNetworkOptions;
  readonly #tell: (sentence: string) => void;
  readonly #processes = new TorProcesses();
  #bridge: TorProcess | undefined;
  socksPort = 0;

  constructor(options: TorNetworkOptions) {
    this.#options = options;
    this.#tell = options.progress ?? (() => {});
  }

  get failed(): AbortSignal {
    return this.#processes.failed;
  }

  async start(): Promise<void> {
    using deadline = new Deadline(BOOTSTRAP_MS, "The private Tor network", this.#signal());
    const { signal } = deadline;
    const trusted = await startAuthorities(this.#processes, signal, this.#tell);
    const { bridge, address } = await this.#startBridge(trusted, signal);
    this.#bridge = bridge;
    await this.#startClient(trusted, address, signal);
  }

  async countedClient(): Promise<{ userAddr: string; seen: string }> {
    if (this.#bridge === undefined) throw new TypeError("The network has not been started");
    const { transport } = this.#options;
    using deadline = new Deadline(NOTE_MS, `Counting a client of ${transport}`, this.#signal());
    const { signal } = deadline;
    const [userAddr] = await this.#bridge.logged(/Received USERADDR.*/, signal);
    // Relays that test the bridge's own port are clients with '<no transport>'.
    const client = /Seen client from '.*' with transport '([^<].*)'/;
    const [seen, counted] = await this.#bridge.logged(client, signal);
    if (counted !== transport) {
      throw new Error(`The bridge counted its client under ${counted}, not under ${transport}`);
    }
    return { userAddr, seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]();
  }

  /** Aborts when the caller wants it or a process fails. */
  #signal(): AbortSignal {
    const { signal } = this.#options;
    return signal === undefined ? this.failed : AbortSignal.any([signal, this.failed]);
  }

  async #startBridge(
    trusted: readonly string[],
    signal: AbortSignal,
  ): Promise<{ bridge: TorProcess; address: string }> {
    const { transport, serverCommand } = this.#options;
    const cookie = `${this.#processes.directory}/extended_orport_auth_cookie`;
    const [port] = freePorts(1); // tor takes no port 0 here
    const address = `127.0.0.1:${port}`;
    const bridge = await this.#processes.start("bridge", [
      ...trusted,
      ...bridgeTorrc(cookie, transport, plainWords(serverCommand(cookie)), address),
    ]);
    await bridge.logged(new RegExp(`Registered server transport '${transport}'`), signal);
    this.#tell(`Bridge listens for ${transport} on ${address}`);
    await bridge.logged(/Bootstrapped 100%/, signal);
    this.#tell("Bridge has the consensus");
    return { bridge, address };
  }

  async #startClient(
    trusted: readonly string[],
    bridgeAddress: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { transport, clientCommand, bridgeArgs = "", clientTorrc = [] } = this.#options;
    const client = await this.#processes.start("client", [
      ...trusted,
      "Log notice stdout",
      "SocksPort 127.0.0.1:auto",
      "UseBridges 1",
      `Bridge ${transport} ${bridgeAddress} ${bridgeArgs}`.trimEnd(),
      `ClientTransportPlugin ${transport} exec ${plainWords(clientCommand(bridgeAddress))}`,
      ...clientTorrc,
    ]);
    const opened = await client.logged(/Opened Socks listener .* on 127\.0\.0\.1:(\d+)/, signal);
    this.socksPort = Number(opened[1]);
    this.#tell("Client bootstraps through the bridge");
    await client.logged(/Bootstrapped 100%/, signal);
    this.#tell("Client has bootstrapped to 100 %");
  }
}
