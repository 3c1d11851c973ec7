/** What `ptlib` tells of the words of a program. */

import { assertEquals } from "@std/assert";
import { command, finished } from "./ptlib_process.ts";

const TUNNEL = ["--transport", "a", "--listen", "127.0.0.1:0", "--bridge", "127.0.0.1:1"];

/** What `ptlib client` says on stderr about a program. */
async function toldOf(program: string): Promise<string[]> {
  const { code, err } = await finished([
    "client",
    ...TUNNEL,
    "--",
    Deno.execPath(),
    "eval",
    program,
  ]);
  assertEquals(code, 1, err);
  return err.trimEnd().split("\n");
}

command("ptlib shows the last words of a program once, without their colours", async () => {
  const lines = await toldOf(`
    console.error("\\x1b[1;31mno luck\\x1b[0m today");
    console.log('LOG SEVERITY=warning MESSAGE="bad weather"');`);
  const told = (text: string) => lines.filter((line) => line.includes(text));
  assertEquals(told("no luck").map((line) => line.replace(/^.*?: /, "")), ["no luck today"]);
  assertEquals(told("bad weather").length, 1);
  assertEquals(told("ended with status 0 before it had reported").length, 1);
});

command("ptlib shows them once when the program breaks the protocol later", async () => {
  const lines = await toldOf(`
    const method = "CMETHOD a socks5 127.0.0.1:9";
    console.error("no luck");
    console.log(["VERSION 1", method, "CMETHODS DONE", "CMETHODS DONE"].join("\\n"));
    await Deno.stdin.read(new Uint8Array(1));`);
  assertEquals(lines.filter((line) => line.includes("no luck")).length, 1);
  assertEquals(lines.filter((line) => line.includes("broke the protocol")).length, 1);
});
