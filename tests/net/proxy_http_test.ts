import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Address } from "../../address.ts";
import { HeadError } from "../../net/mod.ts";
import { connectHttp, HttpConnectError, type HttpCredentials } from "../../net/proxy.ts";
import { permitted } from "../permitted.ts";
import { bytes, dribble, takeText } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";

const TARGET: Address = ["192.0.2.7", 443];
const REQUEST = "CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n";

/** Sends `head` as a proxy's reply and gives what `connectHttp()` makes of it. */
async function answered(head: string, target = TARGET): Promise<void> {
  using pair = await tcpPair();
  const connected = connectHttp(pair.client, target);
  // The handler must be there before the rejection.
  connected.catch(() => {});
  await pair.server.write(bytes(head));
  await pair.server.closeWrite();
  await connected;
}

const REQUESTS: readonly [
  what: string,
  target: Address,
  credentials: HttpCredentials | undefined,
  request: string,
][] = [
  ["an IPv4 address", TARGET, undefined, REQUEST],
  [
    "an IPv6 address in brackets",
    ["2001:db8::1", 80],
    undefined,
    "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
  ],
  [
    "a name as a name",
    ["bridge.example", 443],
    undefined,
    "CONNECT bridge.example:443 HTTP/1.1\r\nHost: bridge.example:443\r\n\r\n",
  ],
  [
    "user and password in UTF-8",
    ["bridge.example", 443],
    { user: "me", password: "pä:ss" },
    "CONNECT bridge.example:443 HTTP/1.1\r\nHost: bridge.example:443\r\n" +
    "Proxy-Authorization: Basic bWU6cMOkOnNz\r\n\r\n",
  ],
  [
    "a user without a password",
    ["bridge.example", 443],
    { user: "me", password: "" },
    "CONNECT bridge.example:443 HTTP/1.1\r\nHost: bridge.example:443\r\n" +
    "Proxy-Authorization: Basic bWU6\r\n\r\n",
  ],
];

for (const [what, target, credentials, request] of REQUESTS) {
  permitted(["net"], `connectHttp() sends ${what}`, async () => {
    using pair = await tcpPair();
    const connected = connectHttp(pair.client, target, credentials);
    assertEquals(await takeText(pair.server, request.length), request);
    await pair.server.write(bytes("HTTP/1.1 200 OK\r\n\r\n"));
    await connected;
    pair.client.closeWrite();
    assertEquals((await readToEnd(pair.server)).length, 0);
  });
}

const GRANTS: readonly [what: string, head: string][] = [
  ["200 of HTTP/1.1", "HTTP/1.1 200 Connection established\r\n\r\n"],
  ["200 of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"],
  ["200 without a reason", "HTTP/1.1 200\r\n\r\n"],
  ["200 with an empty reason", "HTTP/1.1 200 \r\n\r\n"],
  ["any other 2xx", "HTTP/1.1 299 Fine\r\n\r\n"],
  ["header fields, a length among them", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n"],
  ["lines that end in LF alone", "HTTP/1.1 200 OK\nX: y\n\n"],
  ["100 and then 200", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
];

for (const [what, head] of GRANTS) {
  permitted(["net"], `connectHttp() takes ${what} and leaves early data alone`, async () => {
    using pair = await tcpPair();
    const connected = connectHttp(pair.client, TARGET);
    await takeText(pair.server, REQUEST.length);
    await pair.server.write(bytes(`${head}\r\nearly`));
    await connected;
    assertEquals(await takeText(pair.client, 7), "\r\nearly");
  });
}

permitted(["net"], "connectHttp() takes a reply that comes byte by byte", async () => {
  using pair = await tcpPair();
  const connected = connectHttp(pair.client, TARGET);
  await dribble(pair.server, bytes("HTTP/1.1 200 OK\r\nVia: somebody\r\n\r\nearly"));
  await connected;
  assertEquals(await takeText(pair.client, 5), "early");
});

const REFUSALS: readonly [head: string, status: number, message: string][] = [
  ["HTTP/1.1 403 Forbidden\r\n\r\n", 403, "The HTTP proxy replied: 403 Forbidden"],
  [
    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno",
    407,
    "The HTTP proxy replied: 407 Proxy Authentication Required",
  ],
  ["HTTP/1.0 500\r\n\r\n", 500, "The HTTP proxy replied: 500"],
  ["HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", 301, "The HTTP proxy replied: 301 Moved"],
  [
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    101,
    "The HTTP proxy replied: 101 Switching Protocols",
  ],
  [
    "HTTP/1.1 502 \x1b[31m\tn\xf6\r\n\r\n",
    502,
    "The HTTP proxy replied: 502 ?[31m?n??",
  ],
  [
    "HTTP/1.1 503 No way to 192.0.2.7:443\r\n\r\n",
    503,
    "The HTTP proxy replied: 503 No way to [scrubbed]",
  ],
];

for (const [head, status, message] of REFUSALS) {
  permitted(
    ["net"],
    `connectHttp() says what a proxy that refuses with ${status} said`,
    async () => {
      const error = await assertRejects(() => answered(head), HttpConnectError);
      assertEquals(error.message, message);
      assertEquals(error.status, status);
    },
  );
}

permitted(["net"], "connectHttp() repeats no name that the proxy gives back", async () => {
  const head = "HTTP/1.1 502 Cannot resolve bridge.example!\r\n\r\n";
  const error = await assertRejects(
    () => answered(head, ["bridge.example", 443]),
    HttpConnectError,
  );
  assertEquals(error.message, "The HTTP proxy replied: 502 Cannot resolve [scrubbed]!");
});

permitted(["net"], "connectHttp() cuts a long reason short", async () => {
  const head = `HTTP/1.1 500 ${"x".repeat(5_000)}\r\n\r\n`;
  const error = await assertRejects(() => answered(head), HttpConnectError);
  assert(error.message.length < 300);
});

const NONSENSE: readonly [what: string, head: string][] = [
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
  ["HTTP/2", "HTTP/2 200\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
  ["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n"],
];

for (const [what, head] of NONSENSE) {
  permitted(["net"], `connectHttp() rejects ${what}`, async () => {
    await assertRejects(
      () => answered(head),
      Deno.errors.InvalidData,
      "The proxy does not speak HTTP/1.1",
    );
  });
}

permitted(["net"], "connectHttp() rejects a head that does not end", async () => {
  using pair = await tcpPair();
  const connected = connectHttp(pair.client, TARGET);
  const endless = async () => {
    await pair.server.write(bytes("HTTP/1.1 200 OK\r\n"));
    await pair.server.write(bytes("X: y\r\n".repeat(3_000)));
  };
  const [error] = await Promise.all([
    assertRejects(() => connected, Deno.errors.InvalidData),
    endless(),
  ]);
  assertStringIncludes(error.message, "16384 bytes");
});

permitted(["net"], "connectHttp() rejects a proxy that announces a reply for ever", async () => {
  const announced = "HTTP/1.1 100 Continue\r\n\r\n";
  await answered(`${announced.repeat(16)}HTTP/1.1 200 OK\r\n\r\n`);
  await assertRejects(
    () => answered(`${announced.repeat(17)}HTTP/1.1 200 OK\r\n\r\n`),
    Deno.errors.InvalidData,
    "for ever",
  );
});

permitted(["net"], "connectHttp() rejects when the proxy hangs up in mid-head", async () => {
  for (const head of ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r"]) {
    const error = await assertRejects(() => answered(head), Deno.errors.UnexpectedEof);
    assertInstanceOf(error.cause, HeadError);
  }
});

const NAME = "The target's name cannot be written into an HTTP request";
const PORT = "The port must be a whole number from 1 to 65535";

const UNWRITABLE: readonly [
  what: string,
  message: string,
  target: Address,
  credentials?: HttpCredentials,
][] = [
  ["a name with a line break", NAME, ["a\r\nX: y", 80]],
  ["a name with a space", NAME, ["a b", 80]],
  ["a name with a slash", NAME, ["a/b", 80]],
  ["a name with a colon", NAME, ["a:1", 80]],
  ["a name outside of ASCII", NAME, ["é.example", 80]],
  ["an empty name", NAME, ["", 80]],
  ["port 0", PORT, ["192.0.2.7", 0]],
  ["a port above 65535", PORT, ["192.0.2.7", 65536]],
  ["a port that is no whole number", PORT, ["192.0.2.7", 80.5]],
  [
    "a colon in the user's name",
    "HTTP knows no colon in a user's name",
    ["a", 80],
    { user: "a:b", password: "" },
  ],
];

for (const [what, message, target, credentials] of UNWRITABLE) {
  Deno.test(`connectHttp() writes nothing for ${what}`, async () => {
    const conn = {
      read: () => Promise.resolve(null),
      write: () => Promise.reject(new Error("something was written")),
      closeWrite: () => Promise.resolve(),
      close: () => {},
    };
    await assertRejects(() => connectHttp(conn, target, credentials), TypeError, message);
  });
}
