/** The programs whose calls are recorded. Another one is another line. */

import { frames, nested, plain, type Service, tls, webtunnel } from "./services.ts";

/** A client program. */
export interface Program {
  name: string;
  /** How it is started. `ptlib client` is not a transport: its options come from the session. */
  command: readonly string[];
  /** The name of its transport. */
  transport: string;
  /** The other end of the transport. */
  service: Service;
  /** Who starts it, and speaks to it: a parent such as tor, or somebody at a shell. */
  startedBy: "parent" | "shell";
  /** Whether it gives an attempt up when the user has gone meanwhile. */
  noticesLeaving: boolean;
}

const EXAMPLES = new URL("../../examples/", import.meta.url);

/** Deno with every permission, so that nothing but the library keeps it from the network. */
function deno(path: URL, ...args: string[]): string[] {
  return [Deno.execPath(), "run", "--no-prompt", "--allow-all", path.pathname, ...args];
}

function own(
  name: string,
  path: string,
  transport: string,
  service: Service,
  ...args: string[]
): Program {
  const command = deno(new URL(path, EXAMPLES), ...args);
  return { name, command, transport, service, startedBy: "parent", noticesLeaving: true };
}

function patient(program: Program): Program {
  return { ...program, noticesLeaving: false };
}

const LAUNCHED = "../tests/trace/launched.ts";
const IN_PROCESS = "../tests/trace/in_process.ts";
const WRITTEN_OUT = "../bench/written_out/dummy_client.ts";
const DUMMY = deno(new URL("dummy_client.ts", EXAMPLES));

/** Ours. */
export const PROGRAMS: readonly Program[] = [
  own("dummy_client.ts", "dummy_client.ts", "dummy", plain),
  own("rot13.ts", "rot13.ts", "rot13", plain),
  own("tls.ts", "tls.ts", "pinned", tls),
  own("frames.ts", "frames.ts", "sealed", frames),
  own("webtunnel/main.ts", "../webtunnel/main.ts", "webtunnel", webtunnel),
  patient(own("rot0r.ts, without run()", "rot0r.ts", "rot13", plain)),
  patient(own("dummy client, written out", WRITTEN_OUT, "dummy", plain)),
  own("dial()", IN_PROCESS, "dial", plain),
  own("dial() and startTls() with SNI", IN_PROCESS, "tls_with_name", tls),
  own("connectThrough()", IN_PROCESS, "through", frames),
  own("connectThrough() in connectThrough()", IN_PROCESS, "nested", nested),
  own("launchClient(), dialTransport()", LAUNCHED, "dummy", plain, "dummy", ...DUMMY),
  // It goes on, because what comes may be for the next user.
  patient({ ...own("ptlib client", "../cli.ts", "dummy", plain), startedBy: "shell" }),
];

/** A program that goes around the proxy, and what is seen of it. */
export interface Offender extends Program {
  sign: RegExp;
}

const DIRECTLY = /^connect 198\.51\.100\.7:443$/;
const LOOKS_UP = /^uses \/etc\//;
const DATAGRAMS = /^opens a socket AF_INET6?, SOCK_DGRAM\b/;

function offender(transport: string, sign: RegExp): Offender {
  const path = "../tests/trace/goes_around.ts";
  return { ...own(transport, path, transport, plain), sign };
}

/** What goes around the proxy, each in its own way. */
export const OFFENDERS: readonly Offender[] = [
  offender("falls_back", DIRECTLY),
  offender("connects_first", DIRECTLY),
  offender("looks_up", LOOKS_UP),
  offender("asks_dns", LOOKS_UP),
  offender("sends_datagram", DATAGRAMS),
  offender("starts_program", LOOKS_UP),
];

/** What `ptlib client` starts. */
export const TUNNELLED = DUMMY;
