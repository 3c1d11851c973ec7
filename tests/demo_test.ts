/** `deno task demo`, as somebody runs it whose output is a pipe. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { permitted } from "./permitted.ts";

const DEMO = new URL("../examples/demo.ts", import.meta.url).href;
const NEEDS = ["run", "net", "read", "write"] as const;

/** The demo with the permissions that its head comment names. */
function demo(...args: string[]): Deno.Command {
  const permissions =
    "--no-prompt --allow-env --allow-run --allow-net=127.0.0.1 --allow-read --allow-write";
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions.split(" "), DEMO, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function outcome(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await demo(...args).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

permitted(NEEDS, "demo carries its bytes through rot0r and ends with status 0", async () => {
  const { code, out, err } = await outcome("--mib", "4");
  assertEquals([code, err], [0, ""]);
  for (
    const line of [
      /^4 MiB of random bytes go each way, which takes a few seconds:$/m,
      /^server \| VERSION 1\nserver \| SMETHOD rot13 127\.0\.0\.1:\d+\nserver \| SMETHODS DONE$/m,
      /^client \| CMETHOD rot13 socks5 127\.0\.0\.1:\d+\nclient \| CMETHODS DONE$/m,
      /^ok client to bridge\n {3}arrived {2}4194304 bytes, SHA-256 \w{64}\n {3}on wire {2}4194304 /m,
      /^ok bridge to client$/m,
      /^Everything held: 8 MiB in [\d.]+ s, [\d.]+ MiB\/s/m,
    ]
  ) assertMatch(out, line);
  assertStringIncludes(out, "Uryyb oevqtr, gurfr ner gur jbeqf bs n pyvrag.");
  assert(!out.includes("\x1b") && !out.includes("\r"), "a pipe gets plain lines");
});

permitted(NEEDS, "demo fails with a reason when what is on the wire is not rotated", async () => {
  const { code, out, err } = await outcome("--mib", "1", "--transport", "rot26");
  assertEquals(code, 1);
  assertEquals(
    err,
    "Failed: client to bridge: the bytes between client and server are not rotated\n",
  );
  assert(!out.includes("Everything held"));
});

permitted(NEEDS, "demo explains itself and refuses what it does not understand", async () => {
  const [help, wrong] = await Promise.all([outcome("--help"), outcome("--mib", "many")]);
  assertEquals([help.code, help.err], [0, ""]);
  assertStringIncludes(help.out, "--mib NUMBER");
  assertEquals([wrong.code, wrong.out], [1, ""]);
  assertStringIncludes(wrong.err, "--mib takes a number of MiB above 0");
});

/** Reads until a pattern has come. */
async function readUntil(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  let text = "";
  for await (const chunk of stream.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    if (pattern.test(text)) return text;
  }
  throw new Error(`It ended before it said what was expected:\n${text}`);
}

permitted(NEEDS, "demo leaves no process behind when it is interrupted", async () => {
  const child = demo("--mib", "100000").spawn();
  const said = await readUntil(child.stdout, /CMETHODS DONE/);
  const ports = Array.from(said.matchAll(/METHOD rot13 .*:(\d+)$/gm), ([, port]) => Number(port));
  assertEquals(ports.length, 2);
  child.kill("SIGINT");
  const [{ code }, err] = await Promise.all([
    child.status,
    new Response(child.stderr).text(),
    child.stdout.cancel(),
  ]);
  assertEquals([code, err], [1, "Failed: Stopped by SIGINT\n"]);
  for (const port of ports) {
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.1", port }),
      Deno.errors.ConnectionRefused,
    );
  }
});
