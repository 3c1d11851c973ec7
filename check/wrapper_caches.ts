/**
 * Where what starts a program keeps its own files: `go run`, `npx`, `deno` and others would write
 * them into the home that a program is given, and no transport is to blame for that.
 *
 * @module
 */

import { passedThrough } from "../parent/child_environment.ts";
import type { Variables } from "./program_environment.ts";

/** The directories of a user below the home. */
function userDirectories(home: string): { cache: string; config: string } {
  return Deno.build.os === "darwin"
    ? { cache: `${home}/Library/Caches`, config: `${home}/Library/Application Support` }
    : { cache: `${home}/.cache`, config: `${home}/.config` };
}

/**
 * The variables that keep the files of wrappers where they are with the home that is ours.
 *
 * @param variables What the user passes on: it goes before.
 */
export function wrapperCaches(variables: Readonly<Record<string, string>>): Variables {
  const own = { ...passedThrough(), ...variables };
  const home = own["HOME"];
  if (home === undefined) return {};
  const { cache: usual, config } = userDirectories(home);
  const cache = own["XDG_CACHE_HOME"] ?? usual;
  const kept: Variables = {
    CARGO_HOME: `${home}/.cargo`,
    DENO_DIR: `${cache}/deno`,
    GOCACHE: `${cache}/go-build`,
    GOENV: `${config}/go/env`,
    GOPATH: `${home}/go`,
    // What it has compiled stays there when the program does not end.
    GOTMPDIR: own["TMPDIR"] ?? "/tmp",
    PYTHONDONTWRITEBYTECODE: "1",
    RUSTUP_HOME: `${home}/.rustup`,
    npm_config_cache: `${home}/.npm`,
  };
  return Object.fromEntries(Object.entries(kept).filter(([name]) => own[name] === undefined));
}

/** Tells Go in a new home to write nothing there; no variable does. */
export async function quietGo(home: string): Promise<void> {
  const directory = `${userDirectories(home).config}/go/telemetry`;
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/mode`, "off");
}
