import { assertEquals, assertRejects } from "@std/assert";
import type { ProxyInfo } from "../../config.ts";
import type { StreamConn } from "../../net/mod.ts";
import { askProxy } from "../../net/proxy.ts";

/** A connection on which nothing may be said. */
const mute: StreamConn = {
  read: () => Promise.resolve(null),
  write: () => Promise.reject(new Error("something was written")),
  closeWrite: () => Promise.resolve(),
  close: () => {},
};

const at = { host: "192.0.2.8", port: 1080 } as const;

const UNUSABLE: readonly [what: string, proxy: ProxyInfo, message: string][] = [
  [
    "a password for socks4a",
    { scheme: "socks4a", ...at, user: "me", password: "secret" },
    "socks4a knows no password",
  ],
  ["a NUL in the user id of socks4a", { scheme: "socks4a", ...at, user: "m\0e" }, "a NUL byte"],
  [
    "a user without a password for socks5",
    { scheme: "socks5", ...at, user: "me" },
    "The password has 0 bytes",
  ],
  [
    "a user of 256 bytes for socks5",
    { scheme: "socks5", ...at, user: "é".repeat(128), password: "secret" },
    "The user name has 256 bytes",
  ],
  ["a colon in the user's name for http", { scheme: "http", ...at, user: "m:e" }, "no colon"],
  // What no compiler has seen may come from a configuration of the author's own.
  [
    "an unknown scheme",
    JSON.parse('{ "scheme": "socks5h", "host": "192.0.2.8", "port": 1080 }'),
    "The scheme of an upstream proxy is http, socks4a or socks5",
  ],
];

for (const [what, proxy, message] of UNUSABLE) {
  Deno.test(`askProxy() says nothing to the proxy with ${what}`, async () => {
    await assertRejects(() => askProxy(mute, proxy, ["192.0.2.7", 443]), TypeError, message);
  });
}

Deno.test("askProxy() sends a user without a password to an HTTP proxy", async () => {
  let said = "";
  const conn: StreamConn = {
    ...mute,
    write(p) {
      said += new TextDecoder().decode(p);
      return Promise.resolve(p.length);
    },
  };
  const proxy: ProxyInfo = { scheme: "http", ...at, user: "me" };
  await assertRejects(() => askProxy(conn, proxy, ["192.0.2.7", 443]), Deno.errors.UnexpectedEof);
  assertEquals(/^Proxy-Authorization: Basic (.*)\r$/m.exec(said)?.[1], btoa("me:"));
});
