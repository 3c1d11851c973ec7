/**
 * The environment of a managed proxy, written the way tor writes it (pt-spec section 3.2).
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { formatServerOptions } from "../args.ts";
import type { ProxyInfo } from "../config.ts";
import { LaunchError } from "./launch_error.ts";

/** What programs need to find themselves, their files, certificates and, for Deno, its cache. */
const PASSED_THROUGH = {
  posix: ["PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "DENO_DIR"],
  windows: [
    "PATH",
    "PATHEXT",
    "SystemRoot",
    "SystemDrive",
    "ComSpec",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "DENO_DIR",
  ],
};

/** One of our variables, whatever its name. */
function readOwn(variable: string): string | undefined {
  try {
    return Deno.env.get(variable);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.InvalidData)) throw cause;
    // This cause repeats the value.
    throw new LaunchError(
      "not-started",
      `The variable ${variable} is not valid UTF-8, so it cannot be passed on: unset it, or set it in env`,
    );
  }
}

/** The variables of ours that a child gets: those it needs, as far as we may read them. */
export function passedThrough(
  others: Readonly<Record<string, string>> = {},
): Record<string, string> {
  // A child that is a Deno would look up the host of its updates, around any upstream proxy.
  const env: Record<string, string> = { DENO_NO_UPDATE_CHECK: "1" };
  for (const variable of PASSED_THROUGH[Deno.build.os === "windows" ? "windows" : "posix"]) {
    if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") continue;
    if (variable in others) continue;
    const value = readOwn(variable);
    if (value !== undefined) env[variable] = value;
  }
  return env;
}

/** What both halves get (pt-spec section 3.2.1). */
function common(stateLocation: string): Record<string, string> {
  return {
    TOR_PT_MANAGED_TRANSPORT_VER: "1",
    TOR_PT_STATE_LOCATION: stateLocation,
    TOR_PT_EXIT_ON_STDIN_CLOSE: "1",
  };
}

function proxyUri({ scheme, host, port, user, password }: ProxyInfo): string {
  const address = formatAddress([host, port]);
  if (user === undefined) return `${scheme}://${address}`;
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  return `${scheme}://${encodeURIComponent(user)}${secret}@${address}`;
}

/** What a client gets (pt-spec section 3.2.2). */
export function clientEnvironment(
  stateLocation: string,
  transports: readonly string[],
  proxy: ProxyInfo | undefined,
): Record<string, string> {
  return {
    ...common(stateLocation),
    TOR_PT_CLIENT_TRANSPORTS: transports.join(","),
    ...proxy && { TOR_PT_PROXY: proxyUri(proxy) },
  };
}

/**
 * How a server transport is to be started.
 *
 * @example
 * ```ts
 * import type { ServerTransportOptions } from "@ptlib/ptlib/parent";
 *
 * const transport: ServerTransportOptions = {
 *   bindAddress: ["127.0.0.1", 5678],
 *   options: [["iat-mode", "1"]],
 * };
 * ```
 */
export interface ServerTransportOptions {
  /** Where it is to listen; without it, the program chooses, usually on all interfaces. */
  bindAddress?: Readonly<Address> | undefined;
  /** Its options, such as a key. */
  options?: Iterable<readonly [string, string]> | undefined;
}

/** What a server gets (pt-spec section 3.2.3). */
export function serverEnvironment(
  stateLocation: string,
  transports: Readonly<Record<string, ServerTransportOptions>>,
  orport: Readonly<Address> | undefined,
  extOrPort: { address: Readonly<Address>; cookieFile: string } | undefined,
): Record<string, string> {
  const named = Object.entries(transports);
  const addresses = named.flatMap(([name, { bindAddress }]) =>
    bindAddress === undefined ? [] : [`${name}-${formatAddress(bindAddress)}`]
  ).join();
  const options = formatServerOptions(
    Object.fromEntries(named.map(([name, { options }]) => [name, options ?? []])),
  );
  return {
    ...common(stateLocation),
    TOR_PT_SERVER_TRANSPORTS: named.map(([name]) => name).join(),
    ...addresses !== "" && { TOR_PT_SERVER_BINDADDR: addresses },
    ...options !== "" && { TOR_PT_SERVER_TRANSPORT_OPTIONS: options },
    ...orport && { TOR_PT_ORPORT: formatAddress(orport) },
    // tor sets it empty when it has no such port.
    TOR_PT_EXTENDED_SERVER_PORT: extOrPort === undefined ? "" : formatAddress(extOrPort.address),
    ...extOrPort && { TOR_PT_AUTH_COOKIE_FILE: extOrPort.cookieFile },
  };
}
