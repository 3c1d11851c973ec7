/**
 * What a program says to a person: answers to flags, what is wrong with its arguments, and what it
 * is, where no parent has started it. It is loaded when there is something to say.
 *
 * @module
 */

import { printable } from "../grammar.ts";
import { printLine } from "../stdout_lines.ts";
import type { RunOptions, Transports } from "./transport.ts";

/** Ends the process with words for whoever started it. */
export async function answer(
  stream: { writable: WritableStream<Uint8Array> },
  text: string,
  status: number,
): Promise<never> {
  await new Blob([text, "\n"]).stream().pipeTo(stream.writable).catch((error) => {
    // Whoever read it has gone, as 'head' does.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  });
  Deno.exit(status);
}

/** Who has started us, as far as that can be told. */
function startedBy(): "parent" | "person" | "nobody knows" {
  const variable = "TOR_PT_MANAGED_TRANSPORT_VER";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  if (state !== "granted") return "nobody knows";
  return Deno.env.get(variable) ? "parent" : "person";
}

/** Ends the process, and says why. tor shows its operator what an `ENV-ERROR` says. */
export async function refuse(text: string, status: number): Promise<never> {
  if (startedBy() === "parent") printLine(`ENV-ERROR ${printable(text)}`);
  return await answer(Deno.stderr, text, status);
}

/** Where the program is, as a person writes it. */
export function programPath(): string {
  const { protocol, pathname } = new URL(Deno.mainModule);
  return protocol === "file:" ? decodeURIComponent(pathname) : Deno.mainModule;
}

/** How a person starts the program. */
function command(): string {
  return Deno.build.standalone ? Deno.execPath() : `deno run -A ${programPath()}`;
}

/** What a program is, how to try it, and where to read on; null where a parent has started it. */
export function introduction(
  transports: Transports,
  { name, about }: Readonly<RunOptions & { name: string }>,
): string | null {
  if (startedBy() !== "person") return null;
  const whole = Object.values(transports).some(({ client, server }) => client && server);
  const ptlib = "deno run -A jsr:@ptlib/ptlib/cli";
  const names = Object.keys(transports).join(", ");
  return `${name} is a pluggable transport (${names}): a program that tor starts, not you.
To try it: ${ptlib} ${whole ? "tor" : "check"} -- ${command()}
To read on: its own --help, and https://jsr.io/@ptlib/ptlib${about ? `\n${about}` : ""}`;
}
