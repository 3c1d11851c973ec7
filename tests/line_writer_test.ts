import { assert, assertEquals } from "@std/assert";
import { LineWriter } from "../stdout_lines.ts";
import { FakeTimers } from "./timers.ts";

/** An output that takes so many bytes at a time, when it is let. */
class Output {
  text = "";
  /** Fails instead. */
  broken = false;
  #most: number;
  #ready = Promise.resolve();

  constructor(most = Infinity) {
    this.#most = most;
  }

  /** Takes nothing until the function is called that it returns. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = promise;
    return resolve;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#ready;
    if (this.broken) throw new Deno.errors.BrokenPipe();
    const taken = bytes.subarray(0, this.#most);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }
}

const wordLoss = (dropped: number) => `${dropped} lost`;

Deno.test("LineWriter writes every line whole and in order, however little goes out at once", async () => {
  const output = new Output(2);
  const writer = new LineWriter(output, wordLoss);
  writer.push("first");
  writer.push("second");
  await writer.flush(60_000);
  assertEquals(output.text, "first\nsecond\n");
});

Deno.test("LineWriter drops what does not fit, and tells how much when there is room", async () => {
  const output = new Output();
  const go = output.hold();
  const writer = new LineWriter(output, wordLoss);
  const line = "x".repeat(1023);
  for (let i = 0; i < 70; i++) writer.push(line);
  // Whoever has lost some reads that before anything newer.
  writer.push("short");
  go();
  await writer.flush(60_000);
  const lines = output.text.split("\n");
  assertEquals([lines.length, lines.at(-2), lines.at(-3)], [64 + 2, "7 lost", line]);
  writer.push("later");
  await writer.flush(60_000);
  assert(output.text.endsWith("7 lost\nlater\n"));
});

Deno.test("LineWriter writes nothing more where nobody reads", async () => {
  const output = new Output();
  const writer = new LineWriter(output, wordLoss);
  output.broken = true;
  writer.push("first");
  await writer.flush(60_000);
  output.broken = false;
  writer.push("second");
  await writer.flush(60_000);
  assertEquals(output.text, "");
});

Deno.test("LineWriter waits so long and no longer, and leaves no timer", async () => {
  using timers = new FakeTimers();
  const output = new Output();
  const go = output.hold();
  const writer = new LineWriter(output, wordLoss);
  await writer.flush(5);
  assertEquals(timers.pending, []);
  writer.push("first");
  const late = writer.flush(5);
  await timers.fire(5);
  await late;
  const flushed = writer.flush(7);
  assertEquals(timers.pending, [7]);
  go();
  await flushed;
  assertEquals([output.text, timers.pending], ["first\n", []]);
});
