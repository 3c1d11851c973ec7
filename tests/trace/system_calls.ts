/** Reads what strace has recorded. */

import { type Address, unmappedIp } from "../../address.ts";

/** A socket, with what is known of it when the recording has been read. */
export interface Socket {
  /** Null where nobody has asked for it. */
  local: string | null;
  /** Null where it is not connected. */
  peer: string | null;
}

/** A call as it was recorded. */
export interface SystemCall {
  name: string;
  /** The arguments as strace writes them. */
  args: string;
  /** What it returned, in the same way. */
  result: string;
  /** The socket that the call is about: its first argument. */
  socket: Socket | null;
}

const UNFINISHED = / <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. \w+ resumed>/;
const CALL = /^(\w+)\((.*)\)\s+= (.*)$/;
/** A call that has never returned. */
const LAST_CALL = /^(\w+)\((.*)$/;
/** A signal, an end, or a thread that was ended before strace could see which call it was to make. */
const EVENT = /^(?:---|\+\+\+|\?+\(|<\.\.\. \?+ resumed>)/;

/** The lines as whole calls, each at the place where it began. */
function wholeCalls(text: string): string[] {
  const calls: { line: string }[] = [];
  const unfinished = new Map<string, { line: string }>();
  for (const line of text.trimEnd().split("\n")) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (EVENT.test(rest)) continue;
    const begun = unfinished.get(thread);
    if (RESUMED.test(rest) && begun !== undefined) {
      begun.line += rest.replace(RESUMED, "");
      unfinished.delete(thread);
      continue;
    }
    const call = { line: rest.replace(UNFINISHED, "") };
    calls.push(call);
    if (UNFINISHED.test(rest)) unfinished.set(thread, call);
  }
  return calls.map(({ line }) => line);
}

const SOCKET_ADDRESS =
  /sa_family=(AF_\w+)(?:, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)|, sin6_port=htons\((\d+)\), .*?inet_pton\(AF_INET6, "([^"]+)"|, sun_path=(@?"[^"]*"))?/g;

/** An IP address and port in the one way to write them. */
export function place([host, port]: Readonly<Address>): string {
  const ip = unmappedIp(host) ?? host;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The addresses among the arguments of a call: places of TCP and UDP, paths, or names of families. */
export function addressesIn({ args }: Pick<SystemCall, "args">): string[] {
  return Array.from(args.matchAll(SOCKET_ADDRESS), ([, family, port4, ip4, port6, ip6, path]) => {
    const [ip, port] = [ip4 ?? ip6, port4 ?? port6];
    if (ip !== undefined) return place([ip, Number(port)]);
    return path === undefined ? `${family}` : `${family} ${path}`;
  });
}

/** How strace writes a descriptor that is a socket, with a number that no other socket has. */
const SOCKET = /^\d+<socket:\[(\d+)\]>/;

/** Whether a call has done what it was for. */
export function succeeds({ result }: SystemCall): boolean {
  return /^\d/.test(result);
}

/** The sockets of a recording, by the numbers that the system gives them. */
class Sockets {
  readonly #byNumber = new Map<string, Socket>();

  /** The socket at the beginning of a text; null where it is something else. */
  find(text: string): Socket | null {
    const [, number] = SOCKET.exec(text) ?? [];
    if (number === undefined) return null;
    return this.#byNumber.getOrInsertComputed(number, () => ({ local: null, peer: null }));
  }

  /** Takes note of what a call says of its socket, or of the one that it returns. */
  note(call: SystemCall): void {
    const { name, socket, result } = call;
    const [, number] = name === "socket" ? SOCKET.exec(result) ?? [] : [];
    if (number !== undefined) this.#byNumber.set(number, { local: null, peer: null });
    const [address = null] = addressesIn(call);
    if (name === "connect" && socket !== null) socket.peer = address;
    if (name === "getsockname" && socket !== null) socket.local = address;
  }
}

/** The calls of a recording, in order. */
export function parseTrace(text: string): SystemCall[] {
  const sockets = new Sockets();
  return wholeCalls(text).map((line) => {
    const [, name, args = "", result = "?"] = CALL.exec(line) ?? LAST_CALL.exec(line) ?? [];
    // A line that is not understood might be a call that is looked for.
    if (name === undefined) throw new SyntaxError(`strace has written: ${line}`);
    const call = { name, args, result, socket: sockets.find(args) };
    sockets.note(call);
    return call;
  });
}
