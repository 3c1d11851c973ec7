/**
 * The environments in which a transport is started: what tor sets, and what any program needs.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Start } from "./checked_program.ts";
import { passedThrough } from "../parent/child_environment.ts";
import { quoteForShell } from "../parent/shell.ts";
import type { Role } from "./verdict.ts";

/** Variables for a program, or null for one that shall be unset. */
export type Variables = Readonly<Record<string, string | null>>;

/** What programs are told in every start. */
export interface Told {
  readonly transport: string;
  readonly options: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** What tor sets for a transport, with some variables changed. */
export function environment(
  role: Role,
  { transport, options, variables }: Told,
  state: string,
  orport: Address,
  changes: Variables,
): Record<string, string> {
  const common = {
    TOR_PT_MANAGED_TRANSPORT_VER: "1",
    TOR_PT_STATE_LOCATION: state,
    TOR_PT_EXIT_ON_STDIN_CLOSE: "1",
  };
  const own: Variables = role === "client" ? { TOR_PT_CLIENT_TRANSPORTS: transport } : {
    TOR_PT_SERVER_TRANSPORTS: transport,
    TOR_PT_SERVER_BINDADDR: `${transport}-127.0.0.1:0`,
    TOR_PT_ORPORT: formatAddress(orport),
    ...options !== "" && { TOR_PT_SERVER_TRANSPORT_OPTIONS: options },
  };
  const all: Variables = { ...passedThrough(), ...variables, ...common, ...own, ...changes };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

/** Makes the directories in which a program is at home, where those are not ours. */
function ownDirectories({ environment, cwd }: Start, isOwn: (name: string) => boolean): string {
  if (cwd === undefined) return "";
  const homes = ["HOME", "TMPDIR"].filter(isOwn).map((name) => environment[name] ?? "");
  const made = [...homes, cwd].map(quoteForShell).join(" ");
  return `mkdir -p ${made} && cd ${quoteForShell(cwd)} && `;
}

/** The command line that starts a program with an environment from scratch. */
export function commandLine(start: Start): string {
  const { command, environment } = start;
  const inherited = passedThrough();
  const isOwn = (name: string) => name in environment && inherited[name] !== environment[name];
  const ours = ["PATH", "HOME"].filter((name) => !isOwn(name)).map((name) => `${name}="$${name}"`);
  const settings = Object.entries(environment).filter(([name]) => isOwn(name))
    .map(([name, value]) => `${name}=${quoteForShell(value)}`);
  const line = ["env", "-i", ...ours, ...settings, ...command.map(quoteForShell)].join(" ");
  return `${ownDirectories(start, isOwn)}${line}`;
}
