import { assertEquals, assertMatch } from "@std/assert";
import { checks } from "../../check/mod.ts";
import { Progress } from "../../cli/check_progress.ts";

/** Takes down what is written to it. */
function screen(terminal: boolean) {
  const texts: string[] = [];
  return {
    texts,
    isTerminal: () => terminal,
    writeSync(bytes: Uint8Array): number {
      texts.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  };
}

Deno.test("Progress shows on a terminal which check takes how long, and goes", () => {
  const shown = screen(true);
  const some = checks.slice(0, 3);
  const [first] = some;
  if (first === undefined) throw new Error();
  const progress = new Progress(some, shown);
  progress.show();
  progress.after({ ...first, outcome: "ok" });
  progress.show();
  progress[Symbol.dispose]();
  const [start, later, end] = shown.texts;
  assertMatch(start ?? "", /starting the program \.\.\. \d+ s$/);
  assertMatch(later ?? "", /1 of 3 made; client\/version-list \.\.\. \d+ s$/);
  // Each is written over the one before.
  assertEquals([start, later].map((text) => text?.startsWith("\r\x1b[2K")), [true, true]);
  assertEquals(end, "\r\x1b[2K");
});

Deno.test("Progress writes nothing where there is no terminal", () => {
  const shown = screen(false);
  const progress = new Progress(checks, shown);
  progress.show();
  progress.clear();
  progress[Symbol.dispose]();
  assertEquals(shown.texts, []);
});
