import { assertEquals, assertThrows } from "@std/assert";
import { stub } from "@std/testing/mock";
import { client, log } from "../mod.ts";
import { FirstLinesAtOnce, flushLines, LineWriter, negotiate } from "../stdout_lines.ts";
import { CLIENT, setEnvironment } from "./environment.ts";
import { captureStdout, printedBy } from "./stdout.ts";

/** An output whose reader takes one write after the other, when it is told to. */
class SlowOutput {
  readonly written: string[] = [];
  readonly #waiting: ((count: number) => void)[] = [];

  write(bytes: Uint8Array): Promise<number> {
    this.written.push(new TextDecoder().decode(Uint8Array.from(bytes)));
    return new Promise((resolve) => this.#waiting.push(() => resolve(bytes.length)));
  }

  /** Takes what is being written. */
  async take(): Promise<void> {
    this.#waiting.shift()?.(0);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }

  /** Takes all that is written from now on, and what waits. */
  async takeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.take();
  }
}

const KIB = "x".repeat(1023);
const BOUND = 64;

function slowWriter(): { output: SlowOutput; writer: LineWriter } {
  const output = new SlowOutput();
  return { output, writer: new LineWriter(output, (dropped) => `${dropped} dropped`) };
}

Deno.test("LineWriter holds 64 KiB, also behind a loss, and no byte more", async () => {
  const { output, writer } = slowWriter();
  for (let round = 0; round < 3; round++) {
    output.written.length = 0;
    for (let count = 0; count < BOUND; count++) writer.push(KIB);
    writer.push("");
    writer.push("");
    await output.takeAll();
    assertEquals(output.written.length, BOUND + 1);
    assertEquals(output.written.at(-1), "2 dropped\n");
  }
});

Deno.test("LineWriter says a loss once, before anything newer", async () => {
  const { output, writer } = slowWriter();
  for (let count = 0; count <= BOUND; count++) writer.push(KIB);
  await output.take();
  writer.push("there is room for this, but nobody knows of the loss yet");
  await output.takeAll();
  writer.push("newer");
  await output.takeAll();
  assertEquals(output.written.slice(BOUND), ["2 dropped\n", "newer\n"]);
});

Deno.test("LineWriter writes nothing more once it is broken", async () => {
  const { output, writer } = slowWriter();
  ["first", "second"].forEach((line) => writer.push(line));
  writer.break();
  writer.push("third");
  await output.takeAll();
  assertEquals(output.written, ["first\n"]);
});

Deno.test("FirstLinesAtOnce writes 4 KiB at once, and does not wait for the rest", async () => {
  const output = new SlowOutput();
  const atOnce: string[] = [];
  const writer = new FirstLinesAtOnce({
    write: (bytes) => output.write(bytes),
    writeSync: (bytes) => atOnce.push(new TextDecoder().decode(bytes)) && bytes.length,
  }, (dropped) => `${dropped} dropped`);
  for (let count = 0; count < 6; count++) writer.push(KIB);
  await output.takeAll();
  assertEquals([atOnce.length, output.written.length], [4, 2]);
});

Deno.test("FirstLinesAtOnce gives up an output that breaks", async () => {
  const output = new SlowOutput();
  let attempts = 0;
  const writer = new FirstLinesAtOnce({
    write: (bytes) => output.write(bytes),
    writeSync() {
      attempts++;
      throw new Deno.errors.BrokenPipe();
    },
  }, (dropped) => `${dropped} dropped`);
  for (let count = 0; count < 6; count++) writer.push(KIB);
  await output.takeAll();
  assertEquals([attempts, output.written], [1, []]);
});

Deno.test("log() says behind the DONE line how much of it was lost", async () => {
  const output = new SlowOutput();
  using stdout = captureStdout();
  client.reportEnd();
  using _ = stub(Deno.stdout, "write", (bytes) => output.write(bytes));
  for (let count = 0; count < 100; count++) log("notice", KIB);
  await output.takeAll();
  await flushLines(1_000);
  const atOnce = stdout.text().split("\n").length - 2;
  const kept = output.written.length - 1;
  const words = `${100 - atOnce - kept} messages were dropped: nobody read them`;
  assertEquals(output.written.at(-1), `LOG SEVERITY=notice MESSAGE="${words}"\n`);
});

Deno.test("negotiate() says nothing of an error that is not the environment's", () => {
  using _ = setEnvironment(CLIENT);
  const broken = () =>
    negotiate("client", ["rot13"], () => {
      throw new RangeError("of the caller's");
    });
  assertEquals(printedBy(() => assertThrows(broken, RangeError)), "");
});
