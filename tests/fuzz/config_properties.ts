/** The readers of the environment (`config.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { formatAddress, ipToBytes, parseAddress } from "../../address.ts";
import { formatServerOptions, parseServerOptions } from "../../args.ts";
import * as config from "../../config.ts";
import { absolute, VARIABLES } from "../environment.ts";
import {
  address,
  addressText,
  edited,
  ip,
  nonEmpty,
  pairs,
  text,
  transportName,
  wellFormed,
} from "./arbitraries.ts";
import { attempt, errorOf, forAll, type NamedProperty } from "./property.ts";

type Variables = Readonly<Record<string, string | undefined>>;

function from(variables: Variables): config.ReadVariable {
  return (name) => variables[name];
}

const names = fc.array(transportName, { maxLength: 5 });
/** Names between commas, or nearly so. */
export const list: fc.Arbitrary<string> = edited(fc.oneof(
  fc.array(fc.oneof(transportName, fc.constantFrom("*", "", " a", "A")), { maxLength: 6 })
    .map((names) => names.join(",")),
  text,
));

/** A value of `TOR_PT_SERVER_BINDADDR`, right or nearly so. */
export const bindAddresses: fc.Arbitrary<string> = edited(
  fc.array(
    fc.tuple(
      fc.oneof({ arbitrary: transportName, weight: 9 }, fc.constant("")),
      fc.oneof(address.map(formatAddress), addressText),
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  ).map((items) => items.map((item) => item.join("-")).join(",")),
);

const credential = nonEmpty(wellFormed).filter((text) =>
  new TextEncoder().encode(text).length <= 255
);

const scheme = fc.constantFrom("http", "socks4a", "socks5", "SOCKS5", "https", "socks4", "");
const userInfo = fc.oneof(
  fc.constant(""),
  text.map((user) => `${user}@`),
  fc.tuple(text, text).map(([user, password]) => `${user}:${password}@`),
  fc.tuple(wellFormed, wellFormed).map(([user, password]) =>
    `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  ),
);
/** A value of `TOR_PT_PROXY`, right or nearly so. */
export const proxyUri: fc.Arbitrary<string> = edited(
  fc.tuple(scheme, userInfo, fc.oneof(address.map(formatAddress), addressText))
    .map(([scheme, userInfo, address]) => `${scheme}://${userInfo}${address}`),
);

const path = fc.oneof(
  fc.constant(absolute("var/lib/tor/cookie")),
  text,
  text.map((text) => absolute(text)),
);

/** A value for each variable, right, nearly right or garbage; some of them are not set. */
const environment: fc.Arbitrary<Variables> = fc.record({
  TOR_PT_MANAGED_TRANSPORT_VER: list,
  TOR_PT_STATE_LOCATION: path,
  TOR_PT_EXIT_ON_STDIN_CLOSE: fc.oneof(fc.constantFrom("0", "1", "11", " 1"), text),
  TOR_PT_OUTBOUND_BIND_ADDRESS_V4: edited(ip),
  TOR_PT_OUTBOUND_BIND_ADDRESS_V6: edited(ip.map((ip) => `[${ip}]`)),
  TOR_PT_CLIENT_TRANSPORTS: list,
  TOR_PT_PROXY: proxyUri,
  TOR_PT_SERVER_TRANSPORTS: list,
  TOR_PT_SERVER_BINDADDR: bindAddresses,
  TOR_PT_SERVER_TRANSPORT_OPTIONS: edited(fc.oneof(
    fc.dictionary(transportName, pairs, { noNullPrototype: true }).map(formatServerOptions),
    text,
  )),
  TOR_PT_ORPORT: fc.oneof(address.map(formatAddress), addressText),
  TOR_PT_EXTENDED_SERVER_PORT: fc.oneof(address.map(formatAddress), addressText),
  TOR_PT_AUTH_COOKIE_FILE: path,
}, { requiredKeys: [] });

const SUPPORTED = ["a", "b", "obfs4", "__proto__", "constructor"];

const readers: readonly ((read: config.ReadVariable) => unknown)[] = [
  config.readVersionOffer,
  config.readStateLocation,
  config.readExitOnStdinClose,
  config.readOutboundBindAddresses,
  config.readMode,
  config.readOrPorts,
  config.readServerOptions,
  config.readProxy,
  (read) => config.readClientTransports(SUPPORTED, read),
  (read) => config.readServerTransports(SUPPORTED, read),
];

/** The addresses of a text, as they may be repeated by accident: `1.2.3.4`, `2001:db8::1`. */
function addressesIn(text: string): string[] {
  return text.match(/[0-9a-f:.]{7,}/gi)?.filter((word) => /[:.].*[:.]/.test(word)) ?? [];
}

/** The names that `list` asks for, each once and in its order. */
function asked(list: string, supported: readonly string[]): string[] {
  const chosen: string[] = [];
  for (const name of list.split(",")) {
    if (supported.includes(name) && !chosen.includes(name)) chosen.push(name);
  }
  return chosen;
}

/** The items of `SERVER_BINDADDR`; null where it is malformed. */
function referenceBindAddresses(value: string): Map<string, [string, number]> | null {
  const found = new Map<string, [string, number]>();
  for (const item of value.split(",")) {
    const [, name, v6, v4, digits] =
      /^([^-]+)-(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(0|[1-9][0-9]{0,4})$/s.exec(item) ?? [];
    const host = v6 ?? v4;
    if (name === undefined || host === undefined || found.has(name)) return null;
    if (ipToBytes(host)?.length !== (v6 === undefined ? 4 : 16)) return null;
    if (Number(digits) > 65535) return null;
    found.set(name, [host, Number(digits)]);
  }
  return found;
}

function isDestination(text: string): boolean {
  const [, v6, v4, digits] = /^(?:\[(.*)\]|([0-9.]+)):([1-9][0-9]{0,4})$/s.exec(text) ?? [];
  const host = v6 ?? v4 ?? "";
  return ipToBytes(host)?.length === (v6 === undefined ? 4 : 16) && Number(digits) <= 65535;
}

/** Decodes the escapes that are a character of UTF-8; all others stay. */
function percentDecoded(text: string): string {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let decoded = "";
  for (let rest = text; rest !== "";) {
    let taken = 1;
    let character = rest.slice(0, 1);
    for (let length = 1; length <= 4; length++) {
      const escapes = rest.slice(0, 3 * length);
      if (!new RegExp(`^(%[0-9a-fA-F]{2}){${length}}$`).test(escapes)) break;
      try {
        const bytes = escapes.slice(1).split("%").map((hex) => parseInt(hex, 16));
        character = utf8.decode(Uint8Array.from(bytes));
        taken = escapes.length;
        break;
      } catch {
        // It may be a longer one.
      }
    }
    decoded += character;
    rest = rest.slice(taken);
  }
  return decoded;
}

/** The upstream proxy as PROTOCOL.md says in its sections 2 and 6; null for what is none. */
function referenceProxy(uri: string): config.ProxyInfo | null {
  const [scheme = "", ...behind] = uri.split("://");
  const authority = behind.join("://");
  const [place = "", ...before] = authority.split("@").reverse();
  const known = (["http", "socks4a", "socks5"] as const).find((s) => s === scheme.toLowerCase());
  if (known === undefined || !isDestination(place)) return null;
  const [host, port] = parseAddress(place);
  const proxy = { scheme: known, host, port };
  if (before.length === 0) return proxy;
  const [rawUser = "", ...rawPassword] = before.reverse().join("@").split(":");
  const user = percentDecoded(rawUser);
  const password = rawPassword.length === 0 ? null : percentDecoded(rawPassword.join(":"));
  const fits = (text: string | null) => {
    const length = new TextEncoder().encode(text ?? "").length;
    return length >= 1 && length <= 255;
  };
  const right = {
    http: !user.includes(":"),
    socks4a: password === null && !user.includes("\0"),
    socks5: fits(user) && fits(password),
  };
  if (user === "" || !right[known]) return null;
  return password === null ? { ...proxy, user } : { ...proxy, user, password };
}

/** The properties of `config.ts`. */
export const configProperties: NamedProperty[] = [
  forAll(
    "readers of variables throw nothing but an EnvError, and it repeats no address",
    environment,
    (variables) => {
      for (const read of readers) {
        const asked: string[] = [];
        const reading: config.ReadVariable = (name) => {
          asked.push(name);
          return variables[name];
        };
        const error = errorOf(() => read(reading), config.EnvError);
        assert(asked.every((name) => VARIABLES.some((known) => known === name)), asked.join());
        if (error === null) continue;
        assert(error.message.startsWith("TOR_PT_"), error.message);
        for (const value of asked.flatMap((name) => addressesIn(variables[name] ?? ""))) {
          assert(!error.message.includes(value), error.message);
        }
      }
    },
  ),
  forAll("readers of variables take an empty one for one that is not set", environment, (given) => {
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
    const filled = Object.fromEntries(VARIABLES.map((name) => [name, given[name] ?? ""]));
    for (const read of readers) {
      const result = (variables: Variables) => {
        try {
          return { value: read(from(variables)) };
        } catch (error) {
          return { error: String(error) };
        }
      };
      assertEquals(result(filled), result(set));
    }
  }),
  forAll(
    "readVersionOffer() finds a 1 between commas and nothing else",
    nonEmpty(list),
    (value) => {
      const offered = config.readVersionOffer(() => value);
      assertEquals(offered, `,${value},`.includes(",1,"));
    },
  ),
  forAll("readStateLocation() takes any absolute path as it stands", path, (path) => {
    const read = attempt(() => config.readStateLocation(() => path), config.EnvError);
    if (Deno.build.os !== "windows") assertEquals(read, path.startsWith("/") ? path : null);
  }),
  forAll(
    "readOutboundBindAddresses() takes one address of each family",
    fc.tuple(edited(ip), edited(fc.oneof(ip, ip.map((ip) => `[${ip}]`)))),
    ([v4, v6]) => {
      const read = attempt(
        () =>
          config.readOutboundBindAddresses(
            from({ TOR_PT_OUTBOUND_BIND_ADDRESS_V4: v4, TOR_PT_OUTBOUND_BIND_ADDRESS_V6: v6 }),
          ),
        config.EnvError,
      );
      const plain = v6.startsWith("[") && v6.endsWith("]") ? v6.slice(1, -1) : "";
      const right = (v4 === "" || ipToBytes(v4)?.length === 4) &&
        (v6 === "" || ipToBytes(plain)?.length === 16);
      assertEquals(read, right ? { v4: v4 || null, v6: plain || null } : null);
    },
  ),
  forAll(
    "readMode() tells a client from a server and takes nothing else",
    fc.tuple(list, list),
    ([client, server]) => {
      const variables = { TOR_PT_CLIENT_TRANSPORTS: client, TOR_PT_SERVER_TRANSPORTS: server };
      const mode = attempt(() => config.readMode(from(variables)), config.EnvError);
      const both = client !== "" && server !== "";
      const neither = client === "" && server === "";
      assertEquals(mode, both || neither ? null : client === "" ? "server" : "client");
    },
  ),
  forAll(
    "readClientTransports() gives each name once that is asked for and supported",
    fc.tuple(names, nonEmpty(list)),
    ([supported, list]) => {
      const chosen = config.readClientTransports(supported, () => list);
      const all = list.split(",").includes("*");
      assertEquals(chosen, all ? [...new Set(supported)] : asked(list, supported));
    },
  ),
  forAll(
    "readServerTransports() gives each name that is asked for its own address",
    fc.tuple(names, nonEmpty(list), bindAddresses),
    ([supported, list, bindAddresses]) => {
      const variables = { TOR_PT_SERVER_TRANSPORTS: list, TOR_PT_SERVER_BINDADDR: bindAddresses };
      const transports = attempt(
        () => config.readServerTransports(supported, from(variables)),
        config.EnvError,
      );
      const own = bindAddresses === "" ? new Map() : referenceBindAddresses(bindAddresses);
      if (own === null) return assertEquals(transports, null);
      assertEquals(
        Object.entries(transports ?? {}),
        asked(list, supported).map((name) => [name, own.get(name) ?? ["0.0.0.0", 0]]),
      );
      assertEquals(Object.getPrototypeOf(transports), null);
    },
  ),
  forAll("readServerOptions() reads what args.ts does", edited(text), (value) => {
    assertEquals(
      attempt(() => config.readServerOptions(() => value), config.EnvError),
      attempt(() => parseServerOptions(value), SyntaxError),
    );
  }),
  forAll(
    "readOrPorts() gives a port at least, and a cookie file with the extended one",
    fc.record({
      TOR_PT_ORPORT: fc.oneof(fc.constant(""), address.map(formatAddress), addressText),
      TOR_PT_EXTENDED_SERVER_PORT: fc.oneof(
        fc.constant(""),
        address.map(formatAddress),
        addressText,
      ),
      TOR_PT_AUTH_COOKIE_FILE: fc.oneof(fc.constant(""), path),
    }),
    (variables) => {
      const ports = attempt(() => config.readOrPorts(from(variables)), config.EnvError);
      const {
        TOR_PT_ORPORT: plain,
        TOR_PT_EXTENDED_SERVER_PORT: extended,
        TOR_PT_AUTH_COOKIE_FILE: file,
      } = variables;
      const right = [plain, extended].every((text) => text === "" || isDestination(text)) &&
        plain + extended !== "" && (extended === "" || file.startsWith("/"));
      if (Deno.build.os !== "windows") assertEquals(ports !== null, right);
      if (ports === null) return;
      const written = (address: readonly [string, number] | null) =>
        address === null ? "" : formatAddress([...address]);
      assertEquals([written(ports.orport), written(ports.ext_orport)], [plain, extended]);
      assertEquals(ports.auth_cookie_file, extended === "" ? null : file);
    },
  ),
  forAll(
    "readProxy() gives back credentials that are percent-encoded",
    fc.tuple(credential, credential, address),
    ([user, password, [host, port]]) => {
      const encoded = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
      const proxy = config.readProxy(() => `socks5://${encoded}@${formatAddress([host, port])}`);
      assertEquals(proxy, { scheme: "socks5", host, port, user, password });
    },
  ),
  forAll(
    "readProxy() gives back credentials that are raw, as tor writes them",
    fc.tuple(credential, credential, address).filter(([user, password]) =>
      !user.includes(":") && !/%[0-9a-f]{2}/i.test(`${user} ${password}`)
    ),
    ([user, password, [host, port]]) => {
      const proxy = config.readProxy(() =>
        `socks5://${user}:${password}@${formatAddress([host, port])}`
      );
      assertEquals(proxy, { scheme: "socks5", host, port, user, password });
    },
  ),
  forAll(
    "readProxy() takes what PROTOCOL.md says, and throws a ProxyError for all else",
    nonEmpty(proxyUri),
    (uri) => {
      const proxy = attempt(() => config.readProxy(() => uri), config.ProxyError);
      assertEquals(proxy, referenceProxy(uri));
    },
  ),
];
