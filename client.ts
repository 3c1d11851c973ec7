/**
 * The client half of a pluggable transport: what tor wants, and what it is told.
 *
 * ```ts
 * import { client, config } from "@ptlib/ptlib";
 *
 * function launch(): void {
 *   const info = client.init(["rot13"]);
 *   if (info.proxy !== null) {
 *     client.reportProxyError("rot13 cannot use a proxy");
 *     Deno.exit(1);
 *   }
 *   for (const name of info.transports) {
 *     const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 *     client.reportSuccess(name, 5, ["127.0.0.1", listener.addr.port]);
 *   }
 *   client.reportEnd();
 * }
 *
 * if (import.meta.main) {
 *   try {
 *     launch();
 *   } catch (error) {
 *     if (!(error instanceof config.EnvError)) throw error;
 *     console.error(`Start me from tor: ${error.message}`);
 *     Deno.exit(1);
 *   }
 * }
 * ```
 *
 * @module
 */

import type { Address } from "./address.ts";
import {
  EnvError,
  type ProxyInfo,
  readClientTransports,
  readMode,
  readProxy,
  readStateLocation,
} from "./config.ts";
import { printable } from "./grammar.ts";
import {
  methodAddress,
  negotiate,
  printDone,
  printMethod,
  printMethodError,
  printProxyAnswer,
} from "./stdout_lines.ts";

export type { Address } from "./address.ts";
export { EnvError, ProxyError, type ProxyInfo } from "./config.ts";

/**
 * What the parent wants of a client.
 *
 * @example
 * ```ts
 * import type { ClientInfo } from "@ptlib/ptlib/client";
 *
 * const wantsRot13 = (info: ClientInfo) => info.transports.includes("rot13");
 * ```
 */
export interface ClientInfo {
  /** The directory in which the transport may keep files; it may not exist yet. */
  state_loc: string;
  /** The names of the transports to start. The list can be empty. */
  transports: string[];
  /** The upstream proxy that every outgoing connection must use; `null` if there is none. */
  proxy: ProxyInfo | null;
}

/**
 * Reads what the parent wants and says `VERSION 1` (pt-spec section 3.2 and 3.3.1). Call it once:
 * tor kills a transport that says it twice.
 *
 * When `proxy` is set, answer with {@linkcode reportProxySuccess} and connect through it alone,
 * or with {@linkcode reportProxyError} and end. A program that does neither is refused by tor, so
 * a forgotten proxy leaks nothing.
 *
 * @param transports The names of the transports the program has.
 * @returns What the parent wants; names that the program does not have are left out.
 * @throws {EnvError} When the environment is unusable. The parent has been told, with
 * `VERSION-ERROR` or `ENV-ERROR` in place of `VERSION 1`: end with a status other than 0.
 * @throws {ProxyError} When `TOR_PT_PROXY` is malformed. The parent has been told, with
 * `PROXY-ERROR`: end with a status other than 0.
 * @throws {TypeError} When one of `transports` is not a valid transport name. Nothing was printed.
 *
 * @example
 * ```ts
 * import { init } from "@ptlib/ptlib/client";
 * import { EnvError } from "@ptlib/ptlib/config";
 *
 * try {
 *   const { transports } = init(["rot13", "rot26"]);
 *   for (const name of transports) console.error(`launching ${name}`);
 * } catch (error) {
 *   if (!(error instanceof EnvError)) throw error;
 * }
 * ```
 */
export function init(transports: readonly string[]): ClientInfo {
  return negotiate("client", transports, () => {
    if (readMode() === "server") {
      throw new EnvError("TOR_PT_SERVER_TRANSPORTS is set: the parent wants a server here");
    }
    return {
      state_loc: readStateLocation(),
      transports: readClientTransports(transports),
      proxy: readProxy(),
    };
  });
}

/**
 * Tells the parent that the upstream proxy will be used: `PROXY DONE` (pt-spec section 3.3.2).
 *
 * @throws {Error} When there is no proxy, when it was already accepted or refused, after the first
 * `reportSuccess()` or `reportFailure()`, and in every case where those two throw.
 *
 * @example
 * ```ts
 * import { type ClientInfo, reportProxySuccess } from "@ptlib/ptlib/client";
 *
 * function acceptProxy(info: ClientInfo): void {
 *   if (info.proxy !== null) reportProxySuccess();
 * }
 * ```
 */
export function reportProxySuccess(): void {
  printProxyAnswer("PROXY DONE", true);
}

/**
 * Tells the parent that the upstream proxy cannot be used: `PROXY-ERROR` (pt-spec section
 * 3.3.2). After it, exit with a status other than 0.
 *
 * @param message Why; whatever is not printable ASCII becomes `?`.
 * @throws {Error} When there is no proxy, when it was already accepted or refused, after the first
 * `reportSuccess()` or `reportFailure()`, and in every case where those two throw.
 *
 * @example
 * ```ts
 * import { type ClientInfo, reportProxyError } from "@ptlib/ptlib/client";
 *
 * function refuseProxy(info: ClientInfo): void {
 *   if (info.proxy === null) return;
 *   reportProxyError("rot13 cannot use a proxy");
 *   Deno.exit(1);
 * }
 * ```
 */
export function reportProxyError(message: string): void {
  printProxyAnswer(`PROXY-ERROR ${printable(message)}`, false);
}

/**
 * Tells the parent where a transport takes SOCKS connections: `CMETHOD` (pt-spec section 3.3.2).
 *
 * @param name The transport's name.
 * @param socksVersion The SOCKS version its listener speaks.
 * @param address Where it listens: a numeric host and the port that was really bound.
 * @throws {TypeError} When the line would be malformed: tor would give up all transports.
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported. Without any `init()`, as in a Worker, it just prints.
 *
 * @example
 * ```ts
 * import { reportSuccess } from "@ptlib/ptlib/client";
 *
 * function launch(name: string): Deno.TcpListener {
 *   const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 *   reportSuccess(name, 5, ["127.0.0.1", listener.addr.port]);
 *   return listener;
 * }
 * ```
 */
export function reportSuccess(
  name: string,
  socksVersion: 4 | 5,
  address: Readonly<Address>,
): void {
  if (socksVersion !== 4 && socksVersion !== 5) {
    throw new TypeError(`There is no SOCKS version ${socksVersion}: it is 4 or 5`);
  }
  printMethod("client", name, [`socks${socksVersion}`, methodAddress(address)]);
}

/**
 * Tells the parent that a transport could not be started: `CMETHOD-ERROR` (pt-spec section
 * 3.3.2).
 *
 * @param name The transport's name.
 * @param message Why; whatever is not printable ASCII becomes `?`.
 * @throws {TypeError} When `name` is not a valid transport name.
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported. Without any `init()`, as in a Worker, it just prints.
 *
 * @example
 * ```ts
 * import { reportFailure } from "@ptlib/ptlib/client";
 *
 * function giveUp(name: string, error: Error): void {
 *   reportFailure(name, `could not bind: ${error.message}`);
 * }
 * ```
 */
export function reportFailure(name: string, message: string): void {
  printMethodError("client", name, message);
}

/**
 * Tells the parent that all transports have been reported: `CMETHODS DONE` (pt-spec section
 * 3.3.2). It starts to use them now.
 *
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported.
 *
 * @example
 * ```ts
 * import { reportEnd } from "@ptlib/ptlib/client";
 *
 * function launchAll(launches: readonly (() => void)[]): void {
 *   for (const launch of launches) launch();
 *   reportEnd();
 * }
 * ```
 */
export function reportEnd(): void {
  printDone("client", "CMETHODS DONE");
}
