import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { readServerOptions } from "../../webtunnel/server_options.ts";
import { WebTunnelError } from "../../webtunnel/webtunnel_error.ts";

const URL_OPTION = ["url", "https://bridge.example/secret%20path"] as const;

function read(...more: (readonly [string, string])[]) {
  return readServerOptions(new URLSearchParams([URL_OPTION, ...more].map(([...pair]) => pair)));
}

Deno.test("readServerOptions() needs nothing but url=, as behind the official recipe", () => {
  const { url, path, certificate, fallback, hops, published } = read();
  assertEquals(url, "https://bridge.example/secret%20path");
  assertEquals(path, "/secret%20path");
  assertEquals([certificate, fallback, hops], [null, null, 1]);
  assertEquals([...published], [[...URL_OPTION], ["ver", "0.0.7"]]);
});

Deno.test("readServerOptions() publishes what clients need, and nothing else", () => {
  const { certificate, fallback, hops, published } = read(
    ["servername", "front.example"],
    ["cert", "/etc/cert.pem"],
    ["key", "/etc/key.pem"],
    ["fallback", "[::1]:8080"],
    ["trusted-hops", "2"],
    ["utls", "none"],
  );
  assertEquals(certificate, ["/etc/cert.pem", "/etc/key.pem"]);
  assertEquals(fallback, ["::1", 8080]);
  assertEquals(hops, 2);
  assertEquals([...published.keys()].sort(), ["servername", "url", "utls", "ver"]);
});

Deno.test("readServerOptions() publishes a cert= without key=, which is a pin", () => {
  const pin = new Uint8Array(32).toBase64();
  const { certificate, published } = read(["cert", pin]);
  assertEquals([certificate, published.get("cert")], [null, pin]);
});

Deno.test("readServerOptions() takes a name for fallback=", () => {
  assertEquals(read(["fallback", "site:80"]).fallback, ["site", 80]);
});

const WRONG: readonly [what: RegExp, options: [string, string][]][] = [
  [/have no url=/, []],
  [/have no url=/, [["url", ""]]],
  [/^ServerTransportOptions are wrong: url= begins with neither/, [["url", "ftp://a.example/"]]],
  [/^ServerTransportOptions are wrong: url= has a query/, [["url", "https://a.example/?x"]]],
  [/key= needs cert=/, [["url", "https://a.example/"], ["key", "/key.pem"]]],
  [/fallback= has no port/, [["url", "https://a.example/"], ["fallback", "127.0.0.1"]]],
  [/port of fallback=/, [["url", "https://a.example/"], ["fallback", "127.0.0.1:x"]]],
  [/^trusted-hops= is not the number/, [["url", "https://a.example/"], ["trusted-hops", "-1"]]],
  [/^trusted-hops= is not the number/, [["url", "https://a.example/"], ["trusted-hops", ""]]],
  [
    /cert= is the file of a certificate and needs key=/,
    [["url", "https://a.example/"], ["cert", "/etc/cert.pem"]],
  ],
  [/have Fallback=, which is written fallback=/, [["Fallback", "127.0.0.1:80"]]],
  [/have trusted_hops=, which is written trusted-hops=/, [["trusted_hops", "1"]]],
  [/have falback=, which nobody knows; there are addr=, .*, fallback=, key=, /, [[
    "falback",
    "a:80",
  ]]],
  [/have key-file=, which nobody knows/, [["key-file", "/etc/webtunnel/key.pem"]]],
  [/have trustedhops=, which nobody knows/, [["trustedhops", "1"]]],
  [/have url= twice/, [["url", "https://a.example/"], ["url", "https://b.example/"]]],
  [/have URL=, which is written url=/, [["URL", "https://a.example/"]]],
  [
    /url= begins with http:/,
    [["url", "http://a.example/"], ["cert", "/cert.pem"], ["key", "/key.pem"]],
  ],
];

for (const [what, options] of WRONG) {
  Deno.test(`readServerOptions() says of ${JSON.stringify(options)}: ${what}`, () => {
    const { message } = assertThrows(() => readServerOptions(new URLSearchParams(options)), Error);
    assertEquals([message, what.test(message)], [message, true]);
  });
}

/** Reads how many hops there are, with the official server's variable set. */
function hopsWith(variable: string, ...options: (readonly [string, string])[]): number {
  const name = "WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS";
  Deno.env.set(name, variable);
  try {
    return read(...options).hops;
  } finally {
    Deno.env.delete(name);
  }
}

Deno.test("readServerOptions() takes the official variable, and before it the option", () => {
  const alone = [["cert", "/cert.pem"], ["key", "/key.pem"]] as const;
  assertEquals(hopsWith("3"), 3);
  assertEquals(hopsWith("0"), 0);
  assertEquals(hopsWith("3", ["trusted-hops", "2"]), 2);
  assertEquals(hopsWith(""), 1);
  assertEquals(hopsWith("", ...alone), 0);
  assertEquals(hopsWith("1", ...alone), 1);
  assertEquals(hopsWith("10"), 10);
  assertThrows(() => hopsWith("1x"), Error, "WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS is not");
  assertThrows(() => hopsWith("100"), Error, "WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS is not");
  assertThrows(() => hopsWith("many"), Error, "WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS is not");
});

/** Reads how many hops there are where the variable cannot be read. */
function hopsWithout(error: Error): number {
  const { get } = Deno.env;
  Deno.env.get = () => {
    throw error;
  };
  try {
    return read().hops;
  } finally {
    Deno.env.get = get;
  }
}

Deno.test("readServerOptions() needs no permission for the official variable", () => {
  assertEquals(hopsWithout(new Deno.errors.NotCapable()), 1);
  assertThrows(() => hopsWithout(new RangeError("something else")), RangeError);
});

Deno.test("readServerOptions() gives the cause of what is wrong", () => {
  const options = new URLSearchParams({ url: "ftp://a.example/" });
  const { cause } = assertThrows(() => readServerOptions(options), Error);
  assertInstanceOf(cause, WebTunnelError);
});
