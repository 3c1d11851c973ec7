import { assertRejects } from "@std/assert";
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

const UNUSABLE: readonly [what: string, proxy: ProxyInfo][] = [
  ["a password for socks4a", { scheme: "socks4a", ...at, user: "me", password: "secret" }],
  ["a NUL in the user id of socks4a", { scheme: "socks4a", ...at, user: "m\0e" }],
  ["a user without a password for socks5", { scheme: "socks5", ...at, user: "me" }],
  ["a user of 256 bytes for socks5", {
    scheme: "socks5",
    ...at,
    user: "é".repeat(128),
    password: "secret",
  }],
  ["a colon in the user's name for http", { scheme: "http", ...at, user: "m:e" }],
  // What no compiler has seen may come from a configuration of the author's own.
  ["an unknown scheme", JSON.parse('{ "scheme": "socks5h", "host": "192.0.2.8", "port": 1080 }')],
];

for (const [what, proxy] of UNUSABLE) {
  Deno.test(`askProxy() says nothing to the proxy with ${what}`, async () => {
    await assertRejects(() => askProxy(mute, proxy, ["192.0.2.7", 443]), TypeError);
  });
}
