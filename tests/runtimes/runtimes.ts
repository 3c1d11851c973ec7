/**
 * Node and Bun, in which a part of the library can be used, too. `deno task runtimes` installs them
 * from npm into the cache directory of the tests.
 *
 * @module
 */

import { cacheDirectory } from "../interop/peers.ts";
import { granted } from "../permitted.ts";

/** npm's packages of the programs themselves; their usual packages run scripts to get these. */
const SYSTEM = `${Deno.build.os}-${Deno.build.arch === "x86_64" ? "x64" : "arm64"}`;
const RUNTIMES = {
  node: { name: `node-${SYSTEM}`, version: "22" },
  bun: { name: `@oven/bun-${SYSTEM}`, version: "1" },
} as const;

/** Another runtime than Deno. */
export type Runtime = keyof typeof RUNTIMES;

const DEADLINE = 300_000;

function directory(): string | null {
  const cache = cacheDirectory();
  return cache === null ? null : `${cache}/runtimes`;
}

/** The program of a runtime, where `deno task runtimes` has put it. */
export function runtime(name: Runtime): string {
  return `${directory()}/node_modules/${RUNTIMES[name].name}/bin/${name}`;
}

/** Why a runtime cannot be had here, and what to do; null where it can. */
export function runtimeMissing(name: Runtime): string | null {
  if (!granted(["env", "read", "run"])) return "needs --allow-env --allow-read --allow-run";
  if (directory() === null) return "set HOME or XDG_CACHE_HOME: the runtimes need a cache";
  try {
    if (Deno.statSync(runtime(name)).isFile) return null;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return `there is no ${name}: run \`deno task runtimes\``;
}

/** Installs them, where they are missing. */
async function install(): Promise<void> {
  const missing = (Object.keys(RUNTIMES) as Runtime[]).filter((name) => runtimeMissing(name));
  const prefix = directory();
  if (missing.length === 0 || prefix === null) return;
  await Deno.mkdir(prefix, { recursive: true });
  const packages = Object.values(RUNTIMES).map(({ name, version }) => `${name}@${version}`);
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--prefix", prefix, ...packages],
    signal: AbortSignal.timeout(DEADLINE),
    stdin: "null",
  }).output();
  const still = missing.map(runtimeMissing).filter((reason) => reason !== null);
  if (!success || still.length > 0) throw new Error(`npm did not install: ${packages.join(", ")}`);
}

if (import.meta.main) {
  await install();
  for (const name of Object.keys(RUNTIMES) as Runtime[]) console.error(runtime(name));
}
