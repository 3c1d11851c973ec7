/**
 * The command line of a program built on `run()`: its own flags, and what it says of itself by
 * `--capabilities`, `--help` and `--version`.
 *
 * @module
 */

import { answer, programPath, refuse } from "./answer.ts";
import type { FlagOption, Flags, RunOptions, Transports } from "./transport.ts";

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
  /** The narrowest flags for each way to run each half. */
  narrowed: { client?: readonly string[]; server?: readonly string[] };
  /** What a person has to know besides. */
  about: string | undefined;
  /** Flags of its own. */
  flags: Readonly<Record<string, FlagOption>>;
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

type Role = "client" | "server";

/** The roles that any of the transports can play. */
function rolesOf({ transports }: Program): Role[] {
  return (["client", "server"] as const).filter((role) =>
    Object.values(transports).some((transport) => transport[role])
  );
}

function flagsOf({ permissions }: Program, role: Role): string[] {
  return [...PERMISSIONS[role], ...permissions[role] ?? []];
}

function narrowedOf({ narrowed }: Program, role: Role): readonly string[] {
  return narrowed[role] ?? NARROWED[role];
}

function describe(program: Program): string {
  const { name, version, transports } = program;
  const roles = rolesOf(program);
  const flags = roles.map((role) => [role, flagsOf(program, role)]);
  const narrowed = roles.map((role) => [role, narrowedOf(program, role)]);
  return JSON.stringify(
    {
      name,
      version,
      transports,
      environment: [...ENVIRONMENT.both, ...roles.flatMap((role) => ENVIRONMENT[role])],
      permissions: Object.fromEntries(flags),
      narrowed: Object.fromEntries(narrowed),
      flags: program.flags,
    },
    null,
    2,
  );
}

const TORRC = { client: "ClientTransportPlugin", server: "ServerTransportPlugin" };

const NARROWED = {
  client: ["--allow-net=127.0.0.1:0,BRIDGE:PORT (the proxy's address instead where there is one)"],
  server: ["--allow-net=BIND:PORT,127.0.0.1 --allow-read=COOKIE_FILE"],
};

/** How tor starts the program; where that is one file with Deno in it, it has its permissions. */
function startedAs(program: Program, role: Role): string {
  // tor on Windows has no env; it hands on its own variables.
  const env = Deno.build.os === "windows" ? "" : "/usr/bin/env DENO_NO_UPDATE_CHECK=1 ";
  const deno = Deno.build.standalone
    ? Deno.execPath()
    : `${Deno.execPath()} run --cached-only --no-prompt ${
      flagsOf(program, role).join(" ")
    } ${programPath()}`;
  return env + deno;
}

function torrcLine(program: Program, role: Role): string {
  const names = Object.entries(program.transports).filter(([, halves]) => halves[role]);
  return `  ${TORRC[role]} ${names.map(([name]) => name).join()} exec ${startedAs(program, role)}`;
}

function help(program: Program): string {
  const transports = Object.entries(program.transports).map(([transport, { client, server }]) =>
    `  ${transport} (${client ? server ? "client and server" : "client only" : "server only"})`
  );
  const roles = rolesOf(program);
  const narrowed = roles.flatMap((role) =>
    narrowedOf(program, role).map((flags) => `  ${role}  ${flags}`)
  );
  const torrc = roles.map((role) => torrcLine(program, role));
  if (/\s/.test(Deno.execPath() + programPath())) {
    torrc.push("\ntor splits these lines at spaces: move what has one in its path");
  }
  return `${program.name} is a pluggable transport: a program that tor starts. In a torrc that is

${torrc.join("\n")}

Transports:
${transports.join("\n")}

The permissions can be narrower where the addresses are known:
${narrowed.join("\n")}
  The address of TOR_PT_OUTBOUND_BIND_ADDRESS_V4 or _V6 belongs to them, with port 0.
${program.about ? `\n${program.about}\n` : ""}
Options:
${optionLines({ ...program.flags, ...OWN_FLAGS }).join("\n")}`;
}

/** The flags that every program has. */
const OWN_FLAGS: Readonly<Record<string, FlagOption>> = {
  capabilities: {
    type: "boolean",
    description: "what this program can do and needs, as JSON",
  },
  help: { type: "boolean", short: "h", description: "this text" },
  version: { type: "boolean", description: "the version of this program" },
};

/** A line for each flag. */
function optionLines(flags: Readonly<Record<string, FlagOption>>): string[] {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const usage = `${flag.short === undefined ? "" : `-${flag.short}, `}--${name}`;
    const several = flag.multiple === true ? " (may come several times)" : "";
    const initial = flag.default === undefined ? "" : ` (default: ${flag.default})`;
    return [
      flag.type === "string" ? `${usage} VALUE` : usage,
      `${flag.description ?? ""}${several}${initial}`.trim(),
    ] as const;
  });
  const width = Math.max(...rows.map(([usage]) => usage.length));
  return rows.map(([usage, description]) => `  ${usage.padEnd(width)}  ${description}`.trimEnd());
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
    narrowed: options.narrowed ?? {},
    about: options.about,
    flags: options.flags ?? {},
  };
}

/** Whether it is the arguments that are wrong, and not what the author says of them. */
function isUsersMistake(error: unknown): error is TypeError {
  return error instanceof TypeError && "code" in error &&
    String(error.code).startsWith("ERR_PARSE_ARGS");
}

/** Checks an author's flags. */
function checkFlags(flags: Readonly<Record<string, FlagOption>>): void {
  for (const [name, { short }] of Object.entries(flags)) {
    if (Object.hasOwn(OWN_FLAGS, name) || short === "h") {
      throw new TypeError(`The flag --${name} is one that run() has itself, or has its letter`);
    }
  }
}

/**
 * Reads the arguments of a program. Where they ask what it is, or cannot be understood, the process
 * ends with the answer.
 */
export async function readArguments(
  args: readonly string[],
  transports: Transports,
  options: Readonly<RunOptions & { name: string }>,
): Promise<Flags> {
  const program = programOf(transports, options);
  checkFlags(program.flags);
  const { parseArgs } = await import("node:util");
  let flags: Flags;
  try {
    const known = { ...program.flags, ...OWN_FLAGS };
    flags = parseArgs({ args: [...args], options: known, allowPositionals: false }).values;
  } catch (error) {
    if (!isUsersMistake(error)) throw error;
    return await refuse(`${program.name}: ${error.message} (try --help)`, 2);
  }
  const { capabilities, help: wantsHelp, version, ...own } = flags;
  if (capabilities === true) return await answer(Deno.stdout, describe(program), 0);
  if (wantsHelp === true) return await answer(Deno.stdout, help(program), 0);
  if (version === true) {
    return await answer(Deno.stdout, `${program.name} ${program.version ?? "(no version)"}`, 0);
  }
  return own;
}
