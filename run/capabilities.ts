/**
 * What a program built on `run()` says of itself: `--capabilities`, `--help` and `--version`.
 *
 * @module
 */

import type { RunOptions, Transports } from "./transport.ts";

/** What is said of a program. */
interface Program {
  /** Its name. */
  name: string;
  /** Its version, where it has one. */
  version: string | null;
  /** Its transports, and which halves each has. */
  transports: Readonly<Record<string, { client: boolean; server: boolean }>>;
  /** Permission flags of Deno's that each half needs beyond those of `run()`. */
  permissions: { client?: readonly string[]; server?: readonly string[] };
}

const ENVIRONMENT = {
  both: [
    "TOR_PT_MANAGED_TRANSPORT_VER",
    "TOR_PT_STATE_LOCATION",
    "TOR_PT_EXIT_ON_STDIN_CLOSE",
    "TOR_PT_OUTBOUND_BIND_ADDRESS_V4",
    "TOR_PT_OUTBOUND_BIND_ADDRESS_V6",
    "TOR_PT_CLIENT_TRANSPORTS",
    "TOR_PT_SERVER_TRANSPORTS",
  ],
  client: ["TOR_PT_PROXY"],
  server: [
    "TOR_PT_SERVER_BINDADDR",
    "TOR_PT_SERVER_TRANSPORT_OPTIONS",
    "TOR_PT_ORPORT",
    "TOR_PT_EXTENDED_SERVER_PORT",
    "TOR_PT_AUTH_COOKIE_FILE",
  ],
};

// Bridges, tor's ports and the cookie's file are not known before the start, so these flags name
// none of them; --help says how to narrow them.
const PERMISSIONS = {
  client: ["--allow-env=TOR_PT_*", "--allow-net"],
  server: ["--allow-env=TOR_PT_*", "--allow-net", "--allow-read"],
};

type Half = "client" | "server";

/** The halves that any of the transports has. */
function halvesOf({ transports }: Program): Half[] {
  return (["client", "server"] as const).filter((half) =>
    Object.values(transports).some((transport) => transport[half])
  );
}

function flagsOf({ permissions }: Program, half: Half): string[] {
  return [...PERMISSIONS[half], ...permissions[half] ?? []];
}

function describe(program: Program): string {
  const { name, version, transports } = program;
  const halves = halvesOf(program);
  const flags = halves.map((half) => [half, flagsOf(program, half)]);
  return JSON.stringify(
    {
      name,
      version,
      transports,
      environment: [...ENVIRONMENT.both, ...halves.flatMap((half) => ENVIRONMENT[half])],
      permissions: Object.fromEntries(flags),
    },
    null,
    2,
  );
}

const TORRC = { client: "ClientTransportPlugin", server: "ServerTransportPlugin" };

const NARROWED = {
  client: "--allow-net=127.0.0.1:0,BRIDGE:PORT (the proxy's address instead where there is one)",
  server: "--allow-net=BIND:PORT,127.0.0.1 --allow-read=COOKIE_FILE",
};

function help(program: Program): string {
  const { name } = program;
  const transports = Object.entries(program.transports).map(([transport, { client, server }]) =>
    `  ${transport} (${client ? server ? "client and server" : "client only" : "server only"})`
  );
  const lines = (line: (half: Half) => string) => halvesOf(program).map(line).join("\n");
  return `${name} is a program of pluggable transports. tor starts it, as torrc says:

${lines((half) => `  ${TORRC[half]} NAME exec /path/to/deno run --no-prompt ... ${name}`)}

Transports:
${transports.join("\n")}

Permissions in place of "...":
${lines((half) => `  ${half}  ${flagsOf(program, half).join(" ")}`)}

Narrow them where the addresses are known:
${lines((half) => `  ${half}  ${NARROWED[half]}`)}
  The address of TOR_PT_OUTBOUND_BIND_ADDRESS_V4 or _V6 belongs to them.

Options:
  --capabilities  what this program can do and needs, as JSON
  --help          this text
  --version       the version of this program`;
}

function programOf(
  transports: Transports,
  options: Readonly<RunOptions & { name: string }>,
): Program {
  const halves = Object.entries(transports).map(([name, { client, server }]) => [
    name,
    { client: client !== undefined, server: server !== undefined },
  ]);
  return {
    name: options.name,
    version: options.version ?? null,
    transports: Object.fromEntries(halves),
    permissions: options.permissions ?? {},
  };
}

/** The answer to the arguments of a program; null for those that it does not know. */
function answerTo(args: readonly string[], program: Program): string | null {
  if (args.length !== 1) return null;
  switch (args[0]) {
    case "--capabilities":
      return describe(program);
    case "--help":
    case "-h":
      return help(program);
    case "--version":
      return `${program.name} ${program.version ?? "(no version)"}`;
    default:
      return null;
  }
}

/** Answers the arguments of a program, which a managed proxy has none of, and ends the process. */
export async function answerArguments(
  args: readonly string[],
  transports: Transports,
  options: Readonly<RunOptions & { name: string }>,
): Promise<never> {
  const program = programOf(transports, options);
  const answer = answerTo(args, program);
  const text = answer ?? `${program.name}: unknown arguments: ${args.join(" ")} (try --help)`;
  const stream = answer === null ? Deno.stderr : Deno.stdout;
  await new Blob([text, "\n"]).stream().pipeTo(stream.writable);
  Deno.exit(answer === null ? 2 : 0);
}
