/** Asks goptlib what it makes of inputs, by goptlib_parsers.go. */

import { assert, assertEquals } from "@std/assert";
import { peer } from "./peers.ts";

/** What goptlib_parsers.go reads. */
export interface Question {
  op: "client" | "server" | "smethod" | "log" | "socks";
  env?: Readonly<Record<string, string>>;
  name?: string;
  host?: string;
  port?: number;
  args?: readonly (readonly [string, string])[];
  text?: string;
  pieces?: readonly string[];
}

/** Values by their keys; all are bytes in Base64. */
export type Pairs = { key: string; values: string[] }[] | null;

/** What goptlib_parsers.go answers. */
export interface Answer {
  refused: string | null;
  panicked: boolean;
  printed: string;
  methods: string[] | null;
  proxy: {
    scheme: string;
    user: string | null;
    password: string | null;
    host: string;
    port: string;
    behind: string;
  } | null;
  bindaddrs: { name: string; host: string; port: number; options: Pairs }[] | null;
  orAddr: string;
  extOrAddr: string;
  cookie: string;
  request: { target: string; args: Pairs } | null;
  written: string | null;
}

/** Asks goptlib about all cases. */
export async function ask(questions: readonly Question[]): Promise<Answer[]> {
  const command = new Deno.Command(await peer("goptlib-parsers") ?? "", {
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  const output = child.output();
  const all = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  await new Blob([all]).stream().pipeTo(child.stdin);
  const { success, stdout } = await output;
  assert(success);
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assertEquals(lines.length, questions.length);
  return lines.map((line) => JSON.parse(line));
}
