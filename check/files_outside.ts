/**
 * Finding the files that a transport writes where it must not.
 *
 * @module
 */

import { type Fixture, freshPath, type Running, type StartOptions } from "./fixture.ts";
import { carries, noise } from "./carried_bytes.ts";
import { greeting, NO_AUTH, request } from "./socks_message.ts";
import { testTunnel } from "./test_tunnel.ts";
import { Failed, Skipped } from "./verdict.ts";
import { quietGo, wrapperCaches } from "./wrapper_caches.ts";

/** How long an answer is waited for that nobody is going to judge, in milliseconds. */
const SHORT = 1_000;

/** Links all of a directory to the working directory, and starts a program there. */
const AS_IN =
  'for file in "$0"/* "$0"/.[!.]*; do [ -e "$file" ] && ln -s "$file" .; done; exec "$@"';

/** A word of a command as it has to be in another directory, where it is a path. */
async function absolute(word: string, isProgram: boolean): Promise<string> {
  // A program without a / is looked for in PATH.
  if (word.startsWith("/") || (isProgram && !word.includes("/"))) return word;
  const found = await Deno.stat(word).catch(() => null);
  // There may be a directory `run`, but that of `deno run` is none.
  const isPath = found !== null && (found.isFile || word.includes("/"));
  return isPath ? `${Deno.cwd()}/${word.replace(/^(?:\.\/)+/, "")}` : word;
}

/** The same command for another directory. */
async function fromAnywhere(command: readonly string[]): Promise<string[]> {
  return await Promise.all(command.map((word, index) => absolute(word, index === 0)));
}

/** The paths of what is in a directory, and in those directories there that are `open`. */
async function pathsIn(directory: string, open: (path: string) => boolean): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    paths.push(path);
    if (isDirectory && open(path)) paths.push(...await pathsIn(path, open));
  }
  return paths;
}

/** Connects to a half that does not work like that, and says something. */
async function knock(fixture: Fixture, { method }: Running): Promise<void> {
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

/** Has something carried both ways. */
async function carry(fixture: Fixture, checked: Running): Promise<void> {
  const { user, backend } = await (await testTunnel(fixture, { checked })).open();
  await carries(user, backend, noise(16));
  await carries(backend, user, noise(16));
}

/** Uses a program, as far as that works. What comes of it is for other checks. */
async function use(fixture: Fixture, running: Running): Promise<void> {
  const ignore = (error: unknown) => {
    if (!(error instanceof Failed || error instanceof Skipped)) throw error;
  };
  await carry(fixture, running).catch(async (error) => {
    ignore(error);
    await knock(fixture, running).catch(ignore);
  });
}

/**
 * Has a program start, be used and end, in a home, a directory for temporary files and a working
 * directory of its own.
 *
 * @param names The names that the working directory will have of ours.
 * @returns The paths of the files that it has left in these.
 */
async function filesIn(
  fixture: Fixture,
  how: StartOptions,
  names: readonly string[] = [],
): Promise<string[]> {
  const directory = freshPath(fixture.subject, "outside");
  const [home, temporary, work] = [`${directory}/home`, `${directory}/tmp`, `${directory}/work`];
  for (const path of [home, temporary, work]) await Deno.mkdir(path, { recursive: true });
  await quietGo(home);
  const there = await pathsIn(directory, () => true);
  const before = new Set([...there, ...names.map((name) => `${work}/${name}`)]);
  const changes = {
    ...wrapperCaches(fixture.subject.variables),
    HOME: home,
    TMPDIR: temporary,
    XDG_CACHE_HOME: null,
  };
  const written = async () => {
    const paths = await pathsIn(directory, (path) => before.has(path));
    return paths.filter((path) => !before.has(path));
  };
  const running = await fixture.running(changes, { ...how, cwd: work });
  // What its start leaves is seen by hand without a user.
  if ((await written()).length === 0) await use(fixture, running);
  await running.program.closeStdin();
  await running.program.ended();
  return (await written()).map((path) => path.slice(directory.length + 1));
}

/** The same in an empty working directory; null where the program does not start there. */
async function filesAnywhere(fixture: Fixture): Promise<string[] | null> {
  const command = await fromAnywhere(fixture.subject.commands[fixture.role] ?? []);
  try {
    return await filesIn(fixture, { command });
  } catch (error) {
    if (error instanceof Skipped || error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * The same in a working directory that has what ours has. Ours itself is no good for it: who knows
 * who else writes there.
 */
async function filesAsHere(fixture: Fixture): Promise<string[]> {
  if (Deno.build.os === "windows") throw new Skipped("needs a shell of POSIX");
  const wrap = ["sh", "-c", AS_IN, Deno.cwd()];
  const here = await Array.fromAsync(Deno.readDir(Deno.cwd()));
  const files = await filesIn(fixture, { wrap }, here.map(({ name }) => name));
  if (files.length > 0) return files;
  // It may have written to what was there, and that is not ours to judge.
  throw new Skipped("needs a program that starts in an empty working directory, too");
}

/**
 * Finds the files that a program writes into its home, its directory for temporary files and the
 * one in which it was started.
 *
 * @returns Their paths, from `home`, `tmp` or `work` on.
 */
export async function filesOutside(fixture: Fixture): Promise<string[]> {
  fixture.needsPlain("started");
  return await filesAnywhere(fixture) ?? await filesAsHere(fixture);
}
