/** Reads what strace has recorded. */

import { type Address, unmappedIp } from "../../address.ts";

/** A call as it was recorded. */
export interface SystemCall {
  /** The process, whichever of its threads it was. */
  process: number;
  name: string;
  /** The arguments as strace writes them, with the addresses of sockets. */
  args: string;
  /** What it returned, in the same way. */
  result: string;
}

const UNFINISHED = / <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. \w+ resumed>/;
const CALL = /^(\w+)\((.*)\)\s+= (.*)$/;
/** A call that has never returned. */
const LAST_CALL = /^(\w+)\((.*)$/;
/** A signal, or an end. */
const EVENT = /^(?:---|\+\+\+) /;

/** The lines as whole calls, each at the place where it began, with the thread that made it. */
function wholeCalls(text: string): { thread: number; line: string }[] {
  const calls: { thread: number; line: string }[] = [];
  const unfinished = new Map<number, { thread: number; line: string }>();
  for (const line of text.trimEnd().split("\n")) {
    const [, id = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const thread = Number(id);
    if (EVENT.test(rest)) continue;
    const begun = unfinished.get(thread);
    if (RESUMED.test(rest) && begun !== undefined) {
      begun.line += rest.replace(RESUMED, "");
      unfinished.delete(thread);
      continue;
    }
    const call = { thread, line: rest.replace(UNFINISHED, "") };
    calls.push(call);
    if (UNFINISHED.test(rest)) unfinished.set(thread, call);
  }
  return calls;
}

const BIRTHS = ["clone", "clone3", "fork", "vfork"];

/** The calls of a recording, in order. */
export function parseTrace(text: string): SystemCall[] {
  const processes = new Map<number, number>();
  const calls: (SystemCall & { thread: number })[] = [];
  for (const { thread, line } of wholeCalls(text)) {
    const [, name, args = "", result = "?"] = CALL.exec(line) ?? LAST_CALL.exec(line) ?? [];
    // A line that is not understood might be a call that is looked for.
    if (name === undefined) throw new SyntaxError(`strace has written: ${line}`);
    calls.push({ process: thread, thread, name, args, result });
  }
  // A thread may have been recorded before the call that made it had returned.
  for (const { thread, name, args, result } of calls) {
    const child = Number.parseInt(result);
    if (!BIRTHS.includes(name) || !(child > 0)) continue;
    const isThread = args.includes("CLONE_THREAD");
    processes.set(child, isThread ? processes.get(thread) ?? thread : child);
  }
  return calls.map(({ thread, ...call }) => ({
    ...call,
    process: processes.get(thread) ?? thread,
  }));
}

const SOCKET_ADDRESS =
  /sa_family=(AF_\w+)(?:, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)|, sin6_port=htons\((\d+)\), .*?inet_pton\(AF_INET6, "([^"]+)"|, sun_path=(@?"[^"]*"))?/g;

/** An IP address and port in the one way to write them. */
export function place([host, port]: Readonly<Address>): string {
  const ip = unmappedIp(host) ?? host;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The addresses among the arguments of a call: places of TCP and UDP, paths, or names of families. */
export function addressesIn({ args }: SystemCall): string[] {
  return Array.from(args.matchAll(SOCKET_ADDRESS), ([, family, port4, ip4, port6, ip6, path]) => {
    const [ip, port] = [ip4 ?? ip6, port4 ?? port6];
    if (ip !== undefined) return place([ip, Number(port)]);
    return path === undefined ? `${family}` : `${family} ${path}`;
  });
}

/** A socket as strace describes it behind a descriptor. */
export interface Socket {
  kind: string;
  local: string;
  /** Null where it is not connected. */
  peer: string | null;
}

function readSocket(text: string): Socket | null {
  const [, kind, inside] = /^\d+<([A-Z][\w-]*):\[(.*?)\]>/.exec(text) ?? [];
  if (kind === undefined || inside === undefined) return null;
  const [local = "", peer = null] = inside.split("->");
  return { kind, local: normal(local), peer: peer === null ? null : normal(peer) };
}

function normal(text: string): string {
  const [, host, port] = /^\[?([\da-f.:]+?)\]?:(\d+)$/.exec(text) ?? [];
  return host === undefined ? text : place([host, Number(port)]);
}

/** The socket that a call is about: its first argument. */
export function socketOf({ args }: SystemCall): Socket | null {
  return readSocket(args);
}

/** The socket that a call has returned. */
export function socketReturned({ result }: SystemCall): Socket | null {
  return readSocket(result);
}
