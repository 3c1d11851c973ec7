/**
 * What goptlib and we parse, both, and where we mean to differ: each difference with its reason.
 * docs/differences-from-goptlib.md is the same list for people.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { ipToBytes, parseAddress, unmappedIp } from "../../address.ts";
import { formatServerOptions } from "../../args.ts";
import * as config from "../../config.ts";
import { unquoteCString } from "../../grammar.ts";
import { client, log, server } from "../../mod.ts";
import { parseLine } from "../../parent/line.ts";
import { fullNames, SERVER as SERVER_VARIABLES } from "../environment.ts";
import {
  address,
  addressText,
  bytesOf,
  edited,
  editedBytes,
  nonEmpty,
  pairs,
  printableWord,
  rarely,
  text,
} from "../fuzz/arbitraries.ts";
import { bindAddresses, list, proxyUri } from "../fuzz/config_properties.ts";
import { replace } from "../fuzz/memory_conn.ts";
import { attempt } from "../fuzz/property.ts";
import { authentication, greeting, request, shake } from "../fuzz/socks_properties.ts";
import { fields, NO_AUTH, PASSWORD, reply } from "../net/socks_bytes.ts";
import { printedBy } from "../stdout.ts";
import type { Answer, Pairs, Question } from "./goptlib_answers.ts";

/** An intended difference, in the words of the table for people, and when it is the one. */
export interface Difference<C, R> {
  /** An input that shows it. */
  example: C;
  input: string;
  goptlib: string;
  ours: string;
  why: string;
  /** Set where only goptlib with an older release of Go differs. */
  olderGo?: true;
  /** Whether it is the reason of what was found; `null` stands for a refusal. */
  applies(found: { input: C; theirs: R | null; ours: R | null; answer: Answer }): boolean;
}

/** Something that both parse. */
export interface Subject<C, R> {
  title: string;
  /** Inputs that both take for the same. */
  same: readonly C[];
  /** Many more inputs. */
  generated: readonly C[];
  question(input: C): Question;
  /** What goptlib has made of it, in our form; null where it has refused it. */
  theirs(answer: Answer, input: C): R | null;
  /** What we make of it; null where we refuse it. */
  ours(input: C): R | null | Promise<R | null>;
  differences: readonly Difference<C, R>[];
}

/** So that the inputs are the same each time. */
const SEED = 20_251_126;

/** Inputs of an arbitrary. */
function sample<C>(arbitrary: fc.Arbitrary<C>, numRuns: number): C[] {
  return fc.sample(arbitrary, { numRuns, seed: SEED });
}

function bytesOfBase64(base64: string | null): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(base64 ?? "");
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function textOfBase64(base64: string | null): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesOfBase64(base64));
}

/** The values of each key, by the order of the keys, which goptlib does not keep. */
type Grouped = [key: string, values: string[]][];

function sorted(groups: Grouped): Grouped {
  return groups.toSorted(([a], [b]) => a < b ? -1 : 1);
}

function theirPairs(pairs: Pairs): Grouped {
  return sorted(
    (pairs ?? []).map(({ key, values }) => [textOfBase64(key), values.map(textOfBase64)]),
  );
}

function ourPairs(pairs: Iterable<readonly [string, string]>): Grouped {
  const groups = Map.groupBy(pairs, ([key]) => key).entries();
  return sorted([...groups].map(([key, pairs]) => [key, pairs.map(([, value]) => value)]));
}

/** What is wrong with the credentials of a proxy that goptlib has taken. */
function areOdd({ scheme, user, password }: config.ProxyInfo): boolean {
  if (user === undefined) return false;
  const length = (text: string) => new TextEncoder().encode(text).length;
  const short = (text: string | undefined) =>
    text !== undefined && text !== "" && length(text) < 256;
  if (user === "") return true;
  if (scheme === "http") return user.includes(":");
  if (scheme === "socks4a") return password !== undefined || user.includes("\0");
  return !short(user) || !short(password);
}

/** The user information of a proxy's URI, raw. */
function userInfo(uri: string): string {
  return /:\/\/(.*)@/s.exec(uri)?.[1] ?? "";
}

const PROXIES: Subject<string, config.ProxyInfo> = {
  title: "TOR_PT_PROXY",
  same: [
    "socks5://127.0.0.1:1080",
    "SOCKS5://127.0.0.1:1080",
    "socks4a://[2001:db8::1]:1080",
    "http://192.0.2.1:8080",
    "http://user:password@192.0.2.1:8080",
    "http://user@192.0.2.1:8080",
    "http://user:@192.0.2.1:8080",
    "socks5://us%3Aer:p%40ss%2f@192.0.2.1:1080",
    "socks4a://user@192.0.2.1:1080",
    "socks5://user:a:b@192.0.2.1:1080",
    "192.0.2.1:1080",
    "socks5:192.0.2.1:1080",
    "socks5://192.0.2.1",
    "socks5://192.0.2.1:",
    "socks5://:1080",
    "://192.0.2.1:1080",
    "socks5://192.0.2.1:http",
  ],
  generated: sample(
    proxyUri.map((uri) => uri.toWellFormed().replaceAll("\0", "")).filter((uri) => uri !== ""),
    4000,
  ),
  question: (uri) => ({
    op: "client",
    env: {
      TOR_PT_MANAGED_TRANSPORT_VER: "1",
      TOR_PT_CLIENT_TRANSPORTS: "obfs4",
      TOR_PT_PROXY: uri,
    },
  }),
  theirs({ refused, proxy }) {
    if (refused !== null || proxy === null) return null;
    const { scheme, host, port, user, password } = proxy;
    return {
      scheme: scheme as config.ProxyInfo["scheme"],
      host,
      port: Number(port),
      ...user === null ? {} : { user: textOfBase64(user) },
      ...password === null ? {} : { password: textOfBase64(password) },
    };
  },
  ours: (uri) => attempt(() => config.readProxy(() => uri), config.ProxyError),
  differences: [
    {
      example: "https://192.0.2.1:443",
      input: "`https://192.0.2.1:443`",
      goptlib: "taken; the program looks at the scheme",
      ours: "refused",
      why:
        "pt-spec knows `http`, `socks4a` and `socks5`; who forgets to look goes around the proxy",
      applies: ({ theirs, ours }) =>
        ours === null && theirs !== null && !["http", "socks4a", "socks5"].includes(theirs.scheme),
    },
    {
      example: "socks5://proxy.example:1080",
      input: "`socks5://proxy.example:1080`",
      goptlib: "taken",
      ours: "refused",
      why: "pt-spec wants a numeric address; to look up a name could leak it",
      applies: ({ theirs, ours }) =>
        ours === null && theirs !== null && ipToBytes(theirs.host) === null,
    },
    {
      example: "socks5://192.0.2.1:01080",
      input: "`socks5://192.0.2.1:01080`, also the ports `0` and `99999`",
      goptlib: "taken",
      ours: "refused",
      why: "a port is a number from 1 to 65535, written in one way",
      applies: ({ ours, answer: { proxy } }) =>
        ours === null && proxy !== null &&
        (!/^[1-9][0-9]{0,4}$/.test(proxy.port) || Number(proxy.port) > 65535),
    },
    {
      example: "socks5://[192.0.2.1]:1080",
      input: "`socks5://[192.0.2.1]:1080`",
      goptlib: "taken with an older release of Go, before it mended CVE-2025-47912",
      ours: "refused",
      why: "only an IPv6 address stands in brackets",
      olderGo: true,
      applies: ({ input, theirs, ours }) =>
        ours === null && theirs !== null && /\[[0-9.]+\]:[0-9]+$/.test(input),
    },
    {
      example: "http://192.0.2.1:8080/",
      input: "`http://192.0.2.1:8080/`, also `?` and `#` behind the port",
      goptlib: "taken; the program sees the path, query and fragment",
      ours: "refused",
      why: "pt-spec has nothing behind the port, so something else was meant",
      applies: ({ input, ours, answer: { proxy } }) =>
        ours === null && proxy !== null && (proxy.behind !== "" || input.endsWith("#")),
    },
    {
      example: "http://192.0.2.1:80/@192.0.2.2:90",
      input: "`http://192.0.2.1:80/@192.0.2.2:90`",
      goptlib: "the proxy `192.0.2.1:80` with a path",
      ours: "the proxy `192.0.2.2:90` with the password `80/`",
      why: "tor writes user and password raw, so that only the last `@` ends them",
      applies: ({ theirs, ours, answer: { proxy } }) =>
        theirs !== null && ours !== null && proxy !== null && proxy.behind.includes("@"),
    },
    {
      example: "socks5://user:p@ss/w%rd@192.0.2.1:1080",
      input: "`socks5://user:p@ss/w%rd@192.0.2.1:1080`, also spaces and letters other than ASCII",
      goptlib: "refused",
      ours: "the password `p@ss/w%rd`",
      why: "tor writes user and password raw",
      applies: ({ input, theirs, ours }) =>
        theirs === null && ours !== null &&
        /[^A-Za-z0-9._:~!$&'()*+,;=%@-]|%(?![0-9a-fA-F]{2})/.test(userInfo(input)),
    },
    {
      example: "http://%ff:x@192.0.2.1:8080",
      input: "`http://%ff:x@192.0.2.1:8080`",
      goptlib: "the user is the byte 255",
      ours: "the user is `%ff`",
      why: "a user is text; what does not decode to UTF-8 is taken for raw",
      applies: ({ theirs, ours, answer: { proxy } }) =>
        // What stays as it is has three times as many bytes, and they can be too many.
        (ours !== null || theirs?.scheme === "socks5") && proxy !== null &&
        !(isUtf8(bytesOfBase64(proxy.user)) && isUtf8(bytesOfBase64(proxy.password))),
    },
    {
      example: "socks5://user@192.0.2.1:1080",
      input: "`socks5://user@192.0.2.1:1080`, also a password for `socks4a`, an empty user, " +
        "a colon in a user for `http`, and more than 255 bytes for `socks5`",
      goptlib: "taken; the program finds out",
      ours: "refused",
      why: "the protocol of the proxy cannot carry it, and the parent shall hear of that at once",
      applies: ({ theirs, ours }) => ours === null && theirs !== null && areOdd(theirs),
    },
  ],
};

const SUPPORTED = ["a", "b", "obfs4"];

const CLIENT_TRANSPORTS: Subject<string, string[]> = {
  title: "TOR_PT_CLIENT_TRANSPORTS",
  same: ["a", "a,b", "b,a", "nobody", ",", "a,", "A", " a", "obfs4,,b"],
  generated: sample(list.map((list) => list.toWellFormed().replaceAll("\0", "")), 1000),
  question: (list) => ({
    op: "client",
    env: { TOR_PT_MANAGED_TRANSPORT_VER: "1", TOR_PT_CLIENT_TRANSPORTS: list },
  }),
  // What the example programs of goptlib do: they start those that they have, one by one.
  theirs: ({ refused, methods }) =>
    refused === null ? (methods ?? []).filter((name) => SUPPORTED.includes(name)) : null,
  ours: (list) =>
    attempt(() => config.readClientTransports(SUPPORTED, () => list), config.EnvError),
  differences: [
    {
      example: "*",
      input: "`*`",
      goptlib: "a transport of the name `*`",
      ours: "all transports",
      why: "proposal 180 and pyptlib have it; tor never sends it",
      applies: ({ input, ours }) => input.split(",").includes("*") && ours?.length === 3,
    },
    {
      example: "a,b,a",
      input: "`a,b,a`",
      goptlib: "`a`, `b` and `a`",
      ours: "`a` and `b`",
      why: "a parent may end a program that reports a transport twice, and ours does",
      applies: ({ theirs, ours }) => [...new Set(theirs)].join() === ours?.join(),
    },
  ],
};

/** The variables of a server that matter here, without `TOR_PT_`. */
interface Server {
  bind: string;
  options: string;
  orport: string;
  extended: string;
  cookie: string;
}

/** What a server knows then. */
interface ServerKnows {
  transports: [name: string, host: string | null, port: number, options: Grouped][];
  orport: string;
  extended: string;
  cookie: string;
}

const SERVER: Server = {
  bind: "a-127.0.0.1:0,b-127.0.0.1:0,obfs4-127.0.0.1:0",
  options: "",
  orport: "127.0.0.1:9001",
  extended: "",
  cookie: "",
};

function serverVariables({ bind, options, orport, extended, cookie }: Server) {
  return {
    TOR_PT_MANAGED_TRANSPORT_VER: "1",
    TOR_PT_SERVER_TRANSPORTS: "a,obfs4,b",
    TOR_PT_SERVER_BINDADDR: bind,
    TOR_PT_SERVER_TRANSPORT_OPTIONS: options,
    TOR_PT_ORPORT: orport,
    TOR_PT_EXTENDED_SERVER_PORT: extended,
    TOR_PT_AUTH_COOKIE_FILE: cookie,
  };
}

/** One spelling for an address, as goptlib's programs print it. */
function canonical(address: readonly [host: string, port: number] | null): string {
  return address === null ? "" : `${unmappedIp(address[0])} ${address[1]}`;
}

function canonicalText(text: string): string {
  return text === "" ? "" : canonical(parseAddress(text));
}

function byName(transports: ServerKnows["transports"]): ServerKnows["transports"] {
  return transports.toSorted(([a], [b]) => a < b ? -1 : 1);
}

function readServer(input: Server): ServerKnows {
  const read: config.ReadVariable = (name) =>
    Object.entries(serverVariables(input)).find(([n]) => n === name)?.[1];
  const bound = config.readServerTransports(SUPPORTED, read);
  const options = config.readServerOptions(read);
  const ports = config.readOrPorts(read);
  return {
    transports: byName(
      Object.entries(bound).map(([name, [host, port]]) => [
        name,
        unmappedIp(host),
        port,
        ourPairs(options[name] ?? []),
      ]),
    ),
    orport: canonical(ports.orport),
    extended: canonical(ports.ext_orport),
    cookie: ports.auth_cookie_file ?? "",
  };
}

/** The part of a subject that is the same for all variables of a server. */
const serverSubject = {
  question: (input: Server): Question => ({ op: "server", env: serverVariables(input) }),
  theirs: ({ refused, bindaddrs, orAddr, extOrAddr, cookie }: Answer): ServerKnows | null =>
    refused === null
      ? {
        transports: byName(
          (bindaddrs ?? []).filter(({ name }) => SUPPORTED.includes(name)).map((
            { name, host, port, options },
          ) => [name, unmappedIp(host), port, theirPairs(options)]),
        ),
        orport: canonicalText(orAddr),
        extended: canonicalText(extOrAddr),
        cookie,
      }
      : null,
  ours: (input: Server) => attempt(() => readServer(input), config.EnvError),
};

const withoutNul = (text: string) => text.toWellFormed().replaceAll("\0", "");

/** The addresses of a value of `TOR_PT_SERVER_BINDADDR`. */
function boundAddresses(bind: string): string[] {
  return bind.split(",").map((item) => item.slice(item.indexOf("-") + 1));
}

/** Spellings of an address that goptlib takes and we do not. */
const isBareIpv6 = (text: string) => /^[^[\]]*:[^[\]]*:[0-9]+$/.test(text);
const isBracketedIpv4 = (text: string) => /^\[[0-9.]+\]:[0-9]+$/.test(text);
const hasLeadingZeros = (text: string) => /:0[0-9]+$/.test(text);

const addressDifferences = (
  place: string,
  texts: (input: Server) => readonly string[],
  put: (text: string) => Server,
): Difference<Server, ServerKnows>[] => [
  {
    example: put("2001:db8::1:443"),
    input: `\`2001:db8::1:443\` ${place}`,
    goptlib: "the address `2001:db8::1` and the port 443",
    ours: "refused",
    why: "it is ambiguous; tor writes brackets since it fixed its bug 7011",
    applies: ({ input, theirs, ours }) =>
      ours === null && theirs !== null && texts(input).some(isBareIpv6),
  },
  {
    example: put("[192.0.2.1]:443"),
    input: `\`[192.0.2.1]:443\` ${place}`,
    goptlib: "taken",
    ours: "refused",
    why: "only an IPv6 address stands in brackets",
    applies: ({ input, theirs, ours }) =>
      ours === null && theirs !== null && texts(input).some(isBracketedIpv4),
  },
  {
    example: put("192.0.2.1:0443"),
    input: `\`192.0.2.1:0443\` ${place}`,
    goptlib: "the port 443",
    ours: "refused",
    why: "a number is written in one way; elsewhere a leading zero means octal",
    applies: ({ input, theirs, ours }) =>
      ours === null && theirs !== null && texts(input).some(hasLeadingZeros),
  },
];

const BIND_ADDRESSES: Subject<Server, ServerKnows> = {
  ...serverSubject,
  title: "TOR_PT_SERVER_BINDADDR",
  same: [
    "a-127.0.0.1:0,b-[::]:443,obfs4-[2001:DB8:0:0::1]:65535",
    "a-[::ffff:192.0.2.1]:1,b-[::192.0.2.1]:1,obfs4-0.0.0.0:1",
    "unknown-127.0.0.1:0,a-1.2.3.4:1,b-1.2.3.4:1,obfs4-1.2.3.4:1",
    "a-127.0.0.1:0,a-127.0.0.1:0",
    "a-localhost:0",
    "a-127.0.0.1",
    "a-:1",
    "a-127.0.0.1:65536",
    "a-127.0.0.1:+1",
    "a-127.1:1",
    "a-0x7f.0.0.1:1",
    "a-127.0.0.01:1",
    "a-[fe80::1%eth0]:1",
    "a-[::1]",
    "a-1.2.3.4:1,",
    "a",
    "a-",
  ].map((bind) => ({ ...SERVER, bind })),
  generated: sample(
    bindAddresses.map(withoutNul).map((bind) => ({
      ...SERVER,
      // Each transport has one of its own, unless the fuzzer has given it one.
      bind: ["a", "b", "obfs4"].reduce(
        (bind, name) => `,${bind}`.includes(`,${name}-`) ? bind : `${bind},${name}-192.0.2.1:1`,
        bind,
      ),
    })),
    3000,
  ),
  differences: [
    ...addressDifferences(
      "behind a name",
      ({ bind }) => boundAddresses(bind),
      (address) => ({ ...SERVER, bind: `${SERVER.bind},c-${address}` }),
    ),
    {
      example: { ...SERVER, bind: "a-127.0.0.1:1,b-127.0.0.1:2" },
      input: "no entry for a transport that is asked for, or no such variable at all",
      goptlib: "the transport is left out; without the variable, `ENV-ERROR`",
      ours: "the transport binds port 0 on all IPv4 interfaces",
      why: "the example of pt-spec has such a transport, and ptadapter starts some",
      applies: ({ input, theirs, ours }) =>
        ours !== null && (input.bind === "" && theirs === null ||
          theirs !== null && theirs.transports.length < ours.transports.length),
    },
    {
      example: { ...SERVER, bind: `${SERVER.bind},-127.0.0.1:1` },
      input: "`-127.0.0.1:1`",
      goptlib: "an address for the transport without a name",
      ours: "refused",
      why: "there is no such transport, so something is missing",
      applies: ({ input, theirs, ours }) =>
        ours === null && theirs !== null && `,${input.bind}`.includes(",-"),
    },
  ],
};

const OPTIONS: Subject<Server, ServerKnows> = {
  ...serverSubject,
  title: "TOR_PT_SERVER_TRANSPORT_OPTIONS",
  same: [
    "",
    "a:k=v",
    "a:k=v;a:k=w;b:k=v;unknown:k=v",
    "a:k=",
    "a:k=v=w",
    "a:k:l=v",
    "a:k\\==v\\;w\\\\",
    "a\\:b:k=v",
    "a:\\k=v",
    "a",
    "a:",
    "a:k",
    "a:=v",
    ":k=v",
    "a:k=v;",
    ";a:k=v",
    "a:k=v\\",
    "a:é=😀",
  ].map((options) => ({ ...SERVER, options })),
  generated: sample(
    edited(fc.oneof(
      fc.dictionary(
        fc.oneof(fc.constantFrom(...SUPPORTED), nonEmpty(printableWord)),
        fc.oneof(pairs, fc.array(fc.tuple(nonEmpty(printableWord), printableWord))),
        { noNullPrototype: true },
      ).map(formatServerOptions),
      fc.string({ unit: fc.constantFrom(..."ab:;=\\") }),
      text,
    )).map(withoutNul).map((options) => ({ ...SERVER, options })),
    4000,
  ),
  differences: [
    {
      example: { ...SERVER, options: "a=b:k=v" },
      input: "`a=b:k=v`",
      goptlib: "refused",
      ours: "an option of the transport `a=b`, which nobody has",
      why: "pt-spec splits at the first colon; tor escapes no `=` there",
      applies: ({ input, theirs, ours }) =>
        theirs === null && ours !== null &&
        /(?:^|;)[^:;]*=[^:;]*:/.test(input.options.replaceAll(/\\./gsu, "x")),
    },
  ],
};

const orPort = fc.oneof(
  fc.constantFrom("", "127.0.0.1:9001"),
  address.map(([host, port]) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`),
  addressText.map(withoutNul),
);

const OR_PORTS: Subject<Server, ServerKnows> = {
  ...serverSubject,
  title: "TOR_PT_ORPORT, TOR_PT_EXTENDED_SERVER_PORT and TOR_PT_AUTH_COOKIE_FILE",
  same: [
    SERVER,
    { ...SERVER, orport: "" },
    { ...SERVER, orport: "", extended: "[::1]:9002", cookie: "/cookie" },
    { ...SERVER, extended: "127.0.0.1:9002", cookie: "/cookie" },
    { ...SERVER, extended: "127.0.0.1:9002" },
    { ...SERVER, extended: "localhost:9002", cookie: "/cookie" },
    { ...SERVER, orport: "127.0.0.1" },
    { ...SERVER, orport: "127.0.0.1:" },
  ],
  generated: sample(
    fc.tuple(orPort, orPort, fc.constantFrom("", "/cookie", "cookie", "/käse")).map(
      ([orport, extended, cookie]) => ({ ...SERVER, orport, extended, cookie }),
    ),
    3000,
  ),
  differences: [
    ...addressDifferences(
      "in either variable",
      ({ orport, extended }) => [orport, extended],
      (orport) => ({ ...SERVER, orport }),
    ),
    {
      example: { ...SERVER, orport: "127.0.0.1:0" },
      input: "the port `0`",
      goptlib: "taken",
      ours: "refused",
      why: "nobody can connect there",
      applies: ({ input: { orport, extended }, theirs, ours }) =>
        ours === null && theirs !== null && [orport, extended].some((text) => /:0+$/.test(text)),
    },
    {
      example: { ...SERVER, cookie: "/cookie" },
      input: "a cookie file and no Extended ORPort",
      goptlib: "the file is kept",
      ours: "the file is `null`",
      why:
        "tor sets the variable while `ExtORPort auto` is not open yet; the file means nothing then",
      applies: ({ input: { extended, cookie }, ours }) =>
        extended === "" && cookie !== "" && ours?.cookie === "",
    },
    {
      example: { ...SERVER, extended: "127.0.0.1:9002", cookie: "cookie" },
      input: "the cookie file `cookie`, without a directory",
      goptlib: "taken",
      ours: "refused",
      why: "pt-spec wants an absolute path: the working directory is anybody's guess",
      applies: ({ input: { cookie }, theirs, ours }) =>
        ours === null && theirs !== null && !cookie.startsWith("/"),
    },
  ],
};

/** A line of a server. */
interface Reported {
  name: string;
  host: string;
  port: number;
  args: [string, string][];
}

const METHOD: Reported = { name: "a", host: "192.0.2.1", port: 443, args: [["k", "v"]] };

const SMETHODS: Subject<Reported, string> = {
  title: "SMETHOD lines",
  same: [
    METHOD,
    { ...METHOD, host: "2001:db8::1", args: [["a", ""], ["b", "="], ["b", ","], ["c", "\\"]] },
    { ...METHOD, args: [["a=,\\", ";:\"'"]] },
    { ...METHOD, args: [["k", "é"]] },
    { ...METHOD, args: [["k", "\0"]] },
    { ...METHOD, args: [["k", "\n"]] },
  ],
  generated: sample(
    fc.record({
      name: fc.oneof(
        { arbitrary: fc.constantFrom("a", "obfs4", "_9"), weight: 9 },
        { arbitrary: text, weight: 1 },
      ),
      host: address.map(([host]) => host),
      port: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 65535 }), weight: 9 }, fc.constant(0)),
      args: fc.oneof(
        {
          arbitrary: fc.array(fc.tuple(nonEmpty(printableWord), printableWord), { maxLength: 4 }),
          weight: 4,
        },
        { arbitrary: fc.array(fc.tuple(text, text), { maxLength: 3 }), weight: 1 },
      ),
    }),
    3000,
  ),
  question: (reported) => ({ op: "smethod", ...reported }),
  theirs({ refused, printed }, { args }) {
    if (refused !== null) return null;
    const line = printed.slice(0, -1);
    const message = attempt(() => parseLine(line), SyntaxError);
    // A parent of ours reads what goptlib says, as long as it is a line of pt-spec.
    if (message?.kind === "smethod" && args.every((pair) => /^[!-~]*$/.test(pair.join("")))) {
      assertEquals(ourPairs(message.args), ourPairs(args));
    }
    return line;
  },
  ours({ name, host, port, args }) {
    using _ = replace(Deno.env, { get: (name: string) => fullNames(SERVER_VARIABLES)[name] });
    const lines = attempt(() =>
      printedBy(() => {
        server.init(["rot13"]);
        server.reportSuccess(name, [host, port], args);
      }), TypeError);
    return lines?.split("\n")[1] ?? null;
  },
  differences: [
    {
      example: { ...METHOD, args: [["b", "1"], ["a", "2"], ["b", "3"]] },
      input: "the arguments b=1, a=2, b=3",
      goptlib: "`ARGS:a=2,b=1,b=3`, sorted",
      ours: "`ARGS:b=1,a=2,b=3`, in their order",
      why: "an order may mean something to whoever chose it",
      applies({ input: { args }, theirs, ours }) {
        const [there, here] = [theirs, ours].map((line) =>
          attempt(() => parseLine(line ?? ""), SyntaxError)
        );
        return there?.kind === "smethod" && here?.kind === "smethod" && args.length > 1 &&
          there.transport === here.transport &&
          canonical(there.address) === canonical(here.address) &&
          fc.stringify(ourPairs(there.args)) === fc.stringify(ourPairs(here.args));
      },
    },
    {
      example: { ...METHOD, args: [] },
      input: "no arguments",
      goptlib: "`ARGS:` and nothing behind it",
      ours: "no `ARGS:`",
      why: "there is nothing to say",
      applies: ({ theirs, ours }) => theirs === `${ours} ARGS:`,
    },
    {
      example: { ...METHOD, args: [["k", "a b"]] },
      input: "a space or a control character in an argument",
      goptlib: "printed as it is, and cut off by the parent",
      ours: "`TypeError`, nothing printed",
      why: "tor splits the line at spaces and knows no escape for them",
      applies: ({ input: { args }, theirs, ours }) =>
        theirs !== null && ours === null &&
        args.some((pair) => !/^[!-~\x80-\uffff]*$/.test(pair.join(""))),
    },
    {
      example: { ...METHOD, args: [["", "v"]] },
      input: "an empty key",
      goptlib: "`ARGS:=v`",
      ours: "`TypeError`, nothing printed",
      why: "parsers of arguments refuse an empty key, goptlib's too",
      applies: ({ input: { args }, theirs, ours }) =>
        theirs !== null && ours === null && args.some(([key]) => key === ""),
    },
    {
      example: { ...METHOD, name: "a b" },
      input: "the name `a b`",
      goptlib: "printed as it is",
      ours: "`TypeError`, nothing printed",
      why: "the line would break, and tor would end all transports of the program",
      applies: ({ input: { name }, theirs, ours }) =>
        theirs !== null && ours === null && !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name),
    },
    {
      example: { ...METHOD, port: 0 },
      input: "the port 0",
      goptlib: "printed as it is",
      ours: "`TypeError`, nothing printed",
      why: "tor takes it for malformed, and ends all transports of the program",
      applies: ({ input: { port }, theirs, ours }) =>
        theirs !== null && ours === null && port === 0,
    },
    {
      example: { ...METHOD, host: "::ffff:c000:201" },
      input: "the address `::ffff:192.0.2.1`",
      goptlib: "`192.0.2.1`",
      ours: "`[::ffff:c000:201]`, as it was given",
      why: "Go has one form for both; here it is what the caller says",
      applies: ({ input: { host }, theirs, ours }) =>
        theirs !== null && ours !== null && host.startsWith("::ffff:") && unmappedIp(host) !== host,
    },
  ],
};

/** How we write a byte for which goptlib has an octal escape. */
function ourEscapes(theirs: string): string {
  const named: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" };
  return theirs.replace(/\\([0-7]{3})/g, (_, octal) => named[parseInt(octal, 8)] ?? "?");
}

const LOGS: Subject<string, string> = {
  title: "LOG lines",
  same: ["", "a message", "'!#[]~%;", "=,:"],
  generated: sample(text, 2000),
  question: (text) => ({ op: "log", text }),
  theirs({ printed }, text) {
    const line = printed.slice(0, -1);
    const message = parseLine(line);
    assert(message.kind === "log");
    assertEquals(message.message, text.toWellFormed());
    assertEquals(unquoteCString(line.split("MESSAGE=")[1] ?? ""), text.toWellFormed());
    return line;
  },
  ours: (text) => printedBy(() => log("notice", text)).slice(0, -1),
  differences: [
    {
      example: 'a "quoted" \\\n',
      input: 'the characters `"`, `\\`, line feed, carriage return and tab',
      goptlib: "`\\042`, `\\134`, `\\012`, `\\015`, `\\011`",
      ours: '`\\"`, `\\\\`, `\\n`, `\\r`, `\\t`',
      why: "Arti takes no octal escapes",
      applies: ({ input, theirs, ours }) =>
        /["\\\n\r\t]/.test(input) && theirs !== null && ourEscapes(theirs) === ours,
    },
    {
      example: "café",
      input: "any other byte that is not printable ASCII, as in `café`",
      goptlib: "an octal escape: `caf\\303\\251`",
      ours: "a question mark: `caf??`",
      why: "Arti takes no octal escapes, and tor drops a line with NUL",
      applies: ({ input, theirs, ours }) =>
        /[^\x20-\x7e]/.test(input) && theirs !== null && ourEscapes(theirs) === ours,
    },
  ],
};

/** What comes of a handshake. */
interface Shaken {
  target: string | null;
  args: Grouped;
  written: string;
}

/** The places behind the greeting, the authentication and the request. */
function messageEnds(bytes: readonly number[]): number[] {
  const greeting = 2 + (bytes[1] ?? 0);
  const ends = [greeting];
  let at = greeting;
  if (bytes.slice(2, greeting).includes(2)) {
    const user = bytes[at + 1] ?? 0;
    at += 2 + user;
    at += 1 + (bytes[at] ?? 0);
    ends.push(at);
  }
  const length = { 1: 4, 4: 16, 3: 1 + (bytes[at + 4] ?? 0) }[bytes[at + 3] ?? 0] ?? 0;
  return [...ends, at + 4 + length + 2];
}

/** Whether a piece goes on behind the end of a message. */
function isAhead(pieces: readonly (readonly number[])[]): boolean {
  const ends = messageEnds(pieces.flat());
  let start = 0;
  return pieces.some(({ length }) => {
    start += length;
    return ends.some((end) => end > start - length && end < start);
  });
}

const TO = [5, 1, 0, 1, 192, 0, 2, 1, 1, 187];

const SOCKS: Subject<number[][], Shaken> = {
  title: "SOCKS requests",
  same: [
    [NO_AUTH, TO],
    [[5, 2, 0, 2], fields(bytesOf("k=v;l=w;k=x"), [0]), TO],
    [PASSWORD, fields(bytesOf("k=v"), bytesOf("w\\;;l=")), TO],
    [PASSWORD, fields(bytesOf("k=\\"), bytesOf(";")), TO],
    [PASSWORD, fields(bytesOf("k=é").slice(0, -1), bytesOf("é").slice(1)), TO],
    [PASSWORD, fields(bytesOf("k=v"), []), TO],
    [PASSWORD, fields([], bytesOf("k=v"))],
    [PASSWORD, fields(bytesOf("k"), [0])],
    [PASSWORD, fields(bytesOf("k=v;"), [0])],
    [PASSWORD, fields(bytesOf("=v"), [0])],
    [PASSWORD, fields(bytesOf("k=v\\"), [0])],
    [PASSWORD, [2, 1, 107]],
    [[5, 1, 1]],
    [[5, 0]],
    [[4, 1, 1, 187, 192, 0, 2, 1, 0]],
    [NO_AUTH, [5, 2, 0, 1, 192, 0, 2, 1, 1, 187]],
    [NO_AUTH, [4, 1, 0, 1, 192, 0, 2, 1, 1, 187]],
    [NO_AUTH, [5, 1, 0, 2, 192, 0, 2, 1, 1, 187]],
    [NO_AUTH, [5, 1, 0, 3, 3, 97, 46, 98, 1, 187]],
    [NO_AUTH, [5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 187]],
    [NO_AUTH, TO.slice(0, 7)],
    [[5], [1], [0], ...TO.map((byte) => [byte])],
  ],
  generated: sample(
    fc.tuple(greeting, authentication, request, fc.nat(30), rarely(fc.nat(2), 8)).chain(
      ([greeting, authentication, request, cut, merged]) => {
        const messages = [
          greeting,
          ...greeting.slice(2).includes(2) ? [authentication] : [],
          request,
        ];
        // Now and then a byte is another one, and messages come together or in two pieces.
        return fc.tuple(...messages.map((message) =>
          fc.oneof(
            { arbitrary: fc.constant(Uint8Array.from(message)), weight: 5 },
            { arbitrary: editedBytes(fc.constant(message)), weight: 1 },
          )
        )).map((messages) => {
          const pieces = messages.flatMap((
            bytes,
          ) => [[...bytes.slice(0, cut)], [...bytes.slice(cut)]]);
          if (merged !== null) pieces.splice(merged, 2, pieces.slice(merged, merged + 2).flat());
          return pieces.filter(({ length }) => length > 0);
        });
      },
    ),
    5000,
  ),
  question: (pieces) => ({
    op: "socks",
    pieces: pieces.map((piece) => Uint8Array.from(piece).toBase64()),
  }),
  theirs: ({ request, written }) => ({
    target: request === null ? null : textOfBase64(request.target),
    args: theirPairs(request?.args ?? null),
    written: bytesOfBase64(written).toHex(),
  }),
  async ours(pieces) {
    const { written, request } = await shake(
      Uint8Array.from(pieces.flat()),
      pieces.map(({ length }) => length),
      "end",
    );
    const [host = "", port] = request?.target ?? [];
    return {
      target: request === null
        ? null
        : `${ipToBytes(host)?.length === 16 ? `[${host}]` : host}:${port}`,
      args: ourPairs(request?.args ?? []),
      written: Uint8Array.from(written).toHex(),
    };
  },
  differences: [
    {
      example: [PASSWORD, fields([...bytesOf("k="), 255], [0]), TO],
      input: "arguments that are not UTF-8",
      goptlib: "taken, byte by byte",
      ours: "status 1, and the connection closes",
      why: "arguments are text here, and other bytes would be lost",
      applies: ({ input, theirs, ours }) => {
        const [greeting = 0, end = 0] = messageEnds(input.flat());
        return ours?.target === null && ours.written === "05020101" &&
          theirs?.written.startsWith("05020100") === true &&
          !isUtf8(Uint8Array.from(argsOf(input.flat().slice(greeting, end))));
      },
    },
    {
      example: [NO_AUTH, [5, 1, 7, ...TO.slice(3)]],
      input: "a reserved byte that is not 0",
      goptlib: "reply 1",
      ours: "ignored",
      why: "RFC 1928 gives it no meaning, and to refuse helps nobody",
      applies: ({ input, theirs }) => {
        const bytes = input.flat();
        const start = messageEnds(bytes).at(-2) ?? 0;
        return bytes[start + 2] !== 0 && theirs?.written.endsWith(hex(reply(1))) === true;
      },
    },
    {
      example: [NO_AUTH, [5, 1, 0, 3, 3, 97, 10, 98, 1, 187]],
      input: "a name with a space, a control character or a byte that is not ASCII",
      goptlib: "taken",
      ours: "reply 1, and the connection closes",
      why: "it is no name, and could break the line of an HTTP proxy that it is put into",
      applies({ input, theirs, ours }) {
        const bytes = input.flat();
        const start = messageEnds(bytes).at(-2) ?? 0;
        const name = bytes.slice(start + 5, start + 5 + (bytes[start + 4] ?? 0));
        return bytes[start + 3] === 3 && name.some((byte) => byte <= 32 || byte >= 127) &&
          ours?.target === null && ours.written === `${theirs?.written}${hex(reply(1))}`;
      },
    },
    {
      example: [NO_AUTH, [5, 1, 0, 3, 0, 1, 187]],
      input: "an empty name",
      goptlib: "the connection closes",
      ours: "reply 1, and the connection closes",
      why: "tor logs a reply",
      applies: ({ input, theirs, ours }) => {
        const bytes = input.flat();
        const start = messageEnds(bytes).at(-2) ?? 0;
        return bytes[start + 3] === 3 && bytes[start + 4] === 0 &&
          ours?.written === `${theirs?.written}${hex(reply(1))}`;
      },
    },
    {
      example: [[...NO_AUTH, ...TO]],
      input:
        "a client that says the next thing before it has heard the answer, or sends data early",
      goptlib: "the connection closes",
      ours: "taken; what came early is the first of the stream",
      why: "TCP keeps no borders between messages",
      applies: ({ input, theirs, ours }) =>
        isAhead(input) && theirs?.target === null &&
        ours?.written.startsWith(theirs.written) === true,
    },
    {
      example: [NO_AUTH],
      input: "a client that goes away before a message",
      goptlib: "a reply to nobody, as to a malformed one",
      ours: "the connection closes",
      why: "nobody reads it",
      applies: ({ theirs, ours }) =>
        theirs?.target === null && ours?.target === null &&
        [[1, 1], reply(1), reply(7)].some((last) => theirs.written === ours.written + hex(last)),
    },
    {
      example: [NO_AUTH, [5, 1, 0, 4, ...Array(10).fill(0), 255, 255, 192, 0, 2, 1, 1, 187]],
      input: "the IPv6 address `::ffff:192.0.2.1`",
      goptlib: "the target `[192.0.2.1]:443`",
      ours: "the target `::ffff:c000:201` and 443",
      why: "Go has one form for both; the other one is what the client said",
      applies: ({ theirs, ours }) =>
        ours?.target?.startsWith("[::ffff:") === true && theirs?.target !== null,
    },
  ],
};

function hex(bytes: readonly number[]): string {
  return Uint8Array.from(bytes).toHex();
}

/** The arguments of a message of RFC 1929, both fields. */
function argsOf(message: readonly number[]): number[] {
  const user = message.slice(2, 2 + (message[1] ?? 0));
  const password = message.slice(3 + user.length);
  return [...user, ...password.length === 1 && password[0] === 0 ? [] : password];
}

/** The environment of a program that starts, and which half it is. */
interface Start {
  role: "client" | "server";
  env: Record<string, string>;
}

/** All combinations of one value for each variable; an empty one stands for an unset variable. */
function* combinations(
  values: Readonly<Record<string, readonly string[]>>,
): Generator<Record<string, string>> {
  const [first, ...others] = Object.entries(values);
  if (first === undefined) return yield {};
  for (const rest of combinations(Object.fromEntries(others))) {
    for (const value of first[1]) {
      yield value === "" ? rest : { ...rest, [`TOR_PT_${first[0]}`]: value };
    }
  }
}

const STARTS: Start[] = [
  ...combinations({
    MANAGED_TRANSPORT_VER: ["", "1", "11", "3,1"],
    CLIENT_TRANSPORTS: ["", "obfs4", "unknown"],
    SERVER_TRANSPORTS: ["", "obfs4"],
    STATE_LOCATION: ["", "/state", "state"],
    PROXY: ["", "socks5://127.0.0.1:1080", "socks5://127.0.0.1"],
  }).map((env): Start => ({ role: "client", env })),
  ...combinations({
    MANAGED_TRANSPORT_VER: ["1", "2"],
    SERVER_TRANSPORTS: ["", "obfs4"],
    CLIENT_TRANSPORTS: ["", "obfs4"],
    STATE_LOCATION: ["", "/state"],
    SERVER_BINDADDR: ["", "obfs4-127.0.0.1:0", "obfs4", "käse"],
    SERVER_TRANSPORT_OPTIONS: ["", "obfs4:k=v", "obfs4"],
    ORPORT: ["", "127.0.0.1:9001", "127.0.0.1"],
    EXTENDED_SERVER_PORT: ["", "127.0.0.1:9002", "127.0.0.1"],
    AUTH_COOKIE_FILE: ["", "/cookie"],
  }).map((env): Start => ({ role: "server", env })),
];

const RIGHT = {
  TOR_PT_MANAGED_TRANSPORT_VER: "1",
  TOR_PT_STATE_LOCATION: "/state",
};
const RIGHT_CLIENT = { ...RIGHT, TOR_PT_CLIENT_TRANSPORTS: "obfs4" };
const RIGHT_SERVER = {
  ...RIGHT,
  TOR_PT_SERVER_TRANSPORTS: "obfs4",
  TOR_PT_SERVER_BINDADDR: "obfs4-127.0.0.1:0",
  TOR_PT_ORPORT: "127.0.0.1:9001",
};

/** The keywords of some lines; the only text that both say in the same words stays. */
function keywords(printed: string): string[] {
  return printed.split("\n").slice(0, -1).map((line) =>
    line.startsWith("VERSION") ? line : line.split(" ")[0] ?? ""
  );
}

/** What a program has said when it starts, and whether it goes on. */
interface Started {
  lines: string[];
  goesOn: boolean;
}

const said = (started: Started | null, ...lines: string[]) =>
  started?.lines.join() === lines.join();

const FIRST_LINES: Subject<Start, Started> = {
  title: "The first lines",
  same: [
    { role: "client", env: RIGHT_CLIENT },
    { role: "server", env: RIGHT_SERVER },
    { role: "client", env: { ...RIGHT_CLIENT, TOR_PT_MANAGED_TRANSPORT_VER: "2" } },
    { role: "server", env: {} },
  ],
  generated: STARTS,
  question: ({ role, env }) => ({ op: role, env }),
  theirs: ({ refused, printed }) => ({ lines: keywords(printed), goesOn: refused === null }),
  ours({ role, env }) {
    using _ = replace(Deno.env, { get: (name: string) => env[name] });
    let goesOn = true;
    const printed = printedBy(() => {
      const half = role === "client" ? client : server;
      goesOn = attempt(() => half.init(["obfs4"]), config.EnvError) !== null;
    });
    return { lines: keywords(printed), goesOn };
  },
  differences: [
    {
      example: { role: "server", env: { ...RIGHT_SERVER, TOR_PT_ORPORT: "127.0.0.1" } },
      input: "a variable that is malformed or missing",
      goptlib: "`VERSION 1`, `ENV-ERROR`",
      ours: "`ENV-ERROR`",
      why: "tor shows an `ENV-ERROR` to the operator only where it comes before `VERSION`",
      applies: ({ theirs, ours }) =>
        said(theirs, "VERSION 1", "ENV-ERROR") && said(ours, "ENV-ERROR"),
    },
    {
      example: { role: "server", env: { ...RIGHT_SERVER, TOR_PT_SERVER_BINDADDR: "käse" } },
      input: "a variable that is malformed, with a letter other than ASCII in it",
      goptlib: "panics, because it repeats the value",
      ours: "`ENV-ERROR`, which repeats nothing",
      why: "a line is ASCII, and a log shows no address",
      applies: ({ ours, answer: { panicked } }) => panicked && said(ours, "ENV-ERROR"),
    },
    {
      example: { role: "client", env: { ...RIGHT_CLIENT, TOR_PT_PROXY: "socks5://127.0.0.1" } },
      input: "an upstream proxy that is malformed",
      goptlib: "`VERSION 1`; the program may say more",
      ours: "`VERSION 1`, `PROXY-ERROR`",
      why: "the parent shall hear of it whatever the program does",
      applies: ({ input: { env }, theirs, ours }) =>
        env["TOR_PT_PROXY"] === "socks5://127.0.0.1" && said(theirs, "VERSION 1") &&
        theirs?.goesOn === false && ours?.goesOn === false,
    },
    {
      example: { role: "client", env: { ...RIGHT_CLIENT, TOR_PT_STATE_LOCATION: "state" } },
      input: "no state directory, or one that is not absolute",
      goptlib: "`VERSION 1`; it is read when it is used",
      ours: "`ENV-ERROR`",
      why: "pt-spec requires it, and an error is of use only before `VERSION`",
      applies: ({ input: { env }, theirs, ours }) =>
        !env["TOR_PT_STATE_LOCATION"]?.startsWith("/") && theirs?.goesOn === true &&
        said(ours, "ENV-ERROR"),
    },
    {
      example: { role: "client", env: { ...RIGHT_CLIENT, TOR_PT_SERVER_TRANSPORTS: "obfs4" } },
      input: "the lists of a client and of a server, both",
      goptlib: "the program is what it asks for",
      ours: "`ENV-ERROR`",
      why: "a process is one or the other",
      applies: ({ input: { env }, theirs, ours }) =>
        env["TOR_PT_CLIENT_TRANSPORTS"] !== undefined &&
        env["TOR_PT_SERVER_TRANSPORTS"] !== undefined && theirs?.goesOn === true &&
        said(ours, "ENV-ERROR"),
    },
    {
      example: {
        role: "server",
        env: { ...RIGHT, TOR_PT_SERVER_TRANSPORTS: "obfs4", TOR_PT_ORPORT: "127.0.0.1:9001" },
      },
      input: "a server without `TOR_PT_SERVER_BINDADDR`",
      goptlib: "`VERSION 1`, `ENV-ERROR`",
      ours: "`VERSION 1`",
      why: "as above: a port of the system's choice",
      applies: ({ input: { env }, theirs, ours }) =>
        env["TOR_PT_SERVER_BINDADDR"] === undefined && said(theirs, "VERSION 1", "ENV-ERROR") &&
        ours?.goesOn === true,
    },
  ],
};

/** Does something with every subject, whatever its inputs are. */
export function forEachSubject(
  use: <C, R>(subject: Subject<C, R>) => void,
): void {
  use(PROXIES);
  use(CLIENT_TRANSPORTS);
  use(BIND_ADDRESSES);
  use(OPTIONS);
  use(OR_PORTS);
  use(FIRST_LINES);
  use(SMETHODS);
  use(LOGS);
  use(SOCKS);
}
