/**
 * Our rule for fully encrypted traffic against OpenGFW's, on a million generated strings.
 *
 * It needs Go, and OpenGFW's source (github.com/apernet/OpenGFW, commit 278d731b), of which the
 * variable OPENGFW has the path.
 */

import { assert, assertEquals } from "@std/assert";
import { exemptions } from "../../censor/mod.ts";
import { beginsLikeHttp } from "../../censor/fully_encrypted.ts";
import { isInstalled } from "../../tor/programs.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";

const NEEDS = ["env", "read", "write", "run"] as const;
const STRINGS = 1_000_000;
const PORTION = 50_000;

function missing(): string | null {
  if (!granted(NEEDS)) return null;
  if (Deno.env.get("OPENGFW") === undefined) return "needs OPENGFW, the path of its source";
  return isInstalled("go") ? null : "needs go";
}

/** Builds OpenGFW's rule as a program. */
async function build(source: string, directory: string): Promise<string> {
  const program = `${directory}/opengfw_fet`;
  await Deno.mkdir(`${directory}/src/github.com/apernet`, { recursive: true });
  await Deno.symlink(await Deno.realPath(source), `${directory}/src/github.com/apernet/OpenGFW`);
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", "-o", program, new URL("opengfw_fet.go", import.meta.url).pathname],
    env: { GO111MODULE: "off", GOPATH: directory, GOFLAGS: "", GOTOOLCHAIN: "local" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return program;
}

function upTo(most: number): number {
  return Math.floor(Math.random() * (most + 1));
}

/** How they begin: what exempts, and what nearly does. */
const STARTS = ["GET ", "GETS", "HEAD ", "HEAT", "POST ", "PUT ", "DEL", "CONNECT ", "CON", "OPT"]
  .concat(["TRACE ", "PATCH ", "PAT", "get ", "abcdef", "abcde\0", "\x16\x03\x01", "\x16\x03\x0a"])
  .concat(["\x17\x03\x09", "\x15\x03\x03", "\x16\x02\x01"]);

/** Random bytes, with more or less text and more or less set bits, behind such a beginning. */
function generate(): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(1 + upTo(150)));
  const manner = upTo(5);
  if (manner === 0) {
    const share = Math.random();
    bytes.forEach((byte, at) => Math.random() < share && (bytes[at] = 0x1f + byte % 0x61));
  }
  if (manner === 1) {
    const share = Math.random() * 0.4;
    bytes.forEach((byte, at) => Math.random() < share && (bytes[at] = byte & upTo(255)));
  }
  if (manner === 2) bytes.fill(0x6b, upTo(bytes.length), upTo(bytes.length));
  if (manner >= 4) {
    const start = STARTS[upTo(STARTS.length - 1)]!;
    for (let at = 0; at < Math.min(start.length, bytes.length); at++) {
      bytes[at] = start.charCodeAt(at);
    }
  }
  return bytes;
}

/** What the program says of each. */
async function verdicts(program: string, payloads: readonly Uint8Array[]): Promise<string> {
  const child = new Deno.Command(program, { stdin: "piped", stdout: "piped" }).spawn();
  const parts = payloads.flatMap((
    bytes,
  ) => [Uint8Array.of(bytes.length >> 8, bytes.length), bytes]);
  const input = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    input.set(part, at);
    at += part.length;
  }
  const writing = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  })();
  const { stdout } = await child.output();
  await writing;
  return new TextDecoder().decode(stdout);
}

/** It takes the first three letters of a method for HTTP; we want all of it and a space. */
function isExplained(payload: Uint8Array, blockedThere: boolean): boolean {
  const letters = new TextDecoder("latin1").decode(payload.subarray(0, 3));
  const isMethod = /^(?:GET|HEA|POS|PUT|DEL|CON|OPT|TRA|PAT)/.test(letters);
  return isMethod && !beginsLikeHttp(payload) && !blockedThere;
}

permitted(
  NEEDS,
  `exemptions() and OpenGFW judge ${STRINGS} strings the same, but for three letters of a method`,
  async () => {
    await withDirectory(async (directory) => {
      const program = await build(Deno.env.get("OPENGFW") ?? "", directory);
      let [differences, blocked] = [0, 0];
      for (let left = STRINGS; left > 0; left -= PORTION) {
        const payloads = Array.from({ length: PORTION }, generate);
        const there = await verdicts(program, payloads);
        assertEquals(there.length, PORTION);
        for (const [index, payload] of payloads.entries()) {
          const [here, other] = [exemptions(payload).length === 0, there[index] === "y"];
          if (other) blocked++;
          if (here === other) continue;
          differences++;
          assert(isExplained(payload, other), payload.toHex());
        }
      }
      assert(blocked > STRINGS / 10 && blocked < STRINGS * 0.9, `${blocked} are blocked`);
      assert(differences > 0, "it is the same rule");
    });
  },
  missing(),
);
