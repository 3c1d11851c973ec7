/** Where `ptlib` connects to: names, proxies, and what is wrong with them. */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { faultOfPlace, parseDestination, parseListen, parseUnixOr } from "../../cli/places.ts";
import { readProxyUrl } from "../../cli/proxy_url.ts";
import { EchoServer } from "../echo.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { permitted } from "../permitted.ts";
import { command, echo, finished, PLAIN, Running } from "./ptlib_process.ts";

const LISTEN = ["--listen", "127.0.0.1:0"];

const ROT13 = [
  Deno.execPath(),
  "run",
  "--no-prompt",
  "--allow-all",
  new URL("../../examples/rot13.ts", import.meta.url).pathname,
];

Deno.test("parseDestination() reads numeric addresses and names", () => {
  const good: [text: string, address: [string, number]][] = [
    ["192.0.2.7:443", ["192.0.2.7", 443]],
    ["[2001:db8::7]:443", ["2001:db8::7", 443]],
    ["bridge.example:443", ["bridge.example", 443]],
    ["localhost:1", ["localhost", 1]],
    ["a_b-c.example.:65535", ["a_b-c.example.", 65535]],
    ["4ever.example:443", ["4ever.example", 443]],
  ];
  for (const [text, address] of good) assertEquals(parseDestination(text), address);
  const bad = ["", ":1", "a", "a:", "a:0", "a:080", "a:65536", "127.1:1", "0x7f000001:1", "a b:1"];
  bad.push("-a:1", "::1:80", "[a]:1", "a/b:1", "a@b:1", `${"a".repeat(254)}:1`, "é:1", "a:1:1");
  for (const text of bad) assertThrows(() => parseDestination(text), SyntaxError, undefined, text);
});

Deno.test("parseUnixOr() reads the path of a Unix socket", () => {
  assertEquals(parseUnixOr("unix:/run/a b.sock", parseDestination), { path: "/run/a b.sock" });
  assertEquals(parseUnixOr("unix:a:1", parseDestination), { path: "a:1" });
  assertEquals(parseUnixOr("a:1", parseDestination), ["a", 1]);
  for (const text of ["unix:", "unix:a\0b"]) {
    assertThrows(() => parseUnixOr(text, parseDestination), SyntaxError);
  }
  const longest = { path: "a".repeat(Deno.build.os === "linux" ? 107 : 103) };
  assertEquals(parseUnixOr(`unix:${longest.path}`, parseDestination), longest);
  // It is bytes that count.
  for (const path of [`${longest.path}a`, longest.path.replace("a", "é")]) {
    assertThrows(() => parseUnixOr(`unix:${path}`, parseDestination), SyntaxError, "the path has");
  }
});

Deno.test("addresses: what is wrong is said of what a person wrote", () => {
  const rows: [text: string, message: string][] = [
    ["http://127.0.0.1:8080", "it is a URL: write HOST:PORT alone"],
    ["21235", "there is no host before the port, as in 127.0.0.1:21235"],
  ];
  for (const [text, message] of rows) {
    assertThrows(() => parseDestination(text), SyntaxError, message);
    assertThrows(() => parseListen(text), SyntaxError, message);
  }
  assertThrows(() => parseDestination("SERVER:1"), SyntaxError, "SERVER is a placeholder");
  assertThrows(() => parseDestination("-a:1"), SyntaxError, "neither a name nor an IP address");
  assertThrows(() => parseListen("localhost:1"), SyntaxError, "not a numeric IP address");
});

Deno.test("readProxyUrl() takes socks5h and a slash at the end", async () => {
  const proxy = { scheme: "socks5", host: "127.0.0.1", port: 1080 } as const;
  assertEquals(await readProxyUrl("socks5h://127.0.0.1:1080"), proxy);
  assertEquals(await readProxyUrl("SOCKS5H://127.0.0.1:1080/"), proxy);
  assertEquals(await readProxyUrl("socks5://127.0.0.1:1080/"), proxy);
  const named = { scheme: "http", host: "::1", port: 80, user: "a/", password: "b@c:/" } as const;
  assertEquals(await readProxyUrl("http://a/:b@c:/@[::1]:80/"), named);
  const bad = ["", "127.0.0.1:80", "ftp://127.0.0.1:80", "socks5://127.0.0.1:80//", "http://[::1]"];
  bad.push("socks5h://127.0.0.1:0", "socks5h://127.0.0.1:80/path", "http://localhost");
  for (const url of bad) await assertRejects(() => readProxyUrl(url), SyntaxError, undefined, url);
});

Deno.test("readProxyUrl() names the schemes that there are here", async () => {
  const rows: [url: string, message: string][] = [
    ["127.0.0.1:9", "there is no scheme before it: http://"],
    ["socks4://127.0.0.1:9", "the scheme is not http://"],
  ];
  for (const [url, message] of rows) {
    await assertRejects(() => readProxyUrl(url), SyntaxError, message);
  }
});

Deno.test("faultOfPlace() says of addresses what the system means", async () => {
  const { AddrInUse, AddrNotAvailable, PermissionDenied } = Deno.errors;
  const rows: [error: Error, why: string][] = [
    [new AddrInUse(), "another program listens there"],
    [new AddrNotAvailable(), "this machine has no such address"],
    [new PermissionDenied(), "take a port from 1024 on"],
    [new Error("something else"), "something else"],
  ];
  for (const [error, why] of rows) {
    assertStringIncludes((await faultOfPlace(["127.0.0.1", 1], error)).message, why);
  }
});

permitted(["net", "sys"], "readProxyUrl() looks up the name of a proxy", async () => {
  const { host, port, user } = await readProxyUrl("socks4a://me@localhost:1080/");
  assertEquals([host, port, user], ["127.0.0.1", 1080, "me"]);
});

command("ptlib client gives the name of a bridge to its program", async () => {
  using service = new EchoServer();
  const bridge = `localhost:${service.address[1]}`;
  const options = ["--transport", "plain", "--bridge", bridge];
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...PLAIN]);
  assertEquals(await echo(await client.port(), "hi"), "hi");
});

for (const scheme of SCHEMES) {
  command(`ptlib client has an ${scheme} proxy resolve the name of a bridge`, async () => {
    using service = new EchoServer();
    using proxy = new UpstreamProxy(scheme, service.address);
    const url = `${scheme}${scheme === "socks5" ? "h" : ""}://localhost:${proxy.info.port}/`;
    // A name that exists nowhere.
    const options = ["--transport", "rot13", "--bridge", "bridge.invalid:443", "--proxy", url];
    await using client = new Running(["client", ...LISTEN, ...options, "--", ...ROT13]);
    assertEquals(await echo(await client.port(), "hello"), "hello");
    assertEquals(proxy.requests.map(({ target }) => target), [["bridge.invalid", 443]]);
  });
}

command("ptlib client does not go around a proxy to which there is no way", async () => {
  using service = new EchoServer();
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const url = `socks5h://localhost:${closed.addr.port}`;
  const bridge = `localhost:${service.address[1]}`;
  const options = ["--transport", "rot13", "--bridge", bridge, "--proxy", url];
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...ROT13]);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: await client.port() });
  assertEquals(await conn.read(new Uint8Array(1)), null);
  await client.says(/a connection broke off/);
  assertEquals(service.accepted, 0);
});

command("ptlib names what is wrong with a proxy and with arguments", async () => {
  const tunnel = [...LISTEN, "--transport", "a", "--bridge", "127.0.0.1:1"];
  const rows: [string[], string][] = [
    // No label may be as long, so nobody is asked for it.
    [
      ["--proxy", `http://${"a".repeat(64)}.example:1`],
      "--proxy is malformed: its host is not found",
    ],
    [["--proxy", "socks5://localhost"], "--proxy is malformed: "],
    [["--proxy", ""], "--proxy is malformed: it is empty"],
    [["--args", "cert=a iat-mode=0"], "--args is malformed: there is a space in it"],
  ];
  await Promise.all(rows.map(async ([args, message]) => {
    const { code, err } = await finished(["client", ...tunnel, ...args, "--", "x"]);
    assertEquals(code, 2, err);
    assertEquals(err.includes(message), true, err);
  }));
  const address = formatAddress(["127.0.0.1", 1]);
  const escaped = ["--transport", "a", "--bridge", address, "--args", "k=a\\ b"];
  const { err } = await finished(["client", ...LISTEN, ...escaped, "--", "no-such-program"]);
  assertEquals(err.includes("There is no program"), true, err);
});
