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
/** How long one is watched that does not. What counts is what tor says then. */
const BREAK_MS = 30_000;

/** Variants that no tor can bootstrap through, and why that is no reason to accuse them. */
const UNUSABLE: Readonly<Record<string, string>> = {
  "method-error": "the transport does not start",
};

/** What the bridge line has to say for a variant. */
const ARGS: Readonly<Record<string, readonly string[]>> = { "password-only": ["secret=1"] };

/** What tor says of a fault in one of the halves. */
interface Break {
  readonly half: "client" | "server";
  readonly says: RegExp;
  readonly args?: readonly string[];
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
  "method-line": { half: "client", says: /Managed proxy|managed proxy/ },
  "ext-transport-form": { half: "server", says: CLOSED },
  "ext-transport-form:nul": { half: "server", says: CLOSED },
  "ext-useraddr-form:range": { half: "server", says: CLOSED },
};

/** What tor says of a transport; null when it bootstraps. */
async function complaint(
  commands: Pick<TorNetworkOptions, "clientCommand" | "serverCommand" | "bridgeArguments">,
  milliseconds: number,
): Promise<string | null> {
  const signal = AbortSignal.timeout(milliseconds);
  try {
    const network = await startTorNetwork({ transport: "dummy", signal, ...commands });
    await network[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function judgeLegal(variant: string): Promise<string | null> {
  // tor does not look for a program on the PATH.
  const command = () => ["/usr/bin/env", ...legal(...variant === "plain" ? [] : [variant])];
  const commands = { clientCommand: command, serverCommand: command };
  return await complaint({ ...commands, bridgeArguments: () => ARGS[variant] ?? [] }, BOOTSTRAP_MS);
}

async function judgeBroken(fault: string, { half, says, args = [] }: Break) {
  const [good, bad] = [() => broken(), () => broken(fault)];
  const said = await complaint({
    clientCommand: half === "client" ? bad : good,
    serverCommand: half === "server" ? bad : good,
    bridgeArguments: () => args,
  }, BREAK_MS);
  if (said === null) return "tor bootstraps";
  return says.test(said) ? null : said;
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
console.log(`${judged} judged, ${wrong} otherwise than expected`);
Deno.exit(wrong === 0 ? 0 : 1);
