/**
 * A private Tor network on loopback: three directory authorities that are also
 * exits, a bridge behind a pluggable transport and a client that uses it.
 *
 * No packet leaves the machine: addresses are fixed, names are never resolved
 * and the exits only lead to loopback.
 *
 * @module
 */

import { parseAddress } from "../address.ts";
import { formatBridgeLine } from "../bridge_line.ts";
import { withDeadline } from "../net/deadline.ts";
import { parseLine } from "../parent/line.ts";
import { quoteForShell } from "../parent/shell.ts";
import { freePort } from "../testing/free_port.ts";
import { startAuthorities } from "./authorities.ts";
import { TorFailed, type TorProcess } from "./tor_process.ts";
import { TorProcesses } from "./tor_processes.ts";
import { bridgeTorrc, clientTorrc, isPlainWord, plainWords, relayTorrc } from "./torrc.ts";

/** How long the network may take from the first process to a client that is ready. */
const BOOTSTRAP_MS = 120_000;

/** How long the bridge may take to note a client that is connected already. */
const NOTE_MS = 10_000;

/** What the bridge says of its transport, of its clients, and of the Extended ORPort. */
const BRIDGE_LOG = ["Log [pt]info [general,net]debug notice stdout", "SafeLogging 0"];

/** What tor passes on from a transport: its `LOG` lines, and its stderr. */
const TRANSPORT_WORDS = /^Managed proxy (?:"[^"]*"|at '[^']*' reported via standard error): (.*)$/;

/** What it passes on at this level. */
const INFO = /\[info\] (?:\w+\(\): )?(Managed proxy .*)/;

/** What a client warns of when its transport gives it no connection, or one to nowhere. */
const NO_WAY = /Proxy Client: unable to connect OR connection|Problem bootstrapping/;

/** How often that may be: the bridge is there, so that the first attempt should do. */
const MOST_FAILURES = 5;

/** How many sentences are told of what the tors log. */
const MOST_TOLD = 100;

/** How often the network is started again with other ports when one was taken. */
const ATTEMPTS = 3;

/** The pluggable transport that the network runs on. */
export interface TorNetworkOptions {
  /** The name of the transport. */
  transport: string;
  /**
   * The command of the client's side, given the bridge as `ip:port`, and the path of its Extended
   * ORPort's cookie, which a client has no use for.
   */
  clientCommand: (bridge: string, authCookieFile: string) => readonly string[];
  /**
   * The command of the bridge's side, given the path of the Extended ORPort's cookie, tor's
   * `DataDirectory` and the bridge as `ip:port`.
   */
  serverCommand: (
    authCookieFile: string,
    dataDirectory: string,
    bridge: string,
  ) => readonly string[];
  /** What `ServerTransportOptions` has, given the bridge as `ip:port`. */
  serverOptions?: (bridge: string) => readonly string[];
  /**
   * What the bridge line ends with, given the bridge as `ip:port` and what its transport has
   * published. Default: that.
   */
  bridgeArguments?: (bridge: string, published: URLSearchParams) => readonly string[];
  /** Where the client goes in place of the bridge, for somebody who stands between. */
  clientAddress?: (bridge: string) => string;
  /** More lines for the client's torrc, such as `Socks5Proxy 127.0.0.1:1080`. */
  clientTorrc?: readonly string[];
  /** Ends the start of the network early. */
  signal?: AbortSignal | undefined;
  /** Is told what goes on, one sentence at a time. */
  progress?: (sentence: string) => void;
  /** Is given every line that a tor logs, with the tor's name. */
  onLog?: ((tor: string, line: string) => void) | undefined;
}

/** One half of the network's transport, as tor was told of it. */
export interface TorHalf {
  /** The lines of its torrc that are about the transport. */
  readonly lines: readonly string[];
  /** The path of its torrc. */
  readonly torrc: string;
}

/** A network whose client has reached 100 %; disposing of it leaves nothing behind. */
export interface TorNetwork extends AsyncDisposable {
  /** The port of the client's SOCKS listener on 127.0.0.1. */
  readonly socksPort: number;
  /** The tor that goes through the transport. */
  readonly client: TorHalf;
  /** The tor that stands behind it. */
  readonly bridge: TorHalf;
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
  readonly #processes: TorProcesses;
  #bridge: TorProcess | undefined;
  #lines: Record<"client" | "bridge", readonly string[]> = { client: [], bridge: [] };
  readonly #told = new Set<string>();
  socksPort = 0;

  constructor(options: TorNetworkOptions) {
    this.#options = options;
    this.#tell = options.progress ?? (() => {});
    this.#processes = new TorProcesses((tor, line) => this.#hear(tor, line));
  }

  get client(): TorHalf {
    return { lines: this.#lines.client, torrc: this.#processes.torrc("client") };
  }

  get bridge(): TorHalf {
    return { lines: this.#lines.bridge, torrc: this.#processes.torrc("bridge") };
  }

  get failed(): AbortSignal {
    return this.#processes.failed;
  }

  async start(): Promise<void> {
    const what = "The private Tor network";
    await withDeadline(BOOTSTRAP_MS, what, this.#signal(), async (signal) => {
      const trusted = await startAuthorities(this.#processes, signal, this.#tell);
      const { bridge, address, published } = await this.#startBridge(trusted, signal);
      this.#bridge = bridge;
      await this.#startClient(trusted, address, published, signal);
    });
  }

  async countedClient(): Promise<{ userAddr: string; seen: string }> {
    const bridge = this.#bridge;
    if (bridge === undefined) throw new TypeError("The network has not been started");
    const { transport } = this.#options;
    const what = `Counting a client of ${transport}`;
    return await withDeadline(NOTE_MS, what, this.#signal(), async (signal) => {
      const [userAddr] = await bridge.logged(/Received USERADDR.*/, signal);
      // Relays that test the bridge's own port are clients with '<no transport>'.
      const client = /Seen client from '.*' with transport '([^<].*)'/;
      const [seen, counted] = await bridge.logged(client, signal);
      if (counted !== transport) {
        throw new Error(`The bridge counted its client under ${counted}, not under ${transport}`);
      }
      return { userAddr, seen };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]();
  }

  /** Aborts when the caller wants it or a process fails. */
  #signal(): AbortSignal {
    const { signal } = this.#options;
    return signal === undefined ? this.failed : AbortSignal.any([signal, this.failed]);
  }

  get #cookie(): string {
    return `${this.#processes.directory}/extended_orport_auth_cookie`;
  }

  /** A command as tor reads it. Where its words cannot stand in a torrc, a script has them. */
  async #commandOf(half: "client" | "bridge", command: readonly string[]): Promise<string> {
    if (command.every(isPlainWord)) return plainWords(command);
    const script = `${this.#processes.directory}/${half}_transport.sh`;
    const text = `#!/bin/sh\nexec ${command.map(quoteForShell).join(" ")}\n`;
    await Deno.writeTextFile(script, text, { mode: 0o700 });
    return plainWords([script]);
  }

  async #startBridge(
    trusted: readonly string[],
    signal: AbortSignal,
  ): Promise<{ bridge: TorProcess; address: string; published: URLSearchParams }> {
    const { transport, serverCommand, serverOptions } = this.#options;
    const port = freePort(); // tor takes no port 0 here
    const address = `127.0.0.1:${port}`;
    const directory = this.#processes.dataDirectory("bridge");
    const command = await this.#commandOf(
      "bridge",
      serverCommand(this.#cookie, directory, address),
    );
    const options = serverOptions?.(address) ?? [];
    this.#lines.bridge = [
      ...bridgeTorrc(this.#cookie, transport, command, address),
      ...options.length > 0 ? [`ServerTransportOptions ${transport} ${plainWords(options)}`] : [],
    ];
    const bridge = this.#processes.start("bridge", [
      ...trusted,
      ...relayTorrc("bridge"),
      ...this.#lines.bridge,
      ...BRIDGE_LOG,
    ]);
    const published = await publishedBy(bridge, transport, signal);
    await bridge.logged(new RegExp(`Registered server transport '${transport}'`), signal);
    this.#tell(`Bridge listens for ${transport} on ${address}`);
    await bridge.logged(/Bootstrapped 100%/, signal);
    this.#tell("Bridge has the consensus");
    return { bridge, address, published };
  }

  async #startClient(
    trusted: readonly string[],
    bridgeAddress: string,
    published: URLSearchParams,
    signal: AbortSignal,
  ): Promise<void> {
    const { transport, clientCommand, bridgeArguments = argumentWords } = this.#options;
    const { clientAddress = (bridge: string) => bridge } = this.#options;
    const command = await this.#commandOf("client", clientCommand(bridgeAddress, this.#cookie));
    const address = clientAddress(bridgeAddress);
    const words = [transport, address, ...bridgeArguments(bridgeAddress, published)];
    this.#lines.client = clientTorrc(transport, command, words.join(" "));
    const client = this.#processes.start("client", [
      ...trusted,
      "Log [pt]info notice stdout",
      "SocksPort 127.0.0.1:auto",
      ...this.#lines.client,
      ...this.#options.clientTorrc ?? [],
    ]);
    const opened = await client.logged(/Opened Socks listener .* on 127\.0\.0\.1:(\d+)/, signal);
    this.socksPort = Number(opened[1]);
    this.#tell("Client bootstraps through the bridge");
    await this.#bootstrapped(client, signal);
    this.#tell("Client has bootstrapped to 100 %");
  }

  /** Waits for 100 %. A transport that gives one error after the other is not waited for. */
  async #bootstrapped(client: TorProcess, signal: AbortSignal): Promise<void> {
    let failures = 0;
    for await (const line of client.log(signal)) {
      if (/Bootstrapped 100%/.test(line)) return;
      if (!NO_WAY.test(line) || ++failures < MOST_FAILURES) continue;
      throw client.failure(`did not get through its transport ${failures} times`);
    }
  }

  /** Tells how far the client is, and what the transport says and tor says of it, each of it once. */
  #hear(tor: string, line: string): void {
    this.#options.onLog?.(tor, line);
    if (tor !== "client" && tor !== "bridge" || this.#told.size > MOST_TOLD) return;
    const text = /\[(?:notice|warn|err)\] (.*)/.exec(line)?.[1] ?? "";
    // Strangers make a server log at info, and here there are none.
    const words = TRANSPORT_WORDS.exec(INFO.exec(line)?.[1] ?? text)?.[1];
    const sentence = words !== undefined
      ? `The ${tor}'s transport says: ${words}`
      : NO_WAY.test(text)
      ? `The ${tor}'s tor warns: ${text}`
      : tor === "client" && /^Bootstrapped (?!100%)/.test(text)
      ? `Client: ${text}`
      : null;
    if (sentence === null || this.#told.has(sentence)) return;
    this.#told.add(sentence);
    this.#tell(sentence);
  }
}

/** What a transport has published: its `SMETHOD` line in the log of tor. */
async function publishedBy(
  bridge: TorProcess,
  transport: string,
  signal: AbortSignal,
): Promise<URLSearchParams> {
  for await (const line of bridge.log(signal)) {
    const said = /Got a line from managed proxy '.*?': \((SMETHOD .*)\)$/.exec(line)?.[1];
    if (said === undefined) continue;
    const message = parseLine(said);
    if (message.kind === "smethod" && message.transport === transport) return message.args;
  }
  throw new TypeError("A log has no end");
}

/**
 * Arguments as the words of a bridge line.
 *
 * @param bridge The bridge as `ip:port`.
 * @param args The arguments.
 * @throws {TypeError} When they cannot stand in a bridge line.
 */
export function argumentWords(bridge: string, args: URLSearchParams): string[] {
  const line = formatBridgeLine({ transport: "any", address: parseAddress(bridge), args });
  return line.split(" ").slice(2);
}
