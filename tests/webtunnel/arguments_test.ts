import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { type Bridge, type BridgeTls, readBridge } from "../../webtunnel/arguments.ts";
import { WebTunnelError } from "../../webtunnel/webtunnel_error.ts";

/** What the bridge line of a URL says. */
function read(url: string, ...more: [string, string][]): Bridge {
  return readBridge(new URLSearchParams([["url", url], ...more]));
}

const URLS: readonly [url: string, host: string, port: number, path: string, isTls: boolean][] = [
  ["https://pt.example/path", "pt.example", 443, "/path", true],
  ["https://pt.example", "pt.example", 443, "/", true],
  ["https://pt.example/", "pt.example", 443, "/", true],
  ["https://pt.example:8443/path", "pt.example", 8443, "/path", true],
  ["https://pt.example:/path", "pt.example", 443, "/path", true],
  ["http://pt.example/path", "pt.example", 80, "/path", false],
  ["http://pt.example:8080", "pt.example", 8080, "/", false],
  ["HTTPS://pt.example/path", "pt.example", 443, "/path", true],
  ["HtTp://pt.example/path", "pt.example", 80, "/path", false],
  ["https://PT.example/path", "PT.example", 443, "/path", true],
  ["https://pt.example./path", "pt.example.", 443, "/path", true],
  ["https://a_b.example/path", "a_b.example", 443, "/path", true],
  [`https://${"a".repeat(63)}.example/path`, `${"a".repeat(63)}.example`, 443, "/path", true],
  [`https://${"a.".repeat(123)}examples/`, `${"a.".repeat(123)}examples`, 443, "/", true],
  ["https://localhost/path", "localhost", 443, "/path", true],
  ["https://bücher.example/path", "xn--bcher-kva.example", 443, "/path", true],
  ["https://192.0.2.7/path", "192.0.2.7", 443, "/path", true],
  ["https://192.0.2.7:8443/path", "192.0.2.7", 8443, "/path", true],
  ["https://[2001:db8::7]/path", "2001:db8::7", 443, "/path", true],
  ["https://[::1]:8443", "::1", 8443, "/", true],
];

for (const [url, host, port, path, isTls] of URLS) {
  Deno.test(`readBridge() reads ${url}`, () => {
    const bridge = read(url);
    assertEquals({ ...bridge, tls: bridge.tls !== null }, {
      address: [host, port],
      host,
      path,
      tls: isTls,
    });
  });
}

const PATHS: readonly [path: string, escaped: string][] = [
  ["/a%20b/c", "/a%20b/c"],
  ["/a b", "/a%20b"],
  ["/ä b", "/%C3%A4%20b"],
  ["/a%20b c", "/a%20b%20c"],
  ["/😀", "/%F0%9F%98%80"],
  ["/%7e%2F", "/%7e%2F"],
  ["/%7e%2F|", "/~/%7C"],
  ["/a/../b/./c", "/a/../b/./c"],
  ["//a", "//a"],
  ["/-_.~!$&'()*+,;=:@[]", "/-_.~!$&'()*+,;=:@[]"],
  ['/-_.~!$&()*+,;=:@[]"', "/-_.~%21$&%28%29%2A+,;=:@%5B%5D%22"],
  ["/a\\b^`{|}<>", "/a%5Cb%5E%60%7B%7C%7D%3C%3E"],
  ["/a\r\nHost: b", "/a%0D%0AHost:%20b"],
];

for (const [path, escaped] of PATHS) {
  Deno.test(`readBridge() escapes the path ${JSON.stringify(path)} as Go does`, () => {
    assertEquals(read(`https://pt.example${path}`).path, escaped);
  });
}

const PIN = "cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw=";
const DEFAULTS: BridgeTls = { names: ["pt.example"], verified: null, pins: [] };

const ARGUMENTS: readonly [args: [string, string][], bridge: Partial<Bridge>][] = [
  [[], { tls: DEFAULTS }],
  [[["addr", "192.0.2.7:8443"]], { address: ["192.0.2.7", 8443], tls: DEFAULTS }],
  [[["addr", "[2001:db8::7]:8443"]], { address: ["2001:db8::7", 8443] }],
  [[["addr", "front.example:443"]], { address: ["front.example", 443], host: "pt.example" }],
  [[["servername", "a.example"]], {
    host: "pt.example",
    tls: { ...DEFAULTS, names: ["a.example"] },
  }],
  [[["servername", "a.example,b.example,a.example"]], {
    tls: { ...DEFAULTS, names: ["a.example", "b.example"] },
  }],
  [[["servername", "192.0.2.7,[::1]"]], { tls: { ...DEFAULTS, names: ["192.0.2.7", "::1"] } }],
  [[["sni-imitation", "a.example"]], {
    tls: { ...DEFAULTS, names: ["a.example"], verified: "pt.example" },
  }],
  [[["sni-imitation", "a.example"], ["cert-domain", "b.example"]], {
    tls: { ...DEFAULTS, names: ["a.example"], verified: "b.example" },
  }],
  [[["sni-imitation", "a.example"], ["servername", "b.example,c.example"]], {
    tls: { ...DEFAULTS, names: ["b.example", "c.example"], verified: "pt.example" },
  }],
  [[["cert-domain", "a.example"]], { tls: { ...DEFAULTS, verified: "a.example" } }],
  [[["cert", PIN]], { tls: { ...DEFAULTS, pins: [PIN] } }],
  [[["utls", "hellochrome"], ["ver", "0.0.7"], ["new", "x"]], { tls: DEFAULTS }],
  [[["servername", "a.example"], ["servername", "b.example"]], {
    tls: { ...DEFAULTS, names: ["a.example"] },
  }],
  [[["url", "http://other.example/"]], { host: "pt.example", tls: DEFAULTS }],
];

for (const [args, expected] of ARGUMENTS) {
  Deno.test(`readBridge() reads ${args.map((pair) => pair.join("=")).join(" ") || "a URL"}`, () => {
    assertEquals(read("https://pt.example/path", ...args), {
      address: ["pt.example", 443],
      host: "pt.example",
      path: "/path",
      tls: DEFAULTS,
      ...expected,
    });
  });
}

const U = "https://pt.example/";
const WRONG: readonly [args: [string, string][], words: string][] = [
  [[], "there is no url="],
  [[["url", ""]], "there is no url="],
  [[["url", "pt.example/path"]], "url= begins with neither"],
  [[["url", "ftp://pt.example/path"]], "url= begins with neither"],
  [[["url", "https:pt.example"]], "url= begins with neither"],
  [[["url", " https://pt.example"]], "url= begins with neither"],
  [[["url", "https://user@pt.example/"]], "a user before the host"],
  [[["url", "https://user:word@pt.example/"]], "a user before the host"],
  [[["url", "https://pt.example/?a=b"]], "a query"],
  [[["url", "https://pt.example?"]], "a query"],
  [[["url", "https://pt.example/path#a"]], "a fragment"],
  [[["url", "https://pt.example#"]], "a fragment"],
  [[["url", "https:///path"]], "no host"],
  [[["url", "https://:443/path"]], "no host"],
  [[["url", "https://::1/path"]], "no host"],
  [[["url", "https://2001:db8::7/path"]], "url= has neither a name"],
  [[["url", "https://[::1/path"]], "url= has neither a name"],
  [[["url", "https://[::1]x/path"]], "url= has neither a name"],
  [[["url", "https://[fe80::1%25eth0]/path"]], "in brackets that is not an IPv6 address"],
  [[["url", "https://[pt.example]/path"]], "in brackets that is not an IPv6 address"],
  [[["url", "https://127.1/path"]], "neither a name nor an IP address"],
  [[["url", "https://0x7f000001/path"]], "neither a name nor an IP address"],
  [[["url", "https://127.0.0.01/path"]], "neither a name nor an IP address"],
  [[["url", "https://%6cocalhost/path"]], "neither a name nor an IP address"],
  [[["url", "https://a b/path"]], "neither a name nor an IP address"],
  [[["url", "https://a\r\nb/path"]], "neither a name nor an IP address"],
  [[["url", "https://ü\r\nb/path"]], "neither a name nor an IP address"],
  [[["url", "https://-a.example/path"]], "neither a name nor an IP address"],
  [[["url", "https://a-.example/path"]], "neither a name nor an IP address"],
  [[["url", "https://./path"]], "neither a name nor an IP address"],
  [[["url", `https://${"a".repeat(64)}.example/`]], "neither a name nor an IP address"],
  [[["url", "https://a..b/path"]], "neither a name nor an IP address"],
  [[["url", "https://１２７.1/path"]], "neither a name nor an IP address"],
  [[["url", `https://${"a.".repeat(127)}example/`]], "neither a name nor an IP address"],
  [[["url", "https://pt.example:0/"]], "the port of url="],
  [[["url", "https://pt.example:65536/"]], "the port of url="],
  [[["url", "https://pt.example:+1/"]], "the port of url="],
  [[["url", "https://pt.example/%zz"]], "url= has a %"],
  [[["url", "https://pt.example/%4"]], "url= has a %"],
  [[["url", U], ["addr", ""]], "addr= has no host"],
  [[["url", U], ["addr", "192.0.2.7"]], "addr= has no port"],
  [[["url", U], ["addr", "192.0.2.7:"]], "addr= has no port"],
  [[["url", U], ["addr", "192.0.2.7:0"]], "the port of addr="],
  [[["url", U], ["addr", "a/b:443"]], "addr= has neither"],
  [[["url", U], ["addr", "ü/b:443"]], "addr= has neither"],
  [[["url", U], ["addr", "ü@b:443"]], "addr= has neither"],
  [[["url", `https://${"a.".repeat(124)}example/`]], "neither a name nor an IP address"],
  [[["url", U], ["servername", "[::1]x"]], "servername= has neither"],
  [[["url", U], ["servername", ""]], "servername= has neither"],
  [[["url", U], ["servername", "a.example,"]], "servername= has neither"],
  [[["url", U], ["servername", "a.example, b.example"]], "servername= has neither"],
  [[["url", U], ["sni-imitation", "127.0.0.1"]], "cannot be sent as a name"],
  [[["url", U], ["sni-imitation", "[::1]"]], "cannot be sent as a name"],
  [[["url", U], ["sni-imitation", "a,b"]], "sni-imitation= has neither"],
  [[["url", U], ["cert-domain", "a b"]], "cert-domain= has neither"],
  [[["url", U], ["cert", ""]], "other than 32 bytes"],
  [[["url", U], ["cert", "AAAA"]], "other than 32 bytes"],
  [[["url", U], ["cert", PIN.replace("=", "")]], "not Base64"],
  [[["url", U], ["cert", `${PIN}!`]], "not Base64"],
  [[["url", U.replace("s", "")], ["cert", PIN]], "cert= needs a url="],
  [[["url", U.replace("s", "")], ["servername", "a.example"]], "servername= needs a url="],
  [[["url", U.replace("s", "")], ["sni-imitation", "a.example"]], "sni-imitation= needs a url="],
  [[["url", U.replace("s", "")], ["cert-domain", "a.example"]], "cert-domain= needs a url="],
];

for (const [args, words] of WRONG) {
  const line = JSON.stringify(args.map((pair) => pair.join("=")).join(" "));
  Deno.test(`readBridge() rejects ${line.slice(0, 80)}, and does not repeat it`, () => {
    const reading = () => readBridge(new URLSearchParams(args));
    const { message, failure, reply } = assertThrows(reading, WebTunnelError, words);
    assertEquals([failure, reply], ["bridge-line", 1]);
    for (const name of ["example", "127", "192", "db8"]) {
      assertEquals(message.includes(name), false);
    }
  });
}

Deno.test("readBridge() gives the cause of what is wrong with a pin", () => {
  const reading = () => readBridge(new URLSearchParams({ url: U, cert: "!" }));
  assertInstanceOf(assertThrows(reading, WebTunnelError).cause, SyntaxError);
});
