import { assert, assertEquals, assertThrows } from "@std/assert";
import { spy } from "@std/testing/mock";
import { EnvError } from "../../config.ts";
import { shutdownSignal, untilAborted } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";

const PROGRAM = [
  Deno.execPath(),
  "run",
  "--no-prompt",
  "--quiet",
  "--allow-env=TOR_PT_*",
  import.meta.resolve("./shutdown_program.ts"),
];

/** A process that says how its end comes about. */
class Watched implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #pid = 0;

  constructor(command: readonly string[], exitOnStdinClose: string) {
    const [program = "", ...args] = command;
    const env = { TOR_PT_EXIT_ON_STDIN_CLOSE: exitOnStdinClose };
    this.child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = lines(this.child.stdout);
  }

  /** Its next line; "gone" when nobody is left to say anything. */
  async says(): Promise<string> {
    const { value = "gone" } = await this.#lines.next();
    return value;
  }

  /** Waits until it watches for its end. */
  async ready(): Promise<void> {
    const [word, pid] = (await this.says()).split(" ");
    assertEquals(word, "ready");
    this.#pid = Number(pid);
  }

  signal(signal: Deno.Signal): void {
    Deno.kill(this.#pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.signal("SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.child.stdin.close().catch(() => {});
    while (await this.says() !== "gone");
    await this.child.status;
  }
}

async function* lines(stdout: ReadableStream<Uint8Array<ArrayBuffer>>) {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const whole = text.split("\n");
    text = whole.pop() ?? "";
    yield* whole;
  }
}

async function watched(args: readonly string[], exitOnStdinClose = ""): Promise<Watched> {
  const process = new Watched([...PROGRAM, ...args], exitOnStdinClose);
  await process.ready();
  return process;
}

permitted(["run"], "shutdownSignal() ends at once when stdin closes and that counts", async () => {
  await using process = await watched([], "1");
  await process.child.stdin.close();
  assertEquals(await process.says(), "end");
  assertEquals(await process.says(), "end at once");
  assertEquals(await process.says(), "gone");
  assertEquals((await process.child.status).code, 0);
});

permitted(["run"], "shutdownSignal() makes nothing of what arrives on stdin", async () => {
  await using process = await watched(["--endless-grace"], "1");
  const writer = process.child.stdin.getWriter();
  // More than a pipe holds, so that it has been read when the write is done.
  await writer.write(new Uint8Array(1_000_000));
  writer.releaseLock();
  process.signal("SIGTERM");
  assertEquals(await process.says(), "stop");
  await process.child.stdin.close();
  assertEquals(await process.says(), "end");
});

for (const value of ["", "0", "true", "11"]) {
  permitted(
    ["run"],
    `shutdownSignal() makes nothing of a closed stdin for "${value}"`,
    async () => {
      await using process = new Watched([...PROGRAM, "--read-stdin", "--endless-grace"], value);
      await process.child.stdin.close();
      // It has read to the end of stdin.
      await process.ready();
      process.signal("SIGTERM");
      assertEquals(await process.says(), "stop");
      process.signal("SIGTERM");
      assertEquals(await process.says(), "end");
    },
  );
}

const SIGNALS: readonly (readonly [first: Deno.Signal, second: Deno.Signal])[] = [
  ["SIGTERM", "SIGTERM"],
  ["SIGINT", "SIGINT"],
  ["SIGTERM", "SIGINT"],
  ["SIGINT", "SIGTERM"],
];

for (const [first, second] of SIGNALS) {
  permitted(["run"], `shutdownSignal() stops on ${first} and ends on ${second}`, async () => {
    await using process = await watched(["--endless-grace"]);
    process.signal(first);
    assertEquals(await process.says(), "stop");
    process.signal(second);
    assertEquals(await process.says(), "end");
    assertEquals(await process.says(), "gone");
    assertEquals((await process.child.status).code, 0);
  });
}

permitted(["run"], "shutdownSignal() ends a while after the first signal", async () => {
  await using process = await watched([]);
  process.signal("SIGTERM");
  assertEquals(await process.says(), "stop");
  assertEquals(await process.says(), "end");
  assertEquals(await process.says(), "gone");
  assertEquals((await process.child.status).code, 0);
});

permitted(["run"], "shutdownSignal() ends at once when the parent is gone", async () => {
  const shell = ["sh", "-c", '"$@" & wait', "sh", ...PROGRAM];
  await using process = new Watched(shell, "");
  await process.ready();
  process.child.kill("SIGKILL");
  assertEquals(await process.says(), "end");
  assertEquals(await process.says(), "end at once");
  assertEquals(await process.says(), "gone");
});

permitted(["run"], "shutdownSignal() goes on looking for a parent that is there", async () => {
  await using process = await watched(["--hurry-parent-checks", "--endless-grace"]);
  assertEquals(await process.says(), "third check");
  process.signal("SIGTERM");
  assertEquals(await process.says(), "stop");
  process.signal("SIGTERM");
  assertEquals(await process.says(), "end");
  assertEquals(await process.says(), "gone");
});

Deno.test({
  name: "shutdownSignal() says which permission it takes",
  permissions: { env: false },
  fn() {
    assertThrows(() => shutdownSignal(), EnvError, "--allow-env=TOR_PT_*");
  },
});

Deno.test("untilAborted() waits for the signal", async () => {
  const stop = new AbortController();
  const events: string[] = [];
  const waiting = untilAborted(stop.signal).then(() => events.push("resolved"));
  // Whatever does not wait is done before a task of its own.
  await new Promise((resolve) => setTimeout(resolve));
  events.push("aborted");
  stop.abort();
  await waiting;
  assertEquals(events, ["aborted", "resolved"]);
});

Deno.test("untilAborted() does not wait for a signal that has aborted", async () => {
  await untilAborted(AbortSignal.abort());
});

Deno.test("untilAborted() leaves no timer", async () => {
  using set = spy(globalThis, "setInterval");
  using cleared = spy(globalThis, "clearInterval");
  await untilAborted(AbortSignal.abort());
  assertEquals(cleared.calls.map(({ args: [timer] }) => timer), set.calls.map((c) => c.returned));
});

permitted(["run"], "untilAborted() keeps the process alive", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { untilAborted } from ${JSON.stringify(import.meta.resolve("../../net/mod.ts"))};
       const stop = new AbortController();
       // It does not keep the process alive itself.
       Deno.unrefTimer(setTimeout(() => stop.abort(), 100));
       untilAborted(stop.signal).then(() => console.log("waited"));`,
    ],
  }).output();
  assert(code === 0);
  assertEquals(new TextDecoder().decode(stdout), "waited\n");
});
