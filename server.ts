/**
 * The server half of a pluggable transport: what tor wants, and what it is told.
 *
 * ```ts
 * import { config, server } from "@ptlib/ptlib";
 *
 * function launch(): void {
 *   const info = server.init(["rot13"]);
 *   for (const [name, [hostname, port]] of Object.entries(info.transports)) {
 *     const listener = Deno.listen({ hostname, port });
 *     server.reportSuccess(name, [listener.addr.hostname, listener.addr.port]);
 *   }
 *   server.reportEnd();
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
import { formatSmethodArgs } from "./args.ts";
import {
  EnvError,
  type OrPorts,
  readMode,
  readOrPorts,
  readServerOptions,
  readServerTransports,
  readStateLocation,
} from "./config.ts";
import {
  methodAddress,
  negotiate,
  printDone,
  printMethod,
  printMethodError,
} from "./stdout_lines.ts";

export type { Address } from "./address.ts";
export { EnvError, type OrPorts } from "./config.ts";

/**
 * What the parent wants of a server.
 *
 * @example
 * ```ts
 * import type { ServerInfo } from "@ptlib/ptlib/server";
 *
 * const whereToBind = (info: ServerInfo, name: string) => info.transports[name];
 * ```
 */
export interface ServerInfo extends OrPorts {
  /** The directory in which the transport may keep files; it may not exist yet. */
  state_loc: string;
  /**
   * The names of the transports to start, each with the address to bind; port 0 means any port.
   * It can be empty, and it has no prototype, so `name in transports` is safe with any name.
   */
  transports: Record<string, Address>;
  /** The options of each transport that has some. It has no prototype. */
  transport_options: Record<string, URLSearchParams>;
}

/** The entries of `options` that belong to a transport that is started. */
function optionsOf(
  transports: Record<string, Address>,
  options: Record<string, URLSearchParams>,
): Record<string, URLSearchParams> {
  for (const name of Object.keys(options)) {
    if (!(name in transports)) delete options[name];
  }
  return options;
}

/**
 * Reads what the parent wants and says `VERSION 1` (pt-spec section 3.2 and 3.3.1). Call it once:
 * tor kills a transport that says it twice.
 *
 * @param transports The names of the transports the program has.
 * @returns What the parent wants; names that the program does not have are left out.
 * @throws {EnvError} When the environment is unusable. The parent has been told, with
 * `VERSION-ERROR` or `ENV-ERROR` in place of `VERSION 1`: end with a status other than 0.
 * @throws {TypeError} When one of `transports` is not a valid transport name. Nothing was printed.
 *
 * @example
 * ```ts
 * import { EnvError } from "@ptlib/ptlib/config";
 * import { init } from "@ptlib/ptlib/server";
 *
 * try {
 *   const { transports } = init(["rot13", "rot26"]);
 *   if ("rot13" in transports) console.error("launching rot13");
 * } catch (error) {
 *   if (!(error instanceof EnvError)) throw error;
 * }
 * ```
 */
export function init(transports: readonly string[]): ServerInfo {
  return negotiate("server", transports, () => {
    if (readMode() === "client") {
      throw new EnvError("TOR_PT_CLIENT_TRANSPORTS is set: the parent wants a client here");
    }
    const wanted = readServerTransports(transports);
    return {
      state_loc: readStateLocation(),
      ...readOrPorts(),
      transports: wanted,
      transport_options: optionsOf(wanted, readServerOptions()),
    };
  });
}

/**
 * Tells the parent where a transport takes connections: `SMETHOD` (pt-spec section 3.3.3).
 *
 * @param name The transport's name.
 * @param address Where it listens: a numeric host and the port that was really bound.
 * @param args What clients need to know, such as a certificate; tor publishes it. Printable
 * ASCII without spaces.
 * @throws {TypeError} When the line would be malformed: tor would give up all transports.
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported. Without any `init()`, as in a Worker, it just prints.
 *
 * @example
 * ```ts
 * import { reportSuccess } from "@ptlib/ptlib/server";
 *
 * function launch(name: string, hostname: string, port: number): Deno.TcpListener {
 *   const listener = Deno.listen({ hostname, port });
 *   reportSuccess(name, [listener.addr.hostname, listener.addr.port], [["cert", "a+b/c"]]);
 *   return listener;
 * }
 * ```
 */
export function reportSuccess(
  name: string,
  address: Readonly<Address>,
  args: Iterable<readonly [string, string]> = [],
): void {
  const words = [methodAddress(address)];
  const text = formatSmethodArgs(args);
  if (text !== "") words.push(`ARGS:${text}`);
  printMethod("server", name, words);
}

/**
 * Tells the parent that a transport could not be started: `SMETHOD-ERROR` (pt-spec section
 * 3.3.3).
 *
 * @param name The transport's name.
 * @param message Why; whatever is not printable ASCII becomes `?`.
 * @throws {TypeError} When `name` is not a valid transport name.
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported. Without any `init()`, as in a Worker, it just prints.
 *
 * @example
 * ```ts
 * import { reportFailure } from "@ptlib/ptlib/server";
 *
 * function giveUp(name: string, error: Error): void {
 *   reportFailure(name, `could not bind: ${error.message}`);
 * }
 * ```
 */
export function reportFailure(name: string, message: string): void {
  printMethodError("server", name, message);
}

/**
 * Tells the parent that all transports have been reported: `SMETHODS DONE` (pt-spec section
 * 3.3.3). It starts to use them now.
 *
 * @throws {Error} When `init()` failed, when the `init()` of the other role was called, or when the
 * end or a proxy error was already reported.
 *
 * @example
 * ```ts
 * import { reportEnd } from "@ptlib/ptlib/server";
 *
 * function launchAll(launches: readonly (() => void)[]): void {
 *   for (const launch of launches) launch();
 *   reportEnd();
 * }
 * ```
 */
export function reportEnd(): void {
  printDone("server", "SMETHODS DONE");
}
