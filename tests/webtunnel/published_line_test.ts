import { assertEquals } from "@std/assert";
import { bridgeLine, placeholder, writeBridgeLine } from "../../webtunnel/published_line.ts";
import { permitted, withDirectory } from "../permitted.ts";

Deno.test("placeholder() is that of the official server", async () => {
  assertEquals(await placeholder("https://bridge.example/Path"), [
    "2001:db8:8e21:7be3:c04e:1522:363d:7d4a",
    443,
  ]);
});

const ARGS = new URLSearchParams([["url", "https://bridge.example/Path"], ["ver", "0.0.7"]]);
const REST = "url=https://bridge.example/Path ver=0.0.7";

permitted(["read", "write"], "bridgeLine() has tor's fingerprint where tor has one", async () => {
  await withDirectory(async (directory) => {
    const state = `${directory}/pt_state`;
    await Deno.mkdir(state);
    const line = () => bridgeLine(["2001:db8::1", 443], ARGS, state);
    assertEquals(await line(), `Bridge webtunnel [2001:db8::1]:443 ${REST}`);
    const fingerprint = "0123456789ABCDEF".repeat(3).slice(8);
    await Deno.writeTextFile(`${directory}/fingerprint`, `Unnamed ${fingerprint}\n`);
    assertEquals(await line(), `Bridge webtunnel [2001:db8::1]:443 ${fingerprint} ${REST}`);
    for (const text of ["something else\n", `a b ${fingerprint}`, `a ${fingerprint} b`, "a B\n"]) {
      await Deno.writeTextFile(`${directory}/fingerprint`, text);
      assertEquals(await line(), `Bridge webtunnel [2001:db8::1]:443 ${REST}`);
    }
    await Deno.writeTextFile(`${directory}/fingerprint`, `a ${fingerprint}`);
    assertEquals(await line(), `Bridge webtunnel [2001:db8::1]:443 ${fingerprint} ${REST}`);
  });
});

permitted(["read", "write"], "writeBridgeLine() keeps it for this user alone", async () => {
  await withDirectory(async (state) => {
    await writeBridgeLine("Bridge webtunnel ...", state);
    const file = `${state}/webtunnel_bridgeline.txt`;
    assertEquals(await Deno.readTextFile(file), "Bridge webtunnel ...\n");
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  });
});
