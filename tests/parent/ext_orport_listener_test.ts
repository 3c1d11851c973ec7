import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { dialOr, ExtOrPortError, readFull, writeAll } from "../../net/mod.ts";
import { type ExtOrPortClient, type ExtOrPortListener, listenExtOrPort } from "../../parent/mod.ts";
import { permitted } from "../permitted.ts";

const utf8 = new TextEncoder();

/** What a server transport knows of a listener. */
function info({ address, cookieFile }: ExtOrPortListener) {
  return { orport: null, ext_orport: address, auth_cookie_file: cookieFile };
}

async function connect({ address: [hostname, port] }: ExtOrPortListener): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}

/** The next client of a listener, with its connection. */
async function next(listener: ExtOrPortListener) {
  const { value } = await listener[Symbol.asyncIterator]().next();
  if (value === undefined) throw new Error("the listener has ended");
  return value;
}

/** Authenticates by hand with the cookie of the file, or with a wrong one. */
async function authenticate(listener: ExtOrPortListener, conn: Deno.TcpConn, wrong = false) {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const cookie = (await Deno.readFile(listener.cookieFile)).slice(32);
  if (wrong) cookie[31]! ^= 1;
  const key = await crypto.subtle.importKey("raw", cookie, hmac, false, ["sign", "verify"]);
  assertEquals([...await readFull(conn, new Uint8Array(2))], [1, 0]);
  const clientNonce = crypto.getRandomValues(new Uint8Array(32));
  await writeAll(conn, Uint8Array.of(1, ...clientNonce));
  const serverHash = await readFull(conn, new Uint8Array(32));
  const serverNonce = await readFull(conn, new Uint8Array(32));
  const text = (direction: string) =>
    Uint8Array.of(
      ...utf8.encode(`ExtORPort authentication ${direction} hash`),
      ...clientNonce,
      ...serverNonce,
    );
  assertEquals(await crypto.subtle.verify(hmac, key, serverHash, text("server-to-client")), !wrong);
  const answer = await crypto.subtle.sign(hmac, key, text("client-to-server"));
  await writeAll(conn, new Uint8Array(answer));
  return (await readFull(conn, new Uint8Array(1)))[0];
}

function command(code: number, body: string | Uint8Array = ""): Uint8Array {
  const bytes = typeof body === "string" ? utf8.encode(body) : body;
  return Uint8Array.of(code >> 8, code & 255, bytes.length >> 8, bytes.length & 255, ...bytes);
}

/** Resolves when the peer has closed. */
async function closed(conn: Deno.TcpConn): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(64)) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

permitted(
  ["net", "read", "write"],
  "listenExtOrPort() hands out a connection with address and transport",
  async () => {
    await using listener = await listenExtOrPort();
    const dialled = dialOr(info(listener), {
      transport: "obfs4",
      clientAddress: ["2001:db8::1", 5678],
    });
    const { conn, clientAddress, transport } = await next(listener);
    using _server = conn;
    const client = await dialled;
    assertEquals([clientAddress, transport], [["2001:db8::1", 5678], "obfs4"]);
    await client.write(Uint8Array.of(42));
    assertEquals([...await readFull(conn, new Uint8Array(1))], [42]);
    client.close();
  },
);

permitted(
  ["net", "read", "write"],
  "listenExtOrPort() skips unknown commands and leaves what follows DONE unread",
  async () => {
    await using listener = await listenExtOrPort();
    const served = next(listener);
    using peer = await connect(listener);
    assertEquals(await authenticate(listener, peer), 1);
    const commands = [command(0x77, new Uint8Array(65535)), command(0x1002), command(0)];
    for (const bytes of commands) await writeAll(peer, bytes);
    assertEquals([...await readFull(peer, new Uint8Array(4))], [0x10, 0, 0, 0]);
    const { conn, clientAddress, transport } = await served;
    using _server = conn;
    assertEquals([clientAddress, transport], [null, null]);
    await writeAll(peer, utf8.encode("early"));
    assertEquals([...await readFull(conn, new Uint8Array(5))], [...utf8.encode("early")]);
  },
);

permitted(
  ["net", "read", "write"],
  "listenExtOrPort() closes a peer whose commands do not end",
  async () => {
    await using listener = await listenExtOrPort();
    const served = next(listener);
    using peer = await connect(listener);
    assertEquals(await authenticate(listener, peer), 1);
    for (let i = 0; i < 64; i++) await writeAll(peer, command(0x77));
    assertEquals(await peer.read(new Uint8Array(1)).catch(() => null), null);
    (await dialOr(info(listener), { transport: "obfs4" })).close();
    (await served).conn.close();
  },
);

permitted(
  ["net", "read", "write"],
  "listenExtOrPort() denies whom `authorize` does not want, also by throwing",
  async () => {
    const asked: (string | null)[] = [];
    await using listener = await listenExtOrPort({
      authorize: ({ transport }: ExtOrPortClient) => {
        asked.push(transport);
        if (transport === "throws") throw new Error("no");
        return Promise.resolve(transport === "good");
      },
    });
    const served = next(listener);
    for (const transport of ["bad", "throws"]) {
      await assertRejects(() => dialOr(info(listener), { transport }), ExtOrPortError, "denied");
    }
    (await dialOr(info(listener), { transport: "good" })).close();
    const { conn, transport } = await served;
    conn.close();
    assertEquals([transport, ...asked], ["good", "bad", "throws", "good"]);
  },
);

permitted(
  ["net", "read", "write"],
  "listenExtOrPort() closes whoever breaks the protocol, and serves the rest",
  async () => {
    await using listener = await listenExtOrPort();
    const served = next(listener);

    using noCookie = await connect(listener);
    assertEquals(await authenticate(listener, noCookie, true), 0);
    // Whatever it says now, it is not let in.
    await writeAll(noCookie, command(0)).catch(() => {});
    assertEquals(await noCookie.read(new Uint8Array(4)).catch(() => null), null);

    using otherAuth = await connect(listener);
    await writeAll(otherAuth, Uint8Array.of(2));
    await closed(otherAuth);

    for (
      const bad of [command(1, "localhost:1"), command(1, ""), command(2, "a b"), command(2, "")]
    ) {
      using peer = await connect(listener);
      await authenticate(listener, peer);
      await writeAll(peer, bad);
      await closed(peer);
    }

    using _silent = await connect(listener);
    using halfway = await connect(listener);
    await authenticate(listener, halfway);
    (await dialOr(info(listener), { transport: "a" })).close();
    (await served).conn.close();
  },
);

permitted(
  ["net", "read", "write"],
  "ExtOrPortListener.close() removes the cookie, which only its owner can read",
  async () => {
    const first = await listenExtOrPort();
    const end = new AbortController();
    const second = await listenExtOrPort({ signal: end.signal });
    const cookies = await Promise.all([first, second].map((l) => Deno.readFile(l.cookieFile)));
    assertEquals(cookies.map((cookie) => cookie.length), [64, 64]);
    assertNotEquals(cookies[0], cookies[1]);
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(first.cookieFile)).mode! & 0o777, 0o600);
      const directory = first.cookieFile.replace(/\/[^/]*$/, "");
      assertEquals((await Deno.stat(directory)).mode! & 0o777, 0o700);
    }
    await first.close();
    await first.close();
    end.abort();
    await second.close();
    for (const listener of [first, second]) {
      await assertRejects(() => Deno.stat(listener.cookieFile), Deno.errors.NotFound);
      await assertRejects(() => connect(listener), Deno.errors.ConnectionRefused);
    }
  },
);

permitted(
  ["net", "read", "write"],
  "ExtOrPortListener.close() does not mind that its temporary files are gone",
  async () => {
    const listener = await listenExtOrPort();
    await Deno.remove(listener.cookieFile.replace(/\/[^/]*$/, ""), { recursive: true });
    await listener.close();
  },
);

permitted(
  ["net", "read", "write"],
  "ExtOrPortListener ends what is half done when its iteration ends",
  async () => {
    await using listener = await listenExtOrPort();
    using silent = await connect(listener);
    const dialled = dialOr(info(listener), { transport: "a" });
    for await (const { conn } of listener) {
      conn.close();
      break;
    }
    (await dialled).close();
    await closed(silent);
  },
);
