/**
 * tor as the judge of the checker: it bootstraps through every legal variant of a transport, and it
 * does not through one with a fault that the checker calls a MUST because tor breaks on it.
 *
 *     deno task check:tor [PATTERN]
 *
 * Each is a private Tor network of its own, which takes some twenty seconds. The last line is
 * `N judged, N otherwise than expected`; the status is 0 when none is.
 */

import { startTorNetwork, type TorNetworkOptions } from "../../tor/network.ts";
import { program as broken } from "./broken_program.ts";
import { program as legal, variants } from "./legal_program.ts";

/** How long a network may take that works; most of the time it takes a tenth of that. */
const BOOTSTRAP_MS = 120_000;
/** How long one is watched that does not. It is over as soon as tor says so. */
const BREAK_MS = 60_000;

/** Variants that no tor can bootstrap through, and why that is no reason to accuse them. */
const UNUSABLE: Readonly<Record<string, string>> = {
  "method-error": "the transport does not start",
};

/** What the bridge line has to say for a variant. */
const ARGS: Readonly<Record<string, readonly string[]>> = {
  "password-only": ["secret=1"],
  "secret-needed": ["secret=1"],
};

/** What tor says of a fault in one of the halves. */
interface Break {
  readonly half: "client" | "server";
  readonly says: RegExp;
  readonly args?: readonly string[];
  readonly options?: readonly string[];
}

const REFUSED = /unable to connect OR connection/;
/** The client's tor is cut off because the bridge's closes the Extended ORPort's connection. */
const CLOSED = /connections died in state handshaking \(TLS\)/;

const BREAKS: Readonly<Record<string, Break>> = {
  "socks-granted-form": { half: "client", says: REFUSED },
  "socks-args-equals": {
    half: "client",
    says: REFUSED,
    args: ["key=a=b"],
  },
  // The arguments are lost, and with them a transport that needs some.
  "socks-password-preferred+args-needed": { half: "client", says: REFUSED, args: ["key=value"] },
  "socks-as-tor": { half: "client", says: REFUSED, args: ["key=value"] },
  "socks4-granted": { half: "client", says: REFUSED },
  "options-equals": {
    half: "server",
    says: /Managed proxy|managed proxy/,
    options: ["key=a=b"],
  },
  // It aborts tor itself.
  "line-like-method": { half: "client", says: /Assertion .* failed|died|ended|closed/ },
  "method-line": { half: "client", says: /Managed proxy|managed proxy/ },
  "ext-transport-form": { half: "server", says: CLOSED },
  "ext-transport-form:nul": { half: "server", says: CLOSED },
  "ext-useraddr-form:range": { half: "server", says: CLOSED },
};

/** What tor says of a transport; null when it bootstraps. It is over when a line has been logged. */
async function complaint(
  commands: Pick<
    TorNetworkOptions,
    "clientCommand" | "serverCommand" | "bridgeArguments" | "serverOptions"
  >,
  milliseconds: number,
  awaited?: RegExp,
): Promise<string | null> {
  const logged = new AbortController();
  const signal = AbortSignal.any([AbortSignal.timeout(milliseconds), logged.signal]);
  let said: string | null = null;
  const onLog = (_: string, line: string) => {
    if (said !== null || awaited?.test(line) !== true) return;
    said = line;
    logged.abort();
  };
  try {
    const network = await startTorNetwork({ transport: "dummy", signal, onLog, ...commands });
    await network[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    return said ?? (error instanceof Error ? error.message : String(error));
  }
}

async function judgeLegal(variant: string): Promise<string | null> {
  // tor does not look for a program on the PATH.
  const command = () => ["/usr/bin/env", ...legal(...variant === "plain" ? [] : [variant])];
  const commands = { clientCommand: command, serverCommand: command };
  return await complaint({ ...commands, bridgeArguments: () => ARGS[variant] ?? [] }, BOOTSTRAP_MS);
}

async function judgeBroken(fault: string, { half, says, args, options = [] }: Break) {
  const [good, bad] = [() => broken(), () => broken(fault)];
  const said = await complaint(
    {
      clientCommand: half === "client" ? bad : good,
      serverCommand: half === "server" ? bad : good,
      // Without others, what the bridge has published.
      ...args !== undefined && { bridgeArguments: () => args },
      serverOptions: () => options,
    },
    BREAK_MS,
    says,
  );
  if (said === null) return "tor bootstraps";
  return says.test(said) ? null : said;
}

/** The arguments that a server publishes, as a bridge line has them. */
async function published(fault: string): Promise<string> {
  const [command = "", ...args] = broken(fault);
  const { stdout } = await new Deno.Command(command, {
    args,
    env: {
      TOR_PT_MANAGED_TRANSPORT_VER: "1",
      TOR_PT_STATE_LOCATION: "/tmp/check",
      TOR_PT_EXIT_ON_STDIN_CLOSE: "1",
      TOR_PT_SERVER_TRANSPORTS: "dummy",
      TOR_PT_SERVER_BINDADDR: "dummy-127.0.0.1:0",
      TOR_PT_ORPORT: "127.0.0.1:9",
    },
    stdin: "null", // It has started, and ends.
    stderr: "null",
  }).output();
  const words = / ARGS:(\S*)/.exec(new TextDecoder().decode(stdout))?.[1];
  if (words === undefined) throw new Error("The server publishes no arguments");
  return words.replaceAll(",", " ");
}

/** Whether tor takes a bridge line with what a server publishes. */
async function judgeBridgeLine(fault: string): Promise<string | null> {
  const directory = await Deno.makeTempDir();
  try {
    const torrc = [
      `DataDirectory ${directory}`,
      "UseBridges 1",
      "ClientTransportPlugin dummy exec /bin/true",
      `Bridge dummy 127.0.0.1:9 ${await published(fault)}`,
    ];
    await Deno.writeTextFile(`${directory}/torrc`, `${torrc.join("\n")}\n`);
    const args = ["--verify-config", "-f", `${directory}/torrc`];
    const { success, stdout } = await new Deno.Command("tor", { args }).output();
    if (success) return "tor takes the bridge line";
    const said = new TextDecoder().decode(stdout);
    return /SOCKS arguments can't be more than 510 bytes/.test(said) ? null : said;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const pattern = new RegExp(Deno.args[0] ?? "");
let [judged, wrong] = [0, 0];

async function judge(name: string, look: () => Promise<string | null>): Promise<void> {
  if (!pattern.test(name)) return;
  judged++;
  const problem = await look();
  if (problem !== null) wrong++;
  console.log(problem === null ? `ok   ${name}` : `FAIL ${name}: ${problem}`);
}

for (const variant of ["plain", ...variants() ?? []]) {
  const unusable = UNUSABLE[variant];
  if (unusable === undefined) await judge(`legal ${variant}`, () => judgeLegal(variant));
  else if (pattern.test(`legal ${variant}`)) console.log(`skip legal ${variant}: ${unusable}`);
}
for (const [fault, how] of Object.entries(BREAKS)) {
  await judge(`fault ${fault}`, () => judgeBroken(fault, how));
}
await judge("fault method-args-long", () => judgeBridgeLine("method-args-long"));
console.log(`${judged} judged, ${wrong} otherwise than expected`);
Deno.exit(wrong === 0 ? 0 : 1);
