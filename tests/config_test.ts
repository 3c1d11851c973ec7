import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { stub } from "@std/testing/mock";
import type { Address } from "../address.ts";
import {
  EnvError,
  ProxyError,
  type ProxyInfo,
  readClientTransports,
  readEnvironment,
  readExitOnStdinClose,
  readMode,
  readOrPorts,
  readOutboundBindAddresses,
  readProxy,
  readServerOptions,
  readServerTransports,
  readStateLocation,
  type ReadVariable,
  readVersionOffer,
} from "../config.ts";
import { absolute, fullNames, type Variables } from "./environment.ts";

/** A reader of just these variables. */
function reader(variables: Variables): ReadVariable {
  const values = new Map(Object.entries(fullNames(variables)));
  return (name) => values.get(name);
}

/** Asserts that `fn` throws an `EnvError` whose message starts with `start`. */
function assertEnvError(fn: () => unknown, start: string, row?: unknown): void {
  const error = assertThrows(fn, EnvError, undefined, JSON.stringify(row));
  assertEquals(error.message.slice(0, start.length), start, JSON.stringify(row));
}

Deno.test("EnvError and ProxyError are errors that tell what they are", () => {
  assertEquals(new EnvError("text").name, "EnvError");
  assertEquals(new ProxyError("text").name, "ProxyError");
  assertInstanceOf(new EnvError("text"), Error);
  assertInstanceOf(new ProxyError("text"), EnvError);
});

Deno.test("readVersionOffer() finds exactly version 1", () => {
  const rows: [value: string, offered: boolean][] = [
    ["1", true],
    ["1,2", true],
    ["3,2,1", true],
    ["2,1,,", true],
    ["11", false],
    ["2", false],
    ["01", false],
    ["1.0", false],
    [" 1", false],
    ["2, 1", false],
    ["1;2", false],
    ["-1", false],
    ["1\n", false],
    [",", false],
  ];
  for (const [value, offered] of rows) {
    assertEquals(readVersionOffer(reader({ MANAGED_TRANSPORT_VER: value })), offered, value);
  }
});

Deno.test("the required variables are missed when they are unset or empty", () => {
  const rows: [name: string, read: (variables: ReadVariable) => unknown][] = [
    ["MANAGED_TRANSPORT_VER", readVersionOffer],
    ["STATE_LOCATION", readStateLocation],
    ["CLIENT_TRANSPORTS", (variables) => readClientTransports(["rot13"], variables)],
    ["SERVER_TRANSPORTS", (variables) => readServerTransports(["rot13"], variables)],
  ];
  for (const [name, read] of rows) {
    const message = `TOR_PT_${name} is not set: a pluggable transport is started by tor`;
    assertEnvError(() => read(reader({})), message);
    assertEnvError(() => read(reader({ [name]: "" })), message);
  }
});

Deno.test("readStateLocation() takes an absolute path only", () => {
  for (const path of [absolute("pt_state"), absolute("with space/é"), absolute("")]) {
    assertEquals(readStateLocation(reader({ STATE_LOCATION: path })), path);
  }
  for (const path of ["pt_state", "./pt_state", "../pt_state", "~/pt_state", " /pt_state"]) {
    assertEnvError(
      () => readStateLocation(reader({ STATE_LOCATION: path })),
      "TOR_PT_STATE_LOCATION is malformed: it is not an absolute path",
      path,
    );
  }
});

Deno.test("readExitOnStdinClose() is true for exactly 1", () => {
  assertEquals(readExitOnStdinClose(reader({})), false);
  for (const value of ["1", "", "0", "2", "11", "01", " 1", "true", "yes"]) {
    assertEquals(readExitOnStdinClose(reader({ EXIT_ON_STDIN_CLOSE: value })), value === "1");
  }
});

Deno.test("readOutboundBindAddresses() reads an address of each family", () => {
  const rows: [variables: Variables, v4: string | null, v6: string | null][] = [
    [{}, null, null],
    [{ OUTBOUND_BIND_ADDRESS_V4: "", OUTBOUND_BIND_ADDRESS_V6: "" }, null, null],
    [{ OUTBOUND_BIND_ADDRESS_V4: "203.0.113.4" }, "203.0.113.4", null],
    [{ OUTBOUND_BIND_ADDRESS_V6: "[2001:db8::4]" }, null, "2001:db8::4"],
    [
      { OUTBOUND_BIND_ADDRESS_V4: "203.0.113.4", OUTBOUND_BIND_ADDRESS_V6: "[::2]" },
      "203.0.113.4",
      "::2",
    ],
  ];
  for (const [variables, v4, v6] of rows) {
    assertEquals(readOutboundBindAddresses(reader(variables)), { v4, v6 });
  }
});

Deno.test("readOutboundBindAddresses() refuses whatever is no address of its family", () => {
  const rows: [family: "V4" | "V6", value: string][] = [
    ["V4", "203.0.113.4:80"],
    ["V4", "[203.0.113.4]"],
    ["V4", "203.0.113"],
    ["V4", "203.0.113.04"],
    ["V4", "203.0.113.4 "],
    ["V4", "localhost"],
    ["V4", "[::1]"],
    ["V4", "::1"],
    ["V6", "::1"],
    ["V6", "[::1"],
    ["V6", "::1]"],
    ["V6", "[[::1]]"],
    ["V6", "x[::1]"],
    ["V6", "[]"],
    ["V6", "[::1]:80"],
    ["V6", "[fe80::1%lo]"],
    ["V6", "[203.0.113.4]"],
    ["V6", "203.0.113.4"],
    ["V6", "[::1]\n"],
  ];
  for (const [family, value] of rows) {
    assertEnvError(
      () => readOutboundBindAddresses(reader({ [`OUTBOUND_BIND_ADDRESS_${family}`]: value })),
      `TOR_PT_OUTBOUND_BIND_ADDRESS_${family} is malformed: it is not an IP${family.toLowerCase()}`,
      value,
    );
  }
});

Deno.test("readMode() follows the list of transports that is set", () => {
  const rows: [variables: Variables, mode: "client" | "server"][] = [
    [{ CLIENT_TRANSPORTS: "rot13" }, "client"],
    [{ CLIENT_TRANSPORTS: "*" }, "client"],
    [{ CLIENT_TRANSPORTS: ",", SERVER_TRANSPORTS: "" }, "client"],
    [{ SERVER_TRANSPORTS: "rot13" }, "server"],
    [{ SERVER_TRANSPORTS: "rot13", CLIENT_TRANSPORTS: "" }, "server"],
  ];
  for (const [variables, mode] of rows) assertEquals(readMode(reader(variables)), mode);
});

Deno.test("readMode() throws for neither list and for both", () => {
  const names = "TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS are both";
  assertEnvError(() => readMode(reader({})), `${names} unset`);
  assertEnvError(
    () => readMode(reader({ CLIENT_TRANSPORTS: "", SERVER_TRANSPORTS: "" })),
    `${names} unset`,
  );
  assertEnvError(
    () => readMode(reader({ CLIENT_TRANSPORTS: "a", SERVER_TRANSPORTS: "a" })),
    `${names} set`,
  );
});

Deno.test("readClientTransports() gives the supported names in the parent's order", () => {
  const rows: [value: string, names: string[]][] = [
    ["rot13", ["rot13"]],
    ["rot26,rot13", ["rot26", "rot13"]],
    ["obfs4,rot13,meek", ["rot13"]],
    ["rot13,rot13", ["rot13"]],
    ["obfs4", []],
    ["ROT13", []],
    [" rot13", []],
    ["rot13;rot26", []],
    ["toString,__proto__", []],
    [",", []],
    ["*", ["rot13", "rot26"]],
    ["obfs4,*", ["rot13", "rot26"]],
    ["rot*", []],
  ];
  for (const [value, names] of rows) {
    const read = reader({ CLIENT_TRANSPORTS: value });
    assertEquals(readClientTransports(["rot13", "rot26"], read), names, value);
  }
});

Deno.test("readServerTransports() gives each supported name its address", () => {
  const anywhere: Address = ["0.0.0.0", 0];
  const rows: [names: string, addresses: string | null, transports: [string, Address][]][] = [
    ["rot13", null, [["rot13", anywhere]]],
    ["rot13", "", [["rot13", anywhere]]],
    ["rot13", "rot13-127.0.0.1:4443", [["rot13", ["127.0.0.1", 4443]]]],
    ["rot13", "rot13-[::1]:0", [["rot13", ["::1", 0]]]],
    ["rot26,rot13", "rot13-[::]:1,rot26-0.0.0.0:2", [
      ["rot26", ["0.0.0.0", 2]],
      ["rot13", ["::", 1]],
    ]],
    ["rot13,rot26", "rot26-127.0.0.1:2", [["rot13", anywhere], ["rot26", ["127.0.0.1", 2]]]],
    ["rot13,rot13", "rot13-127.0.0.1:1", [["rot13", ["127.0.0.1", 1]]]],
    ["rot13", "obfs4-127.0.0.1:9,rot13-127.0.0.1:1", [["rot13", ["127.0.0.1", 1]]]],
    ["rot13,obfs4", null, [["rot13", anywhere]]],
    ["obfs4,toString", "obfs4-127.0.0.1:1", []],
    ["*", null, []],
    [",", null, []],
  ];
  for (const [names, addresses, transports] of rows) {
    const read = reader({ SERVER_TRANSPORTS: names, SERVER_BINDADDR: addresses ?? "" });
    const actual = readServerTransports(["rot13", "rot26"], read);
    assertEquals(Object.entries(actual), transports, `${names} at ${addresses}`);
  }
});

Deno.test("readServerTransports() gives an object in which any name can be looked up", () => {
  const read = reader({ SERVER_TRANSPORTS: "rot13,__proto__" });
  const transports = readServerTransports(["rot13", "__proto__"], read);
  assertEquals(Object.getPrototypeOf(transports), null);
  assertEquals("toString" in transports, false);
  assertEquals(Object.keys(transports), ["rot13", "__proto__"]);
});

Deno.test("readServerTransports() refuses malformed addresses and a name twice", () => {
  const rows = [
    "rot13",
    "rot13-",
    "-127.0.0.1:1",
    "127.0.0.1:1",
    "rot13=127.0.0.1:1",
    "rot13-127.0.0.1",
    "rot13-127.0.0.1:65536",
    "rot13-127.0.0.1:-1",
    "rot13-127.0.0.1:01",
    "rot13-localhost:1",
    "rot13-*:1",
    "rot13-::1:80",
    "rot13-[127.0.0.1]:1",
    "rot13-127.0.0.1:1,",
    ",rot13-127.0.0.1:1",
    "rot13-127.0.0.1:1,,rot26-127.0.0.1:2",
    "rot13-127.0.0.1:1, rot26-127.0.0.1:2 ",
    "rot13-127.0.0.1:1,rot13-127.0.0.1:2",
    "rot13-127.0.0.1:1,rot13-127.0.0.1:1",
    "rot13-127.0.0.1:1,obfs4-nonsense",
  ];
  for (const value of rows) {
    const read = reader({ SERVER_TRANSPORTS: "rot13", SERVER_BINDADDR: value });
    assertEnvError(
      () => readServerTransports(["rot13"], read),
      "TOR_PT_SERVER_BINDADDR is malformed: ",
      value,
    );
  }
});

Deno.test("readServerOptions() reads the options and names the variable where it cannot", () => {
  const read = reader({ SERVER_TRANSPORT_OPTIONS: "secret:key=a+b;secret:key=c" });
  assertEquals(readServerOptions(read)["secret"]?.getAll("key"), ["a+b", "c"]);
  assertEquals(Object.keys(readServerOptions(reader({}))), []);
  assertEquals(Object.keys(readServerOptions(reader({ SERVER_TRANSPORT_OPTIONS: "" }))), []);
  assertEnvError(
    () => readServerOptions(reader({ SERVER_TRANSPORT_OPTIONS: "secret:key" })),
    "TOR_PT_SERVER_TRANSPORT_OPTIONS is malformed: an item has no =",
  );
});

const COOKIE = absolute("cookie");

Deno.test("readOrPorts() gives at least one port, and the cookie file of the extended one", () => {
  const rows: [variables: Variables, expected: [Address | null, Address | null, string | null]][] =
    [
      [{ ORPORT: "127.0.0.1:9001" }, [["127.0.0.1", 9001], null, null]],
      [{ ORPORT: "[::1]:1", EXTENDED_SERVER_PORT: "" }, [["::1", 1], null, null]],
      [{ EXTENDED_SERVER_PORT: "127.0.0.1:2", AUTH_COOKIE_FILE: COOKIE }, [
        null,
        ["127.0.0.1", 2],
        COOKIE,
      ]],
      [{ ORPORT: "", EXTENDED_SERVER_PORT: "[::1]:2", AUTH_COOKIE_FILE: COOKIE }, [
        null,
        ["::1", 2],
        COOKIE,
      ]],
      [{
        ORPORT: "127.0.0.1:1",
        EXTENDED_SERVER_PORT: "127.0.0.1:2",
        AUTH_COOKIE_FILE: COOKIE,
      }, [["127.0.0.1", 1], ["127.0.0.1", 2], COOKIE]],
      [{ ORPORT: "127.0.0.1:1", AUTH_COOKIE_FILE: COOKIE }, [["127.0.0.1", 1], null, null]],
      [{ ORPORT: "127.0.0.1:1", AUTH_COOKIE_FILE: "relative" }, [["127.0.0.1", 1], null, null]],
    ];
  for (const [variables, [orport, ext_orport, auth_cookie_file]] of rows) {
    assertEquals(readOrPorts(reader(variables)), { orport, ext_orport, auth_cookie_file });
  }
});

Deno.test("readOrPorts() throws where a server would have nowhere to send to", () => {
  const rows: [variables: Variables, message: string][] = [
    [{}, "TOR_PT_ORPORT and TOR_PT_EXTENDED_SERVER_PORT are both unset"],
    [{ ORPORT: "" }, "TOR_PT_ORPORT and TOR_PT_EXTENDED_SERVER_PORT are both unset"],
    [{ AUTH_COOKIE_FILE: COOKIE }, "TOR_PT_ORPORT and TOR_PT_EXTENDED_SERVER_PORT are both unset"],
    [{ EXTENDED_SERVER_PORT: "127.0.0.1:2" }, "TOR_PT_AUTH_COOKIE_FILE is not set"],
    [
      { ORPORT: "127.0.0.1:1", EXTENDED_SERVER_PORT: "127.0.0.1:2", AUTH_COOKIE_FILE: "" },
      "TOR_PT_AUTH_COOKIE_FILE is not set",
    ],
    [
      { EXTENDED_SERVER_PORT: "127.0.0.1:2", AUTH_COOKIE_FILE: "cookie" },
      "TOR_PT_AUTH_COOKIE_FILE is malformed: it is not an absolute path",
    ],
  ];
  for (const [variables, message] of rows) {
    assertEnvError(() => readOrPorts(reader(variables)), message, variables);
  }
});

Deno.test("readOrPorts() refuses ports that are no numeric destination", () => {
  const values = [
    "127.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:0x50",
    "127.0.0.1:1e2",
    "127.0.0.1:080",
    "127.0.0.1:+80",
    "127.0.0.1: 80",
    "localhost:80",
    ":80",
    "::1:80",
    "[::1]",
    "[::1]:0",
  ];
  for (const name of ["ORPORT", "EXTENDED_SERVER_PORT"]) {
    for (const value of values) {
      assertEnvError(
        () => readOrPorts(reader({ AUTH_COOKIE_FILE: COOKIE, [name]: value })),
        `TOR_PT_${name} is malformed: `,
        value,
      );
    }
  }
});

const PROXIES: [uri: string, proxy: ProxyInfo][] = [
  ["socks5://127.0.0.1:1080", { scheme: "socks5", host: "127.0.0.1", port: 1080 }],
  ["socks4a://[::1]:1", { scheme: "socks4a", host: "::1", port: 1 }],
  ["http://127.0.0.1:80", { scheme: "http", host: "127.0.0.1", port: 80 }],
  ["HTTP://127.0.0.1:65535", { scheme: "http", host: "127.0.0.1", port: 65535 }],
  ["SockS5://127.0.0.1:1", { scheme: "socks5", host: "127.0.0.1", port: 1 }],
];

/** User information, decoded. A user without a password has `undefined`. */
const CREDENTIALS: [
  scheme: ProxyInfo["scheme"],
  text: string,
  user: string,
  password: string | undefined,
][] = [
  ["socks5", "me:secret", "me", "secret"],
  ["socks5", "me:p:w", "me", "p:w"],
  ["socks5", "me:p@ss", "me", "p@ss"],
  ["socks5", "m@e:p@", "m@e", "p@"],
  ["socks5", "me:a/b?c#d", "me", "a/b?c#d"],
  ["socks5", "me:p%40s%3As%25", "me", "p@s:s%"],
  ["socks5", "m%c3%A9:%f0%9f%98%80", "mé", "😀"],
  ["socks5", "me:100%", "me", "100%"],
  ["socks5", "me:%zz%4%", "me", "%zz%4%"],
  ["socks5", "me:%ff", "me", "%ff"],
  ["socks5", "%41%ff%42:%e2%82%ac%e2%82", "A%ffB", "€%e2%82"],
  ["socks5", "%c0%80:%ed%a0%80%f7%bf%bf%bf", "%c0%80", "%ed%a0%80%f7%bf%bf%bf"],
  ["socks5", "me:a+b c", "me", "a+b c"],
  ["socks5", "mé:日本", "mé", "日本"],
  ["socks5", `${"u".repeat(255)}:${"p".repeat(255)}`, "u".repeat(255), "p".repeat(255)],
  ["socks5", `${"%41".repeat(255)}:p`, "A".repeat(255), "p"],
  ["socks5", "a%00b:p", "a\0b", "p"],
  ["socks4a", "me", "me", undefined],
  ["socks4a", "m@e", "m@e", undefined],
  ["socks4a", "m%3Ae", "m:e", undefined],
  ["http", "me", "me", undefined],
  ["http", "me:", "me", ""],
  ["http", "me:secret", "me", "secret"],
  ["http", "me:p%3Aw", "me", "p:w"],
];

Deno.test("readProxy() gives scheme, host and port, in the schemes that there are", () => {
  for (const [uri, proxy] of PROXIES) assertEquals(readProxy(reader({ PROXY: uri })), proxy, uri);
});

Deno.test("readProxy() gives user and password, percent-encoded or raw as tor writes them", () => {
  for (const [scheme, text, user, password] of CREDENTIALS) {
    const expected = password === undefined ? { user } : { user, password };
    for (const [host, literal] of [["127.0.0.1", "127.0.0.1"], ["::1", "[::1]"]] as const) {
      assertEquals(
        readProxy(reader({ PROXY: `${scheme}://${text}@${literal}:1080` })),
        { scheme, host, port: 1080, ...expected },
        text,
      );
    }
  }
});

Deno.test("readProxy() gives null where there is none", () => {
  assertEquals(readProxy(reader({})), null);
  assertEquals(readProxy(reader({ PROXY: "" })), null);
});

Deno.test("readProxy() throws a ProxyError for everything else", () => {
  const rows = [
    "127.0.0.1:1080",
    "//127.0.0.1:1080",
    "://127.0.0.1:1080",
    "socks5:127.0.0.1:1080",
    "socks5:/127.0.0.1:1080",
    "socks5://",
    "socks5",
    "socks://127.0.0.1:1080",
    "socks4://127.0.0.1:1080",
    "socks5h://127.0.0.1:1080",
    "https://127.0.0.1:443",
    "ftp://127.0.0.1:21",
    " http://127.0.0.1:80",
    "http ://127.0.0.1:80",
    "http://127.0.0.1",
    "http://127.0.0.1:",
    "http://127.0.0.1:0",
    "http://127.0.0.1:65536",
    "http://127.0.0.1:0x50",
    "http://127.0.0.1:080",
    "http://:80",
    "http://localhost:80",
    "http://0x7f.1:80",
    "http://2130706433:80",
    "http://::1:80",
    "http://[127.0.0.1]:80",
    "http://127.0.0.1:80/",
    "http://127.0.0.1:80/path",
    "http://127.0.0.1:80?query",
    "http://127.0.0.1:80?",
    "http://127.0.0.1:80#fragment",
    "http://127.0.0.1:80 ",
    "http://127.0.0.1:80\n",
    "http://me:secret@",
    "http://@127.0.0.1:80",
    "http://:@127.0.0.1:80",
    "http://:secret@127.0.0.1:80",
    "http://m%3Ae:secret@127.0.0.1:80",
    "socks4a://@127.0.0.1:1080",
    "socks4a://me:@127.0.0.1:1080",
    "socks4a://me:secret@127.0.0.1:1080",
    "socks4a://m%00e@127.0.0.1:1080",
    "socks5://@127.0.0.1:1080",
    "socks5://me@127.0.0.1:1080",
    "socks5://me:@127.0.0.1:1080",
    "socks5://:secret@127.0.0.1:1080",
    `socks5://${"u".repeat(256)}:p@127.0.0.1:1080`,
    `socks5://u:${"p".repeat(256)}@127.0.0.1:1080`,
    `socks5://u:${"é".repeat(128)}@127.0.0.1:1080`,
  ];
  for (const uri of rows) {
    const error = assertThrows(() => readProxy(reader({ PROXY: uri })), ProxyError, undefined, uri);
    assert(error.message.startsWith("TOR_PT_PROXY is malformed: "), error.message);
  }
});

Deno.test("errors never repeat an address, a user or a password", () => {
  const rows: (() => unknown)[] = [
    () => readProxy(reader({ PROXY: "socks5://hunter2@192.0.2.77:1080" })),
    () => readProxy(reader({ PROXY: "http://user:hunter2@192.0.2.77:99999" })),
    () => readProxy(reader({ PROXY: "hunter2://192.0.2.77:1" })),
    () => readOrPorts(reader({ ORPORT: "192.0.2.77:0" })),
    () => readOutboundBindAddresses(reader({ OUTBOUND_BIND_ADDRESS_V4: "192.0.2.77:1" })),
    () =>
      readServerTransports(
        ["rot13"],
        reader({ SERVER_TRANSPORTS: "rot13", SERVER_BINDADDR: "rot13-192.0.2.77" }),
      ),
    () => readServerOptions(reader({ SERVER_TRANSPORT_OPTIONS: "secret:hunter2" })),
  ];
  for (const read of rows) {
    const shown = Deno.inspect(assertThrows(read, EnvError));
    assertEquals(/192\.0\.2\.77|hunter2/.test(shown.replace(/\n\s+at .*/g, "")), false, shown);
  }
});

Deno.test("an EnvError for a malformed variable keeps its cause", () => {
  const rows: (() => unknown)[] = [
    () => readOrPorts(reader({ ORPORT: "nonsense" })),
    () => readProxy(reader({ PROXY: "nonsense" })),
  ];
  for (const read of rows) assertInstanceOf(assertThrows(read, EnvError).cause, SyntaxError);
});

Deno.test({
  name: "readEnvironment() throws an EnvError that names the flag when it is not granted",
  permissions: { env: ["TOR_PT_STATE_LOCATION"] },
  fn() {
    readEnvironment("TOR_PT_STATE_LOCATION");
    const error = assertThrows(() => readEnvironment("TOR_PT_PROXY"), EnvError);
    assertEquals(
      error.message,
      "TOR_PT_PROXY may not be read: run deno with --allow-env=TOR_PT_*",
    );
    assertInstanceOf(error.cause, Deno.errors.NotCapable);
  },
});

Deno.test("readEnvironment() throws an EnvError without the value when that is not UTF-8", () => {
  using _ = stub(Deno.env, "get", () => {
    throw new Deno.errors.InvalidData('environment variable was not valid unicode: "hunter2\\xFF"');
  });
  const error = assertThrows(() => readEnvironment("TOR_PT_PROXY"), EnvError);
  assertEquals(error.message, "TOR_PT_PROXY is not valid UTF-8");
  assertEquals(Deno.inspect(error).includes("hunter2"), false);
});
