import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Address } from "../address.ts";
import { closeQuietly, DialError, type StreamConn, writeAll } from "../net/mod.ts";
import { SocksReplyError } from "../net/proxy.ts";
import { acceptTls, certificatePin } from "../net/tls.ts";
import { dialTransport, LaunchError } from "../parent/mod.ts";
import { checkCarries, launchPair, type Pair, withDirectory } from "./example_pair.ts";
import { bytes, takeText } from "./net/scripted_peer.ts";
import { readToEnd } from "../testing/mod.ts";
import {
  TEST_CERTIFICATE,
  TEST_CHAIN_CERTIFICATE,
  TEST_CHAIN_ISSUER,
  TEST_CHAIN_KEY,
  TEST_KEY,
} from "./net/test_certificates.ts";
import { permitted } from "./permitted.ts";

const TLS = { client: "tls.ts", server: "tls.ts", transport: "pinned" };

/** Where the client may connect to beside the bridge. */
const ELSEWHERE = "127.0.0.3";

const PIN = await certificatePin(TEST_CERTIFICATE);
const OTHER_PIN = await certificatePin(TEST_CHAIN_CERTIFICATE);

/** Puts certificate and key where the operator has them. */
async function install(directory: string, cert: string, key: string): Promise<void> {
  await Deno.mkdir(`${directory}/pinned`, { recursive: true });
  await Deno.writeTextFile(`${directory}/pinned/cert.pem`, cert);
  await Deno.writeTextFile(`${directory}/pinned/key.pem`, key);
}

/** The example on both sides, with options. */
async function launch(directory: string, options: [string, string][]): Promise<Pair> {
  const places = { "/etc/pinned": `${directory}/pinned` };
  return await launchPair({ ...TLS, options, places, elsewhere: ELSEWHERE, directory });
}

/** What the operator sets. */
function installed(directory: string): [cert: [string, string], key: [string, string]] {
  return [["cert", `${directory}/pinned/cert.pem`], ["key", `${directory}/pinned/key.pem`]];
}

/** A test with the example on both sides; the bridge has a certificate. */
function withPair(
  name: string,
  use: (pair: Pair, bridge: Address, directory: string) => Promise<void>,
  cert = TEST_CERTIFICATE,
  key = TEST_KEY,
): void {
  permitted(["net", "read", "write", "run"], name, () =>
    withDirectory(async (directory) => {
      await install(directory, cert, key);
      await using pair = await launch(directory, installed(directory));
      await use(pair, pair.server.methods["pinned"]!.address, directory);
    }));
}

/** The ends of a connection through client and bridge. */
async function connect({ client, arrival }: Pair, bridge: Address, pin: string) {
  const arriving = arrival();
  const user = await dialTransport(client.methods["pinned"]!, bridge, [["pin", pin]]);
  const { conn: service, transport } = await arriving;
  assertEquals(transport, "pinned");
  return { user, service, [Symbol.dispose]: () => [user, service].forEach(closeQuietly) };
}

/** How a client fails that has these arguments: what it logs. */
async function refusal({ client }: Pair, bridge: Address, args: [string, string][]) {
  const dialled = dialTransport(client.methods["pinned"]!, bridge, args);
  const { cause } = await assertRejects(() => dialled, DialError);
  assert(cause instanceof SocksReplyError);
  const reader = client.messages.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assert(value?.kind === "log");
  return value.message;
}

withPair(
  "tls.ts carries bytes with the permissions it names, to who has the pin that it publishes",
  async (pair, bridge) => {
    assertEquals([...pair.server.methods["pinned"]!.args], [["pin", PIN]]);
    using ends = await connect(pair, bridge, PIN);
    await checkCarries(ends.user, ends.service);
  },
);

const CHAIN = TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER;

withPair(
  "tls.ts pins a chain of certificates, too",
  async (pair, bridge) => {
    const pin = pair.server.methods["pinned"]!.args.get("pin")!;
    assertEquals(pin, await certificatePin(CHAIN));
    using ends = await connect(pair, bridge, pin);
    await writeAll(ends.user, bytes("words"));
    assertEquals(await takeText(ends.service, 5), "words");
  },
  CHAIN,
  TEST_CHAIN_KEY,
);

/** Everything that a client says in TLS to a bridge with another certificate. */
async function impostor(listener: Deno.TcpListener): Promise<Uint8Array> {
  let conn: StreamConn = await listener.accept();
  try {
    conn = await acceptTls(conn, { cert: TEST_CHAIN_CERTIFICATE, key: TEST_CHAIN_KEY });
    return await readToEnd(conn);
  } catch {
    return new Uint8Array(); // It may go as soon as it sees the certificate.
  } finally {
    closeQuietly(conn);
  }
}

withPair(
  "tls.ts says nothing to a bridge with another certificate than the pinned one",
  async (pair) => {
    using listener = Deno.listen({ hostname: ELSEWHERE, port: 0 });
    const bridge: Address = [ELSEWHERE, listener.addr.port];
    const heard = impostor(listener);
    const words = await refusal(pair, bridge, [["pin", PIN]]);
    assertStringIncludes(words, "pinned: no connection: The TLS server has another certificate");
    assertEquals((await heard).length, 0);
  },
);

withPair(
  "tls.ts refuses a bridge by another pin, and every bridge without one",
  async (pair, bridge) => {
    const another = "The TLS server has another certificate than the pinned one";
    const missing = "There is no pin=...: it stands at the end of the bridge line";
    const rows: [[string, string][], string][] = [
      [[["pin", OTHER_PIN]], another],
      [[["pin", PIN.toLowerCase()]], another],
      [[["pin", ""]], missing],
      [[], missing],
    ];
    for (const [args, words] of rows) {
      assertEquals(await refusal(pair, bridge, args), `pinned: no connection: ${words}`);
    }
  },
);

withPair(
  "tls.ts turns away who does not speak TLS, before tor hears of it",
  async (pair, bridge) => {
    const [hostname, port] = bridge;
    using prober = await Deno.connect({ hostname, port });
    await writeAll(prober, bytes("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
    // An alert of TLS may come.
    await readToEnd(prober).catch(() => {});
    using ends = await connect(pair, bridge, PIN);
    await writeAll(ends.user, bytes("the next"));
    assertEquals(await takeText(ends.service, 8), "the next");
  },
);

withPair(
  "tls.ts serves a certificate that was renewed while it runs",
  async (pair, bridge, directory) => {
    using before = await connect(pair, bridge, PIN);
    await install(directory, TEST_CHAIN_CERTIFICATE, TEST_CHAIN_KEY);
    using after = await connect(pair, bridge, OTHER_PIN);
    for (const { user, service } of [before, after]) {
      await writeAll(user, bytes("words"));
      assertEquals(await takeText(service, 5), "words");
    }
    assertStringIncludes(await refusal(pair, bridge, [["pin", PIN]]), "another certificate");
  },
);

permitted(
  ["net", "read", "write", "run"],
  "tls.ts starts no bridge without certificate and key, and names what is missing",
  () =>
    withDirectory(async (directory) => {
      await install(directory, TEST_CERTIFICATE, TEST_KEY);
      const [cert, key] = installed(directory);
      const nowhere = `${directory}/pinned/nowhere.pem`;
      const rows: [[string, string][], string][] = [
        [[cert], "There is no key=/path/to/key.pem in ServerTransportOptions"],
        [[key], "There is no cert=/path/to/cert.pem in ServerTransportOptions"],
        [[key, ["cert", ""]], "There is no cert=/path/to/cert.pem in ServerTransportOptions"],
        [[cert, ["key", nowhere]], "nowhere.pem"],
        [[key, ["cert", nowhere]], "nowhere.pem"],
        [[key, ["cert", key[1]]], "There is no certificate in PEM in the text"],
        [[cert, ["key", `${directory}/elsewhere.pem`]], "elsewhere.pem"],
      ];
      await Promise.all(rows.map(async ([options, words]) => {
        const error = await assertRejects(() => launch(directory, options), LaunchError);
        assertEquals(error.reason, "no-method");
        assertStringIncludes(error.message, "pinned: ");
        assertStringIncludes(error.message, words);
      }));
    }),
);
