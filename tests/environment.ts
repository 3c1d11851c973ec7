/** Sets the environment of a managed proxy. */

/** Every variable of pt-spec section 3.2. */
export const VARIABLES = [
  "TOR_PT_MANAGED_TRANSPORT_VER",
  "TOR_PT_STATE_LOCATION",
  "TOR_PT_EXIT_ON_STDIN_CLOSE",
  "TOR_PT_OUTBOUND_BIND_ADDRESS_V4",
  "TOR_PT_OUTBOUND_BIND_ADDRESS_V6",
  "TOR_PT_CLIENT_TRANSPORTS",
  "TOR_PT_PROXY",
  "TOR_PT_SERVER_TRANSPORTS",
  "TOR_PT_SERVER_BINDADDR",
  "TOR_PT_SERVER_TRANSPORT_OPTIONS",
  "TOR_PT_ORPORT",
  "TOR_PT_EXTENDED_SERVER_PORT",
  "TOR_PT_AUTH_COOKIE_FILE",
] as const;

/** The variables that are set, by the part of their names behind `TOR_PT_`. */
export type Variables = Readonly<Record<string, string>>;

/** An absolute path on this system. */
export function absolute(name: string): string {
  return Deno.build.os === "windows" ? `C:\\${name}` : `/${name}`;
}

/** What tor sets for a client without an upstream proxy. */
export const CLIENT: Variables = {
  MANAGED_TRANSPORT_VER: "1",
  STATE_LOCATION: absolute("pt_state"),
  EXIT_ON_STDIN_CLOSE: "1",
  CLIENT_TRANSPORTS: "rot13",
};

/** What tor sets for a server whose Extended ORPort is open. */
export const SERVER: Variables = {
  MANAGED_TRANSPORT_VER: "1",
  STATE_LOCATION: absolute("pt_state"),
  EXIT_ON_STDIN_CLOSE: "1",
  SERVER_TRANSPORTS: "rot13",
  SERVER_BINDADDR: "rot13-127.0.0.1:4443",
  ORPORT: "127.0.0.1:9001",
  EXTENDED_SERVER_PORT: "127.0.0.1:9002",
  AUTH_COOKIE_FILE: absolute("extended_orport_auth_cookie"),
};

/** `variables` without those named. */
export function without(variables: Variables, ...names: string[]): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)));
}

/** `variables` under their full names. */
export function fullNames(variables: Variables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [`TOR_PT_${name}`, value]),
  );
}

/** Makes `variables` the only ones that are set, until it is disposed of. */
export function setEnvironment(variables: Variables): Disposable {
  const before = VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of VARIABLES) Deno.env.delete(name);
  for (const [name, value] of Object.entries(fullNames(variables))) Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () => {
      for (const [name, value] of before) {
        if (value === undefined) Deno.env.delete(name);
        else Deno.env.set(name, value);
      }
    },
  };
}
