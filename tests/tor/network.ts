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
import { type Authority, createAuthority, dirAuthorityLine } from "./authority.ts";
import { TorFailed, TorProcess } from "./tor_process.ts";

const AUTHORITIES = ["authority1", "authority2", "authority3"];

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
  readonly #directory: string;
  readonly #failed = new AbortController();
  readonly #processes: TorProcess[] = [];
  #bridge: TorProcess | undefined;
  socksPort = 0;

  constructor(options: TorNetworkOptions) {
    this.#options = options;
    this.#tell = options.progress ?? (() => {});
    this.#directory = Deno.makeTempDirSync({ prefix: "ptlib_tor_" });
  }

  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  async start(): Promise<void> {
    using deadline = new Deadline(BOOTSTRAP_MS, "The private Tor network", this.#signal());
    const { signal } = deadline;
    this.#tell("Making the keys of three directory authorities");
    const authorities = await Promise.all(
      AUTHORITIES.map((name) => createAuthority(name, `${this.#directory}/${name}`, signal)),
    );
    const trusted = await this.#startAuthorities(authorities, signal);
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
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** Aborts when the caller wants it or a process fails. */
  #signal(): AbortSignal {
    const { signal } = this.#options;
    return signal === undefined ? this.failed : AbortSignal.any([signal, this.failed]);
  }

  async #startAuthorities(
    authorities: readonly Authority[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const ports = freePorts(authorities.length * 2);
    const placed = authorities.map((authority) => {
      const [orPort = 0, dirPort = 0] = ports.splice(0, 2);
      return { authority, orPort, dirPort };
    });
    const trusted = placed.map((p) => dirAuthorityLine(p.authority, p.orPort, p.dirPort));
    this.#tell("Starting the authorities; they exchange descriptors and vote");
    await Promise.all(placed.map(async ({ authority, orPort, dirPort }) => {
      const process = await this.#start(authority.nickname, [
        ...trusted,
        ...relayTorrc(authority.nickname),
        ...AUTHORITY_TORRC,
        "Log notice stdout",
        `ORPort 127.0.0.1:${orPort}`,
        `DirPort 127.0.0.1:${dirPort}`,
      ]);
      await fullConsensus(process, authority.dataDirectory, signal);
    }));
    this.#tell("Authorities have a consensus that lists all three of them");
    return trusted;
  }

  async #startBridge(
    trusted: readonly string[],
    signal: AbortSignal,
  ): Promise<{ bridge: TorProcess; address: string }> {
    const { transport, serverCommand } = this.#options;
    const cookie = `${this.#directory}/extended_orport_auth_cookie`;
    const [port] = freePorts(1); // tor takes no port 0 here
    const address = `127.0.0.1:${port}`;
    const bridge = await this.#start("bridge", [
      ...trusted,
      ...relayTorrc("bridge"),
      "BridgeRelay 1",
      "PublishServerDescriptor 0",
      "ORPort 127.0.0.1:auto",
      "ExtORPort auto",
      `ExtORPortCookieAuthFile ${quote(cookie)}`,
      `ServerTransportPlugin ${transport} exec ${plainWords(serverCommand(cookie))}`,
      `ServerTransportListenAddr ${transport} ${address}`,
      // What it says of its clients, and of the Extended ORPort.
      "Log [general,net]debug notice stdout",
      "SafeLogging 0",
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
    const { transport, clientCommand, clientTorrc = [] } = this.#options;
    const client = await this.#start("client", [
      ...trusted,
      "Log notice stdout",
      "SocksPort 127.0.0.1:auto",
      "UseBridges 1",
      `Bridge ${transport} ${bridgeAddress}`,
      `ClientTransportPlugin ${transport} exec ${plainWords(clientCommand(bridgeAddress))}`,
      ...clientTorrc,
    ]);
    const opened = await client.logged(/Opened Socks listener .* on 127\.0\.0\.1:(\d+)/, signal);
    this.socksPort = Number(opened[1]);
    this.#tell("Client bootstraps through the bridge");
    await client.logged(/Bootstrapped 100%/, signal);
    this.#tell("Client has bootstrapped to 100 %");
  }

  async #start(name: string, torrc: readonly string[]): Promise<TorProcess> {
    const dataDirectory = `${this.#directory}/${name}`;
    const file = `${this.#directory}/${name}.torrc`;
    const lines = [...COMMON_TORRC, `DataDirectory ${quote(dataDirectory)}`, ...torrc];
    await Deno.writeTextFile(file, lines.map((line) => `${line}\n`).join(""));
    const process = new TorProcess(name, file, (failure) => this.#failed.abort(failure));
    this.#processes.push(process);
    return process;
  }
}

const COMMON_TORRC = [
  "TestingTorNetwork 1",
  // When this program is killed, tor ends by itself within 15 seconds.
  `__OwningControllerProcess ${Deno.pid}`,
  "ShutdownWaitLength 0",
];

const AUTHORITY_TORRC = [
  "AuthoritativeDirectory 1",
  "V3AuthoritativeDirectory 1",
  "ContactInfo nobody@localhost",
  "TestingV3AuthInitialVotingInterval 5",
  "TestingV3AuthInitialVoteDelay 2",
  "TestingV3AuthInitialDistDelay 2",
  "V3AuthVotingInterval 10",
  "V3AuthVoteDelay 2",
  "V3AuthDistDelay 2",
  // Three relays earn no flags by themselves in their first seconds.
  "TestingDirAuthVoteExit *",
  "TestingDirAuthVoteGuard *",
  "ExitRelay 1",
  "ExitPolicyRejectPrivate 0",
  // Clients know just a summary of the policy, which leaves private addresses out.
  "ExitPolicy accept *:*",
  // This is what keeps the exits on this machine.
  "OutboundBindAddressExit 127.0.0.1",
];

/**
 * Waits until an authority has published a consensus with all relays. The first
 * one may come before they know each other; a bridge that gets hold of it would
 * not ask for another for a minute.
 */
async function fullConsensus(
  authority: TorProcess,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  for await (const line of authority.log(signal)) {
    if (!line.includes("Published microdesc consensus")) continue;
    const consensus = await Deno.readTextFile(`${dataDirectory}/cached-microdesc-consensus`);
    const relays = consensus.match(/^r /gm) ?? [];
    if (relays.length === AUTHORITIES.length) return;
  }
}

function relayTorrc(nickname: string): string[] {
  return [
    `Nickname ${nickname}`,
    "Address 127.0.0.1",
    "AddressDisableIPv6 1",
    "AssumeReachable 1",
    "SocksPort 0",
    // An exit would ask the machine's name servers whether they tell the truth.
    "ServerDNSResolvConfFile /dev/null",
    "ServerDNSDetectHijacking 0",
    "ServerDNSTestAddresses",
  ];
}

/** Ports of 127.0.0.1 that nobody listens on at this moment. */
function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

function quote(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** A command for a torrc, where tor splits at spaces and knows no quotes. */
function plainWords(command: readonly string[]): string {
  for (const word of command) {
    if (!/^[^\s#"\\]+$/.test(word)) {
      throw new TypeError(
        `A transport's command in a torrc cannot have a space or any of # " \\ in a word: ${word}`,
      );
    }
  }
  return command.join(" ");
}
