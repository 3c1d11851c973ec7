/** Runs a few lines of a transport in a process of its own. */

import { fullNames, VARIABLES, type Variables } from "./environment.ts";

/** How a program ended and what it said. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs `code`, which finds `client`, `server`, `config` and `util` imported, with the environment
 * and the permissions given and nothing else.
 */
export async function runProgram(
  code: string,
  { variables, flags }: { variables: Variables; flags: readonly string[] },
): Promise<Outcome> {
  const mod = JSON.stringify(new URL("../mod.ts", import.meta.url).href);
  const unset = Object.fromEntries(VARIABLES.map((name) => [name, ""]));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--quiet", ...flags, "-"],
    // What is set around the tests counts as unset.
    env: { ...unset, ...fullNames(variables), NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(
    `import { client, config, server, util } from ${mod};\n${code}`,
  ));
  await writer.close();
  const output = await child.output();
  const text = new TextDecoder();
  return {
    code: output.code,
    stdout: text.decode(output.stdout),
    stderr: text.decode(output.stderr),
  };
}
