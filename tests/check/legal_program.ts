/** A correct transport in another language with its legal variants, and what is said of them. */

import { check } from "../../check/mod.ts";

const path = new URL("./legal_pt.py", import.meta.url).pathname;

/** As for the broken transport: a good program on a busy machine has to start within it. */
const TIMEOUT = 5_000;

/** The command that starts the program, in a variant or plain. */
export function program(...variants: readonly string[]): string[] {
  return ["python3", path, ...variants];
}

/** The names of the variants, or null where there is no Python. */
export function variants(): string[] | null {
  const [command = "", ...args] = program("--variants");
  try {
    const { success, stdout } = new Deno.Command(command, { args }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim().split("\n") : null;
  } catch {
    return null;
  }
}

/**
 * The SHOULD that a variant does not follow, although nothing of it is wrong: who has only SOCKS 4
 * cannot prefer SOCKS 5 to it (pt-spec section 2).
 */
const NOT_FOLLOWED: Readonly<Record<string, string>> = { "socks4": "method-socks5" };

/**
 * What is held against a program that is right: failures but for robustness, which is nobody's
 * duty, and errors of the checker.
 */
export async function accusations(
  command: readonly string[],
  only?: RegExp,
): Promise<string[]> {
  const found: string[] = [];
  const excused = command.map((variant) => NOT_FOLLOWED[variant]);
  const options = { transport: "dummy", beside: "second", only, timeout: TIMEOUT };
  for await (const result of check(command, options)) {
    const { role, id, level } = result;
    if (excused.includes(id)) continue;
    if (result.outcome === "error") found.push(`${role}/${id}: ${result.problem}`);
    if (result.outcome !== "failed" || level === "robustness" || level === "extra") continue;
    found.push(`${role}/${id}: ${result.expected}, but ${result.got}`);
  }
  return found;
}
