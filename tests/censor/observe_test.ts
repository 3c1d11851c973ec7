/** Transports that run are watched, and what each is known for is seen. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  bursts,
  CensorError,
  type Flow,
  judge,
  judgeProbes,
  type Observation,
  observe,
  type ObserveOptions,
} from "../../censor/mod.ts";
import { Recorder } from "../../censor/recorder.ts";
import { readFull, writeAll } from "../../net/mod.ts";
import { freePort } from "../../testing/free_port.ts";
import { PLAIN } from "../cli/ptlib_process.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { random } from "./flows.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;

/** A program of this repository. */
function deno(path: string): string[] {
  const file = new URL(`../../${path}.ts`, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-prompt", "--no-check", "--quiet", "--allow-all", file];
}

async function seenIn({ through, probing }: Observation): Promise<string[]> {
  const findings = [...await judge(through), ...probing === null ? [] : judgeProbes(probing)];
  return findings.filter(({ sight }) => sight === "seen").map(({ id }) => id);
}

function sizes(flow: Flow | undefined): number[] {
  return bursts(flow ?? []).map(({ bytes }) => bytes.length);
}

const URL_ARGUMENT = [["url", "http://{address}/secret"]] as const;
const KNOWN: readonly [
  transport: string,
  command: readonly string[],
  options: Partial<ObserveOptions>,
  seen: readonly string[],
][] = [
  ["plain", PLAIN, {}, ["readable", "open-door"]],
  ["rot13", deno("examples/rot13"), {}, ["readable", "tls-fingerprint", "open-door"]],
  ["secret", deno("examples/secret"), {}, [
    "fully-encrypted",
    "random-start",
    "first-length",
    "nested-tls",
    "probe-answer",
    "probe-threshold",
  ]],
  ["webtunnel", deno("webtunnel/main"), { args: URL_ARGUMENT, serverOptions: URL_ARGUMENT }, [
    "readable",
    "nested-tls",
    "http",
    "replay",
    "changed-replay",
  ]],
];

/** Watches some of them side by side: most of the time is waiting. */
async function watchAll(known: typeof KNOWN): Promise<Observation[]> {
  return await Promise.all(
    known.map(([transport, command, options]) =>
      observe(command, { transport, patience: 5_000, ...options })
    ),
  );
}

permitted(NEEDS, "observe() of known transports, and their servers", async (t) => {
  const observations = await watchAll(KNOWN);
  for (const [index, [transport, , , seen]] of KNOWN.entries()) {
    const observation = observations[index]!;
    await t.step(`${transport}: ${seen.join(", ")}`, async () => {
      assertEquals(await seenIn(observation), seen);
      for (const recording of [observation.through, observation.plain]) {
        assertEquals(recording.random?.length, 30);
        assertEquals(recording.text?.length, 30);
        assertEquals(recording.https?.length, 30);
        assertEquals(recording.bulk?.length, 3);
      }
    });
  }
});

permitted(NEEDS, "observe() tells how a server ended that probes have killed", async () => {
  const { probing } = await observe(deno("tests/censor/dying_transport"), {
    transport: "dying",
    patience: 1_000,
  });
  assertEquals(probing?.exit, "the server has ended with status 3; it said: that was no client");
  const findings = judgeProbes(probing!);
  assertEquals(findings.filter(({ sight }) => sight === "clear"), []);
  const replay = findings.find(({ id }) => id === "replay");
  assertEquals([replay?.sight, replay?.figure], ["seen", "3 of 3 replays get through"]);
});

/** Keeps the processor busy, and more so than there are cores. */
function busy(): AsyncDisposable {
  const args = ["eval", "--no-config", "for (;;);"];
  const loops = Array.from(
    { length: 2 * navigator.hardwareConcurrency },
    () => new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" }).spawn(),
  );
  return {
    [Symbol.asyncDispose]: async () => {
      for (const loop of loops) {
        loop.kill("SIGKILL");
        await loop.status;
      }
    },
  };
}

permitted(NEEDS, "observe() sees the same on a busy machine", async (t) => {
  await using _loops = busy();
  const known = KNOWN.slice(1, 3);
  const observations = await watchAll(known);
  for (const [index, [transport, , , seen]] of known.entries()) {
    await t.step(transport, async () => {
      assertEquals(await seenIn(observations[index]!), seen);
    });
  }
});

permitted(
  NEEDS,
  "observe() of a transport that changes nothing sees what is there without",
  async () => {
    const { through, plain } = await observe(PLAIN, {
      transport: "plain",
      connections: 1,
      probes: false,
    });
    assertEquals(sizes(through.text?.[0]).length, 6);
    assertEquals(sizes(through.https?.[0]).slice(0, 1), sizes(plain.https?.[0]).slice(0, 1));
    const [, flight = 0] = sizes(plain.https?.[0]);
    assert(flight > 2_500 && flight < 5_000, `${flight} bytes are no ordinary certificate`);
  },
);

/** Has temporary files made in a directory of its own, and looks what is left there. */
async function leftBehind(work: () => Promise<unknown>): Promise<string[]> {
  return await withDirectory(async (directory) => {
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", directory);
    try {
      await work();
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
    }
    return await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  });
}

permitted(NEEDS, "observe() leaves no file behind, and tells why it failed", async () => {
  // Its client does not take what the server does not publish.
  const args = [["key", "another"]] as const;
  const failed = () =>
    assertRejects(
      () => observe(PLAIN, { transport: "plain", args }),
      CensorError,
      "A connection with random inside does not get through the transport",
    );
  assertEquals(await leftBehind(failed), []);
  const options = { transport: "plain", connections: 1, probes: false };
  assertEquals(await leftBehind(() => observe(PLAIN, options)), []);
});

permitted(NEEDS, "observe() tells what a half says that does not carry", async () => {
  await assertRejects(
    () => observe(deno("tests/run/wrong_moon"), { transport: "deaf" }),
    CensorError,
    "general failure (1); the client says: deaf: no connection: the moon is wrong",
  );
});

permitted(NEEDS, "observe() sends nothing to an address that is not on loopback", async () => {
  for (const where of ["bind", "front"] as const) {
    const options: ObserveOptions = { transport: "plain", [where]: ["192.0.2.1", 80] };
    await assertRejects(() => observe(PLAIN, options), TypeError, "192.0.2.1 is not on loopback");
  }
  await assertRejects(
    () => observe(deno("tests/censor/elsewhere_transport"), { transport: "elsewhere" }),
    CensorError,
    "The client does not listen on loopback",
  );
});

permitted(
  NEEDS,
  "observe() takes the other half from the peer, and tells which it was",
  async () => {
    const options = { transport: "plain", peer: PLAIN, connections: 1, probes: false };
    const { through, halves } = await observe(["/bin/false"], options);
    assertEquals(halves, { client: PLAIN, server: PLAIN });
    assertEquals(sizes(through.text?.[0]).length, 6);
  },
);

permitted(NEEDS, "observe() says that what comes out is not what went in", async () => {
  await assertRejects(
    () => observe(deno("tests/censor/lopsided_transport"), { transport: "lopsided" }),
    CensorError,
    "What goes into the transport does not come out of it",
  );
});

const BESIDE = [
  [
    "1",
    /^0 of 30 connections with random inside came by 127\.0\.0\.1:\d+, where .* put \{address\}/,
  ],
  ["2", /^15 of 30 connections with random inside came by: the client puts several into one/],
] as const;

for (const [every, message] of BESIDE) {
  permitted(NEEDS, `observe() tells that one of ${every} connections goes beside it`, async () => {
    const port = freePort();
    const observing = observe(deno("tests/censor/beside_transport"), {
      transport: "beside",
      args: [["every", every], ["server", `127.0.0.1:${port}`]],
      bind: ["127.0.0.1", port],
    });
    const error = await assertRejects(() => observing, CensorError);
    assertMatch(error.message, message);
  });
}

permitted(NEEDS, "observe() ends when its signal aborts", async () => {
  const controller = new AbortController();
  const observing = observe(PLAIN, {
    transport: "plain",
    onLoad: () => controller.abort(new Error("enough")),
    signal: controller.signal,
  });
  await assertRejects(() => observing, Error, "enough");
});

/** A service behind a Recorder. */
class RecordedService implements AsyncDisposable {
  readonly recorder = new Recorder();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  constructor() {
    this.recorder.target = ["127.0.0.1", this.#listener.addr.port];
  }

  dial(): Promise<Deno.TcpConn> {
    const [hostname, port] = this.recorder.address;
    return Deno.connect({ hostname, port });
  }

  accept(): Promise<Deno.TcpConn> {
    return this.#listener.accept();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder[Symbol.asyncDispose]();
    this.#listener.close();
  }
}

permitted(
  ["net"],
  "a Recorder passes on both directions with their ends, and writes all down",
  async () => {
    await using recorded = new RecordedService();
    const { recorder } = recorded;
    using user = await recorded.dial();
    using service = await recorded.accept();
    await writeAll(user, Uint8Array.of(1, 2, 3));
    await readFull(service, new Uint8Array(3));
    await writeAll(service, Uint8Array.of(4, 5));
    await readFull(user, new Uint8Array(2));
    await user.closeWrite();
    assertEquals(await service.read(new Uint8Array(1)), null);
    await writeAll(service, Uint8Array.of(6));
    await readFull(user, new Uint8Array(1));
    const [flow] = recorder.take();
    assertEquals(bursts(flow ?? []), [
      { fromClient: true, bytes: Uint8Array.of(1, 2, 3) },
      { fromClient: false, bytes: Uint8Array.of(4, 5, 6) },
    ]);
    assertEquals(recorder.take(), [], "they are taken once");
  },
);

permitted(
  ["net"],
  "a Recorder writes down so much of each side, and passes the rest on",
  async () => {
    await using recorded = new RecordedService();
    const { recorder } = recorded;
    using user = await recorded.dial();
    using service = await recorded.accept();
    const [much, little] = [new Uint8Array(600 * 1024).fill(7), random(100)];
    await Promise.all([writeAll(user, much), readFull(service, new Uint8Array(much.length))]);
    await writeAll(user, little);
    assertEquals(await readFull(service, new Uint8Array(100)), little);
    await writeAll(service, little);
    await readFull(user, new Uint8Array(100));
    const [question, answer] = bursts(recorder.take()[0] ?? []);
    assertEquals(question?.bytes, much.subarray(0, 512 * 1024));
    assertEquals(answer?.bytes, little);
  },
);

permitted(
  ["net"],
  "a Recorder has the client speak first, however soon the server does, where it speaks at all",
  async () => {
    await using recorded = new RecordedService();
    for (const begins of ["client", "server", "server"]) {
      using user = await recorded.dial();
      using service = await recorded.accept();
      await writeAll(service, Uint8Array.of(4, 5));
      await service.closeWrite();
      if (begins === "server") await readFull(user, new Uint8Array(2));
      await writeAll(user, Uint8Array.of(1));
      await readFull(service, new Uint8Array(1));
      if (begins === "client") await readFull(user, new Uint8Array(2));
      const [flow] = recorded.recorder.take();
      const first = { fromClient: true, bytes: Uint8Array.of(1) };
      const second = { fromClient: false, bytes: Uint8Array.of(4, 5) };
      assertEquals(bursts(flow ?? []), begins === "client" ? [first, second] : [second, first]);
    }
  },
);

permitted(["net"], "a Recorder closes what comes before there is a server", async () => {
  await using recorder = new Recorder();
  const [hostname, port] = recorder.address;
  using user = await Deno.connect({ hostname, port });
  assertEquals(await user.read(new Uint8Array(1)), null);
});
