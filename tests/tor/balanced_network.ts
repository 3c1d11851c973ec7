/**
 * A private Tor network whose bridge is two tors with one identity: HAProxy stands between the one
 * transport and both of them, and `examples/static_cookie.ts` in front of each
 * (docs/what-it-costs.md).
 *
 * @module
 */

import type { Address } from "../../address.ts";
import type { OrPorts } from "../../config.ts";
import { Deadline } from "../../net/mod.ts";
import { launchServer, type ServerMethod, type TransportProcess } from "../../parent/mod.ts";
import { createRelayKeys } from "../../tor/authority.ts";
import { startAuthorities } from "../../tor/authorities.ts";
import { Haproxy } from "./haproxy.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";
import type { TorProcess } from "../../tor/tor_process.ts";
import { TorProcesses } from "../../tor/tor_processes.ts";
import { freePort } from "../../testing/free_port.ts";
import { bridgeTorrc, plainWords, relayTorrc } from "../../tor/torrc.ts";

/** How long the network may take from the first process to clients that are ready. */
const BOOTSTRAP_MS = 120_000;

const TRANSPORT = "rot13";
const TORS = ["tor1", "tor2"] as const;

/** One of the two tors that are the bridge. */
export interface BalancedTor {
  name: string;
  process: TorProcess;
  /** Its own Extended ORPort. */
  own: OrPorts;
  /** The one with the static cookie, in front of that. */
  front: OrPorts;
}

/** The network, and how to use it; disposing of it leaves nothing behind. */
export interface BalancedNetwork extends AsyncDisposable {
  readonly tors: readonly BalancedTor[];
  readonly haproxy: Haproxy;
  /** The Extended ORPort that the transport knows: HAProxy's. */
  readonly balanced: OrPorts;
  /** The SOCKS ports of the clients on 127.0.0.1. */
  readonly socksPorts: readonly number[];
  /** Aborts when a process fails that should run, with the failure as its reason. */
  readonly failed: AbortSignal;
  /** Ends one of the tors. */
  stop(tor: BalancedTor): Promise<void>;
}

/** What is started. */
export interface BalancedOptions {
  /** How many tor clients. */
  clients: number;
  signal?: AbortSignal | undefined;
  /** Is told what goes on, one sentence at a time. */
  progress?: (sentence: string) => void;
}

/** Starts it all, and waits until every client has reached 100 %. */
export async function startBalancedNetwork(options: BalancedOptions): Promise<BalancedNetwork> {
  const { clients, progress = () => {} } = options;
  await using stack = new AsyncDisposableStack();
  const processes = stack.use(new TorProcesses());
  const signals = [processes.failed, ...options.signal === undefined ? [] : [options.signal]];
  using deadline = new Deadline(BOOTSTRAP_MS, "The network", AbortSignal.any(signals));
  const { signal } = deadline;

  const trusted = await startAuthorities(processes, signal, progress);
  const fingerprint = await shareKeys(processes, signal);
  const cookie = `${processes.directory}/static_cookie`;
  await writeCookie(cookie);
  const tors = await Promise.all(
    TORS.map((name) => startTor({ name, processes, trusted, cookie, signal })),
  );
  progress("Two tors with one identity have the consensus");

  const ports = tors.map(({ front }) => front.ext_orport![1]);
  const haproxy = stack.use(await Haproxy.start(processes.directory, ports));
  const balanced = extOrPort(["127.0.0.1", haproxy.port], cookie);
  const server = stack.use(await startTransport(processes.directory, balanced));
  progress("HAProxy and one transport stand in front of them");

  const bridge = server.methods[TRANSPORT]!.address.join(":");
  const line = `Bridge ${TRANSPORT} ${bridge} ${fingerprint}`;
  const started = Array.from(
    { length: clients },
    (_, i) => startClient(`client${i}`, processes, [...trusted, line], bridge, signal),
  );
  const socksPorts = await Promise.all(started);
  progress(`${clients} clients have bootstrapped to 100 %`);
  const disposables = stack.move();
  return {
    tors,
    haproxy,
    balanced,
    socksPorts,
    failed: processes.failed,
    stop: ({ name, process }) => processes.stop(name, process),
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}

function extOrPort(address: Readonly<Address>, cookieFile: string): OrPorts {
  return { orport: null, ext_orport: [...address], auth_cookie_file: cookieFile };
}

/** Gives both tors the same keys: of the identity, and onion keys. */
async function shareKeys(processes: TorProcesses, signal: AbortSignal): Promise<string> {
  const [first, ...others] = TORS.map((name) => processes.dataDirectory(name));
  const fingerprint = await createRelayKeys("bridge", first!, signal);
  for (const other of others) {
    await Deno.mkdir(`${other}/keys`, { recursive: true, mode: 0o700 });
    for (const { name } of Deno.readDirSync(`${first}/keys`)) {
      await Deno.copyFile(`${first}/keys/${name}`, `${other}/keys/${name}`);
    }
  }
  return fingerprint;
}

async function writeCookie(path: string): Promise<void> {
  const header = new TextEncoder().encode("! Extended ORPort Auth Cookie !\n");
  const cookie = crypto.getRandomValues(new Uint8Array(32));
  await Deno.writeFile(path, Uint8Array.of(...header, ...cookie), { mode: 0o600 });
}

/** Starts one of the tors, with the program that gives it a static cookie. */
async function startTor({ name, processes, trusted, cookie, signal }: {
  name: string;
  processes: TorProcesses;
  trusted: readonly string[];
  cookie: string;
  signal: AbortSignal;
}): Promise<BalancedTor> {
  const own = `${processes.directory}/${name}_cookie`;
  const port = freePort(); // tor takes no port 0 here
  const command = [
    ...[Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"],
    `--allow-read=${own},${cookie}`,
    import.meta.resolve("../../examples/static_cookie.ts"),
    cookie,
  ];
  const process = processes.start(name, [
    ...trusted,
    ...relayTorrc("bridge"),
    ...bridgeTorrc(own, "static_cookie", plainWords(command), `127.0.0.1:${port}`),
    "Log [general,net]debug notice stdout",
    "SafeLogging 0",
  ]);
  const opened = /Opened Extended OR listener .*on 127\.0\.0\.1:(\d+)/;
  const [, ownPort] = await process.logged(opened, signal);
  await process.logged(/Registered server transport 'static_cookie'/, signal);
  await process.logged(/Bootstrapped 100%/, signal);
  return {
    name,
    process,
    own: extOrPort(["127.0.0.1", Number(ownPort)], own),
    front: extOrPort(["127.0.0.1", port], cookie),
  };
}

/** Starts the bridge's half of the transport: no tor is its parent. */
async function startTransport(
  directory: string,
  { ext_orport, auth_cookie_file }: OrPorts,
): Promise<TransportProcess<ServerMethod>> {
  return await launchServer(rot0rServer(auth_cookie_file!), {
    transports: { [TRANSPORT]: { bindAddress: ["127.0.0.1", 0] } },
    extOrPort: { address: ext_orport!, cookieFile: auth_cookie_file! },
    stateDirectory: `${directory}/pt_state`,
  });
}

/** Starts a client, and gives its SOCKS port once it is ready. */
async function startClient(
  name: string,
  processes: TorProcesses,
  torrc: readonly string[],
  bridge: string,
  signal: AbortSignal,
): Promise<number> {
  const client = processes.start(name, [
    ...torrc,
    "Log notice stdout",
    "SocksPort 127.0.0.1:auto",
    "UseBridges 1",
    `ClientTransportPlugin ${TRANSPORT} exec ${plainWords(rot0rClient(bridge))}`,
  ]);
  const [, port] = await client.logged(/Opened Socks listener .* on 127\.0\.0\.1:(\d+)/, signal);
  await client.logged(/Bootstrapped 100%/, signal);
  return Number(port);
}
