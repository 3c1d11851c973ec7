/** Says what was connected to, and what went around the proxy. */

import { isLoopback, parseAddress } from "../../address.ts";
import { addressesIn, place, type Socket, succeeds, type SystemCall } from "./system_calls.ts";

/** What a recording is judged by. */
export interface Rules {
  /** The proxy's place. */
  proxy: string;
  /** Where the program's users come to. */
  users: string;
  /** What must be seen by nobody but the proxy: a part of a target's name. */
  secret: string;
  /** The source address that was set; null where there was none. */
  source: string | null;
}

/** What was seen. */
export interface Seen {
  /** Connections by `connect` to the proxy. */
  toProxy: number;
  /** What went, or could have gone, to anybody else. */
  elsewhere: string[];
  /** What shows that a name was looked up on this machine. */
  resolved: string[];
}

const SENDING = ["connect", "sendto", "sendmsg", "sendmmsg"];
const WRITING = [...SENDING, "write", "writev"];

/** Files of the C library's resolver, and of those that are written in other languages. */
const RESOLVER_FILE =
  /"(\/etc\/(?:resolv\.conf|hosts|nsswitch\.conf|host\.conf|gai\.conf)|[^"]*\/libnss_[^"]*|\/(?:var\/)?run\/(?:nscd|systemd\/resolve|dbus)\/[^"]*)"/;

const TCP_SOCKET = /^AF_INET6?, SOCK_STREAM(?:\||,)/;

/** The listeners that the program opened, by the places where they listen. */
export function listenersOf(calls: readonly SystemCall[]): Set<string> {
  const listens = calls.filter(({ name }) => name === "listen");
  return new Set(listens.flatMap(({ socket }) => socket?.local ?? []));
}

/** The calls of each connection of a user, in order; what came before the first is the first part. */
export function splitByUser(calls: readonly SystemCall[], users: string): SystemCall[][] {
  const parts: SystemCall[][] = [[]];
  for (const call of calls) {
    const accepts = /^accept4?$/.test(call.name) && succeeds(call);
    if (accepts && call.socket?.local === users) parts.push([]);
    parts.at(-1)!.push(call);
  }
  return parts;
}

function isOwn(place: string | null, own: ReadonlySet<string>): boolean {
  return place !== null && own.has(place) && isLoopback(parseAddress(place)[0]);
}

/** Why a socket is not one that a client needs; null where it is. */
function forbiddenSocket({ name, args }: SystemCall): string | null {
  if (name !== "socket" || TCP_SOCKET.test(args)) return null;
  return `opens a socket ${args}`;
}

/** Why a `bind` is neither a listener on loopback nor a source address. */
function forbiddenBind(address: string, { source }: Rules): string | null {
  if (/^(?:127\.0\.0\.1|\[::1\]):0$/.test(address)) return null;
  return source !== null && place([source, 0]) === address ? null : `binds ${address}`;
}

/** Whether the other end of a socket may know the target. */
function mayKnow({ peer }: Socket, rules: Rules, own: ReadonlySet<string>): boolean {
  return peer === rules.proxy || isOwn(peer, own);
}

/** Judges some calls of a program; `own` are its listeners. */
export function judge(calls: readonly SystemCall[], rules: Rules, own: ReadonlySet<string>): Seen {
  const seen: Seen = { toProxy: 0, elsewhere: [], resolved: [] };
  for (const call of calls) {
    const { name, args } = call;
    const [, file] = /^open|^connect$/.test(name) ? RESOLVER_FILE.exec(args) ?? [] : [];
    if (file !== undefined) seen.resolved.push(file);
    const socket = forbiddenSocket(call);
    if (socket !== null) seen.elsewhere.push(socket);
    // It could send without any of these calls.
    if (name === "io_uring_setup") seen.elsewhere.push("uses io_uring");
    for (const address of name === "bind" ? addressesIn(call) : []) {
      const fault = forbiddenBind(address, rules);
      if (fault !== null) seen.elsewhere.push(fault);
    }
    for (const address of SENDING.includes(name) ? addressesIn(call) : []) {
      if (address === rules.proxy) seen.toProxy++;
      // As a parent comes to its transport.
      else if (!isOwn(address, own) || address === rules.users) {
        seen.elsewhere.push(`${name} ${address}`);
      }
    }
    // What fails has told nobody: a connection that was reset has no other end any more.
    const tells = WRITING.includes(name) && args.includes(rules.secret) && succeeds(call);
    if (tells && call.socket !== null && !mayKnow(call.socket, rules, own)) {
      seen.elsewhere.push(`tells the target to ${call.socket.peer ?? "a socket without a peer"}`);
    }
  }
  return seen;
}
