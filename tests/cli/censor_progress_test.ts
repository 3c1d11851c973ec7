import { assertEquals } from "@std/assert";
import { CensorProgress } from "../../cli/censor_progress.ts";
import { FakeClock } from "../timers.ts";

Deno.test("CensorProgress shows what is done and for how long, and goes", () => {
  using clock = new FakeClock(0);
  const shown: (string | null)[] = [];
  {
    using progress = new CensorProgress((text) => shown.push(text));
    clock.now = 2_900;
    progress.tell();
    progress.goOn("https");
    clock.now = 4_000;
    progress.tell();
  }
  assertEquals(shown, [
    "the program starts, as server and client ... 0 s",
    "the program starts, as server and client ... 2 s",
    "connections with HTTPS inside ... 0 s",
    "connections with HTTPS inside ... 1 s",
    null,
  ]);
});
