import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import type { Address } from "../address.ts";
import { closeQuietly, DialError, readFull, writeAll } from "../net/mod.ts";
import { SocksReplyError } from "../net/proxy.ts";
import { dialTransport } from "../parent/mod.ts";
import { launchPair, type Pair, withDirectory } from "./example_pair.ts";
import { permitted } from "./permitted.ts";

const SECRET = { client: "secret.ts", server: "secret.ts", transport: "secret" };

/** Where the client may connect to beside the bridge. */
const ELSEWHERE = "127.0.0.3";

/** A test with the example on both sides; the bridge has the options given. */
function withPair(
  name: string,
  options: [string, string][],
  use: (pair: Pair, bridge: Address, directory: string) => Promise<void>,
): void {
  permitted(["net", "read", "write", "run"], name, () =>
    withDirectory(async (directory) => {
      await using pair = await launchPair({ ...SECRET, options, elsewhere: ELSEWHERE, directory });
      await use(pair, pair.server.methods["secret"]!.address, directory);
    }));
}

/** Somebody between client and bridge, who cuts what passes into small pieces and notes it. */
class Middle implements Disposable {
  readonly address: Address;
  readonly up: number[] = [];
  readonly down: number[] = [];
  readonly #listener = Deno.listen({ hostname: ELSEWHERE, port: 0 });
  readonly #conns: Deno.Conn[] = [];

  constructor(bridge: Address) {
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
    this.#serve(bridge).catch(() => this[Symbol.dispose]()); // Its end interrupts what waits.
  }

  async #serve([hostname, port]: Address): Promise<void> {
    const client = await this.#listener.accept();
    const bridge = await Deno.connect({ hostname, port });
    this.#conns.push(client, bridge);
    await Promise.all([this.#pass(client, bridge, this.up), this.#pass(bridge, client, this.down)]);
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, seen: number[]): Promise<void> {
    const buffer = new Uint8Array(13);
    for (let count; (count = await from.read(buffer)) !== null;) {
      seen.push(...buffer.subarray(0, count));
      await writeAll(to, buffer.subarray(0, count));
    }
    await to.closeWrite();
  }

  [Symbol.dispose](): void {
    [this.#listener, ...this.#conns].forEach(closeQuietly);
  }
}

/** The ends of a connection through client, `via` and bridge. */
async function connect({ client, server, arrival }: Pair, via: Address) {
  const arriving = arrival();
  const user = await dialTransport(client.methods["secret"]!, via, server.methods["secret"]!.args);
  return { user, service: (await arriving).conn };
}

/** How a client fails that has these arguments: the SOCKS reply. */
async function refusal({ client }: Pair, bridge: Address, args: [string, string][]) {
  const dialled = dialTransport(client.methods["secret"]!, bridge, args);
  const { cause } = await assertRejects(() => dialled, DialError);
  assert(cause instanceof SocksReplyError);
  return cause.code;
}

const PLAIN = new TextEncoder().encode("These words are the same each time. ".repeat(30));

withPair(
  "secret.ts encrypts both ways, in any pieces, and differently each time",
  [["secret", "swordfish"]],
  async (pair, bridge) => {
    const seen: string[] = [];
    for (let i = 0; i < 2; i++) {
      using middle = new Middle(bridge);
      const { user, service } = await connect(pair, middle.address);
      using _user = user;
      using _service = service;
      await Promise.all([
        writeAll(user, PLAIN.slice()),
        writeAll(service, PLAIN.slice()),
      ]);
      assertEquals(await readFull(service, new Uint8Array(PLAIN.length)), PLAIN);
      assertEquals(await readFull(user, new Uint8Array(PLAIN.length)), PLAIN);
      // In front of them stand a nonce and a proof.
      const lengths = [middle.up.length, middle.down.length];
      assertEquals(lengths, [64 + PLAIN.length, 64 + PLAIN.length]);
      seen.push(...[middle.up, middle.down].map((bytes) => String.fromCharCode(...bytes)));
    }
    for (const text of seen) assert(!text.includes("words"));
    for (const part of [[0, 32], [32, 64], [64, undefined]] as const) {
      const parts = seen.map((text) => text.slice(...part));
      assertEquals(new Set(parts).size, 4);
    }
  },
);

withPair(
  "secret.ts turns away who does not know the secret, before tor hears of it",
  [["secret", "swordfish"]],
  async (pair, bridge) => {
    assertEquals(await refusal(pair, bridge, []), 1);
    assertEquals(await refusal(pair, bridge, [["secret", ""]]), 1);
    assertEquals(await refusal(pair, bridge, [["secret", "swordfisH"]]), 2);
    {
      const [hostname, port] = bridge;
      using prober = await Deno.connect({ hostname, port });
      await writeAll(prober, new Uint8Array(32 + 32));
      await readFull(prober, new Uint8Array(32 + 32));
      assertEquals(await prober.read(new Uint8Array(1)).catch(() => null), null);
    }
    const { user, service } = await connect(pair, bridge);
    using _user = user;
    // It is the first that has come.
    using _service = service;
    await writeAll(user, PLAIN.slice());
    assertEquals(await readFull(service, new Uint8Array(PLAIN.length)), PLAIN);
  },
);

withPair(
  "secret.ts says nothing to a bridge that does not know the secret",
  [["secret", "swordfish"]],
  async (pair) => {
    using impostor = Deno.listen({ hostname: ELSEWHERE, port: 0 });
    const bridge: Address = [ELSEWHERE, impostor.addr.port];
    const refused = refusal(pair, bridge, [["secret", "swordfish"]]);
    using conn = await impostor.accept();
    await readFull(conn, new Uint8Array(32));
    await writeAll(conn, new Uint8Array(32 + 32));
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
    assertEquals(await refused, 2);
  },
);

withPair(
  "secret.ts publishes the operator's secret, and keeps no other",
  [["secret", "a=b,c\\d;"]],
  async (pair, _bridge, directory) => {
    assertEquals([...pair.server.methods["secret"]!.args], [["secret", "a=b,c\\d;"]]);
    await assertRejects(() => Deno.stat(`${directory}/pt_state`), Deno.errors.NotFound);
  },
);

permitted(
  ["net", "read", "write", "run"],
  "secret.ts makes up a secret once, and keeps it for its user alone",
  () =>
    withDirectory(async (directory) => {
      const secrets: (string | null)[] = [];
      for (const state of ["one", "one", "two"]) {
        await using pair = await launchPair({ ...SECRET, directory: `${directory}/${state}` });
        secrets.push(pair.server.methods["secret"]!.args.get("secret"));
      }
      const [first, second, third] = secrets;
      assertMatch(first ?? "", /^[0-9a-f]{64}$/);
      assertEquals(second, first);
      assertNotEquals(third, first);
      const path = `${directory}/one/pt_state`;
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o700);
      assertEquals((await Deno.stat(`${path}/secret`)).mode! & 0o777, 0o600);
    }),
);

permitted(
  ["net", "read", "write", "run"],
  "secret.ts makes up a secret where a full disk has left an empty one or half of one",
  () =>
    withDirectory(async (directory) => {
      const state = `${directory}/pt_state`;
      await Deno.mkdir(state, { mode: 0o700 });
      await Deno.writeTextFile(`${state}/secret`, "");
      await Deno.writeTextFile(`${state}/secret.new`, "f".repeat(99), { mode: 0o600 });
      await using pair = await launchPair({ ...SECRET, directory });
      const secret = pair.server.methods["secret"]!.args.get("secret") ?? "";
      assertMatch(secret, /^[0-9a-f]{64}$/);
      assertEquals(await Deno.readTextFile(`${state}/secret`), secret);
      assertEquals(Array.from(Deno.readDirSync(state), ({ name }) => name), ["secret"]);
    }),
);
