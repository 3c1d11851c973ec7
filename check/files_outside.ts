/**
 * Finding the files that a transport writes where it must not.
 *
 * @module
 */

import { type Fixture, freshPath, type Running } from "./fixture.ts";
import { greeting, NO_AUTH, request } from "./socks_message.ts";
import type { Variables } from "./program_environment.ts";
import { Skipped } from "./verdict.ts";

/** How long an answer is waited for that nobody is going to judge, in milliseconds. */
const SHORT = 1_000;

/** Where a Deno that we start keeps its cache, when HOME is another one. */
function denoDirectory(): Variables {
  const set = Deno.env.get("DENO_DIR");
  if (set !== undefined) return {};
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.build.os === "darwin" ? `${home}/Library/Caches` : `${home}/.cache`;
  return { DENO_DIR: `${Deno.env.get("XDG_CACHE_HOME") ?? cache}/deno` };
}

async function filesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) names.push(name);
  return names;
}

async function freshDirectory(fixture: Fixture, name: string): Promise<string> {
  const path = freshPath(fixture.subject, name);
  await Deno.mkdir(path);
  return path;
}

/** Starts the program in a directory; in ours where its command needs that. */
async function runningIn(cwd: string, fixture: Fixture, changes: Variables): Promise<Running> {
  try {
    return await fixture.running(changes, { cwd });
  } catch (error) {
    if (!(error instanceof Skipped || error instanceof Deno.errors.NotFound)) throw error;
    return await fixture.running(changes);
  }
}

/** Asks for a connection and sends something. What comes of it is for other checks. */
async function use(fixture: Fixture, { method }: Running): Promise<void> {
  const user = await fixture.dial(method.address);
  if (fixture.role === "client") {
    await user.send(greeting(NO_AUTH));
    await user.next(SHORT);
    await user.send(request(fixture.backend.address));
    await user.next(SHORT);
  }
  await user.send(new TextEncoder().encode("some bytes of a user"));
  await user.next(SHORT);
}

/**
 * Has a program start, be used and end, and looks into its home, its directory for temporary files
 * and the one in which it was started.
 *
 * @returns The names of the files that it has left there.
 */
export async function filesOutside(fixture: Fixture): Promise<string[]> {
  const [home, temporary, work] = [
    await freshDirectory(fixture, "home"),
    await freshDirectory(fixture, "tmp"),
    await freshDirectory(fixture, "work"),
  ];
  const running = await runningIn(work, fixture, {
    ...denoDirectory(),
    HOME: home,
    TMPDIR: temporary,
    XDG_CACHE_HOME: null,
  });
  await use(fixture, running).catch((error) => {
    if (!(error instanceof Skipped)) throw error; // Nobody listens: another check says so.
  });
  await running.program.closeStdin();
  await running.program.ended();
  return [...await filesIn(home), ...await filesIn(temporary), ...await filesIn(work)];
}
