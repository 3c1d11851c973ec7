/**
 * Every MUST that the table in README.md holds against somebody, seen without the checker: each
 * recipe below is what one would do by hand, with nothing but processes and sockets.
 *
 *     deno task check:reproduce
 *
 * It prints a line for each and what it saw. The status is 0 when all of them are true.
 */

import { freePort } from "../../testing/free_port.ts";
import { peer, peerMissing, type PeerName } from "../interop/peers.ts";

const README = new URL("../../README.md", import.meta.url);
const UNKNOWN = "no_such_transport";
const PAYLOAD = "payload";
const WAIT = 10_000;

/** A program of the table, by the name that it has there. */
interface Subject {
  readonly peer: PeerName;
  readonly transport: string;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  "goptlib, dummy-client dummy client": { peer: "goptlib-dummy-client", transport: "dummy" },
  "goptlib, dummy-server dummy server": { peer: "goptlib-dummy-server", transport: "dummy" },
  "obfs4proxy obfs4 client": { peer: "obfs4proxy", transport: "obfs4" },
  "obfs4proxy obfs4 server": { peer: "obfs4proxy", transport: "obfs4" },
  "lyrebird obfs4 client": { peer: "lyrebird", transport: "obfs4" },
  "lyrebird obfs4 server": { peer: "lyrebird", transport: "obfs4" },
  "lyrebird webtunnel client": { peer: "lyrebird", transport: "webtunnel" },
  "webtunnel-client webtunnel client": { peer: "webtunnel-client", transport: "webtunnel" },
  "webtunnel-server webtunnel server": { peer: "webtunnel-server", transport: "webtunnel" },
  "snowflake-client snowflake client": { peer: "snowflake-client", transport: "snowflake" },
};

/** What was seen, and whether it is what the table says. */
type Sight = [isTrue: boolean, seen: string];

// Processes

/** A transport that runs, until it is disposed of. */
class Transport implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  text = "";

  constructor(command: string, environment: Record<string, string>) {
    this.#child = new Deno.Command(command, {
      env: {
        TOR_PT_MANAGED_TRANSPORT_VER: "1",
        TOR_PT_STATE_LOCATION: Deno.makeTempDirSync(),
        TOR_PT_EXIT_ON_STDIN_CLOSE: "1",
        ...environment,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads its stdout until a line of a kind, its end, or time is up. */
  async until(pattern: RegExp): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), WAIT);
    while (!pattern.test(this.text)) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.text += value;
    }
    clearTimeout(timer);
  }

  /** What a line of it says. */
  get(pattern: RegExp): string {
    const found = pattern.exec(this.text)?.[1];
    if (found === undefined) throw new Error(`it says ${JSON.stringify(this.text)}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#reader.cancel();
    await this.#child.stdin.close().catch(() => {});
  }
}

const START_OVER = /^(?:[CS]METHODS DONE|(?:ENV|PROXY)-ERROR .*)$/m;

/** Everything that a client says in its start. */
async function clientSays(
  command: string,
  environment: Record<string, string>,
): Promise<string> {
  await using client = new Transport(command, environment);
  await client.until(START_OVER);
  return client.text;
}

async function unknownName(command: string): Promise<Sight> {
  const said = await clientSays(command, { TOR_PT_CLIENT_TRANSPORTS: UNKNOWN });
  return [new RegExp(`^CMETHOD-ERROR ${UNKNOWN} `, "m").test(said), said];
}

/** Whether a server that knows none of the transports never comes to an end of its start. */
async function noEnd(command: string): Promise<Sight> {
  await using server = new Transport(command, {
    TOR_PT_SERVER_TRANSPORTS: UNKNOWN,
    TOR_PT_SERVER_BINDADDR: `${UNKNOWN}-127.0.0.1:0`,
    TOR_PT_ORPORT: `127.0.0.1:${freePort()}`,
  });
  await server.until(START_OVER);
  return [!/^SMETHODS DONE$/m.test(server.text), server.text];
}

/** Whether a client that has a word for a whole proxy has none for one that lacks something. */
function badProxy(uri: string) {
  return async (command: string, transport: string): Promise<Sight> => {
    const saysOf = (proxy: string) =>
      clientSays(command, { TOR_PT_CLIENT_TRANSPORTS: transport, TOR_PT_PROXY: proxy });
    const ofWhole = await saysOf("socks5://127.0.0.1:1080");
    if (!/^PROXY(?: DONE$|-ERROR )/m.test(ofWhole)) {
      return [false, `of a whole one it says nothing either: ${ofWhole}`];
    }
    const said = await saysOf(uri);
    return [!/^PROXY-ERROR /m.test(said), said];
  };
}

// Connections

async function receive(conn: Deno.Conn, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let have = 0; have < count;) {
    const more = await conn.read(bytes.subarray(have));
    if (more === null) throw new Error(`it closes the connection after ${have} bytes`);
    have += more;
  }
  return bytes;
}

async function send(conn: Deno.Conn, ...bytes: readonly number[]): Promise<void> {
  await conn.write(Uint8Array.from(bytes));
}

function text(words: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(words);
}

async function connect(address: string): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port: Number(address.split(":").at(-1)) });
}

// The Extended ORPort, as tor has it

const COOKIE = crypto.getRandomValues(new Uint8Array(32));

async function proof(direction: string, nonces: readonly number[]): Promise<Uint8Array> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", COOKIE, hmac, false, ["sign"]);
  const words = text(`ExtORPort authentication ${direction} hash`);
  const signed = Uint8Array.from([...words, ...nonces]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, signed));
}

/** Lets a server in, after a message that comes before OKAY where there is one. */
async function admit(conn: Deno.Conn, before: readonly number[]): Promise<void> {
  await send(conn, 1, 0);
  await receive(conn, 1);
  const theirs = await receive(conn, 32);
  const nonces = [...theirs, ...theirs];
  await send(conn, ...await proof("server-to-client", nonces), ...theirs);
  await receive(conn, 32);
  await send(conn, 1);
  for (let code = -1; code !== 0;) {
    const [high = 0, low = 0, longer = 0, length = 0] = await receive(conn, 4);
    code = high << 8 | low;
    await receive(conn, longer << 8 | length);
  }
  await send(conn, ...before, 0x10, 0, 0, 0);
}

/** Starts a server, and a user that says something to it; resolves to what arrives. */
async function through(
  command: string,
  transport: string,
  before: readonly number[],
): Promise<string> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cookieFile = await Deno.makeTempFile();
  await Deno.writeFile(
    cookieFile,
    [text("! Extended ORPort Auth Cookie !\n"), COOKIE].reduce(
      (all, part) => Uint8Array.from([...all, ...part]),
      new Uint8Array(),
    ),
  );
  const bind = `127.0.0.1:${transport === "webtunnel" ? freePort() : 0}`;
  await using server = new Transport(command, {
    TOR_PT_SERVER_TRANSPORTS: transport,
    TOR_PT_SERVER_BINDADDR: `${transport}-${bind}`,
    TOR_PT_EXTENDED_SERVER_PORT: `127.0.0.1:${listener.addr.port}`,
    TOR_PT_AUTH_COOKIE_FILE: cookieFile,
    ...transport === "webtunnel" &&
      { TOR_PT_SERVER_TRANSPORT_OPTIONS: `webtunnel:url=http\\://${bind.replace(":", "\\:")}/s` },
  });
  await server.until(START_OVER);
  const published = transport === "webtunnel" ? bind : server.get(/^SMETHOD \S+ (\S+)/m);
  await using client = transport === "obfs4"
    ? new Transport(command, { TOR_PT_CLIENT_TRANSPORTS: transport })
    : null;
  await client?.until(START_OVER);
  const socks = client?.get(/^CMETHOD \S+ socks5 (\S+)/m);
  using user = await connect(socks ?? published);
  const speaking = speak(user, transport, published, server.text);
  using conn = await listener.accept();
  await admit(conn, before);
  await speaking;
  return new TextDecoder().decode(await receive(conn, PAYLOAD.length));
}

/** A user of a server: directly, by an HTTP upgrade, or through the client of obfs4. */
async function speak(user: Deno.Conn, transport: string, published: string, said: string) {
  if (transport === "webtunnel") {
    const head = `GET /s HTTP/1.1\r\nHost: ${published}\r\nConnection: upgrade\r\n`;
    await user.write(text(`${head}Upgrade: websocket\r\n\r\n`));
    for (let got = ""; !got.endsWith("\r\n\r\n");) {
      got += String.fromCharCode(...await receive(user, 1));
    }
  } else if (transport === "obfs4") {
    const args = text((/ ARGS:(\S+)/.exec(said)?.[1] ?? "").replaceAll(",", ";"));
    const port = Number(published.split(":")[1]);
    await send(user, 5, 1, 2);
    await receive(user, 2);
    await send(user, 1, args.length, ...args, 1, 0);
    await receive(user, 2);
    await send(user, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255);
    await receive(user, 10);
  }
  await user.write(text(PAYLOAD));
}

/** Whether a message before OKAY ends a connection that works without it. */
function messageBefore(...message: readonly number[]) {
  return async (command: string, transport: string): Promise<Sight> => {
    const plain = await through(command, transport, []);
    if (plain !== PAYLOAD) return [false, "a plain OKAY does not work either"];
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => timeout.reject(new Error("nothing arrives")), WAIT);
    try {
      await Promise.race([through(command, transport, message), timeout.promise]);
      return [false, "the payload arrives"];
    } catch (error) {
      return [true, error instanceof Error ? error.message : String(error)];
    } finally {
      clearTimeout(timer);
    }
  };
}

const RECIPES: Readonly<Record<string, (command: string, transport: string) => Promise<Sight>>> = {
  "name-unknown-silent": unknownName,
  "name-unknown-done": noEnd,
  "proxy-no-scheme": badProxy("127.0.0.1:1080"),
  "proxy-no-port": badProxy("socks5://127.0.0.1"),
  "ext-unknown": messageBefore(0x2a, 0xbc, 0, 3, 1, 2, 3),
  "ext-control": messageBefore(0x10, 0x02, 0, 0),
};

/** The programs of the table, each with the MUSTs that are held against it. */
async function accusations(): Promise<[name: string, ids: string[]][]> {
  const rows = (await Deno.readTextFile(README)).split("<!-- check:table -->")[1]?.split("\n") ??
    [];
  return rows.flatMap((row): [string, string[]][] => {
    const [, program = "", half = "", , must = ""] = row.split("|").map((cell) => cell.trim());
    if (!/^\d+: /.test(must)) return [];
    const ids = must.replace(/^\d+: /, "").split(/, | \+ /);
    return [[`${program.replace(/ [\d.]+$/, "")} ${half}`, ids]];
  });
}

let wrong = 0;
for (const [name, ids] of await accusations()) {
  const subject = SUBJECTS[name];
  const command = subject === undefined ? null : await peer(subject.peer);
  if (subject === undefined || command === null) {
    console.log(
      `skip ${name}: ${subject === undefined ? "it is not known here" : peerMissing(subject.peer)}`,
    );
    continue;
  }
  for (const id of ids) {
    const recipe = RECIPES[id];
    const [isTrue, seen]: Sight = recipe === undefined
      ? [false, "there is no recipe"]
      : await recipe(command, subject.transport).catch((error): Sight => [false, String(error)]);
    if (!isTrue) wrong++;
    console.log(`${isTrue ? "true" : "FAIL"} ${name}: ${id}: ${JSON.stringify(seen)}`);
  }
}
Deno.exit(wrong === 0 ? 0 : 1);
