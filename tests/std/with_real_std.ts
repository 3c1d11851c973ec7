/**
 * Runs the tests with the real `@std` packages in place of the stand-ins.
 *
 * JSR is not needed, only a checkout of https://github.com/denoland/std:
 *
 * ```sh
 * deno run -A tests/std/with_real_std.ts ../std
 * deno run -A tests/std/with_real_std.ts ../std -- deno test -A tests/net
 * ```
 *
 * The first argument is the checkout; what follows `--` is the command, by
 * default `deno test --allow-env --no-prompt`. The command runs in a temporary
 * copy of the project whose `deno.json` links the checkout and not the
 * stand-ins, so neither the project nor the checkout is changed. (The checkout
 * is one workspace: linking it links every package, with those that `assert`,
 * `testing` and `fmt` import themselves.) The exit status is the command's.
 *
 * Whoever reaches JSR can also delete `links` from `deno.json`.
 *
 * @module
 */

const STAND_INS = ["./tests/std/assert", "./tests/std/testing", "./tests/std/fmt"];
const PROJECT = new URL("../../", import.meta.url);

/** Copies a directory; what starts with a dot (`.git`) stays behind. */
async function copyDirectory(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const path = encodeURIComponent(name);
    if (isDirectory) await copyDirectory(new URL(`${path}/`, from), new URL(`${path}/`, to));
    else if (isFile) await Deno.copyFile(new URL(path, from), new URL(path, to));
  }
}

/** Makes the `deno.json` in `project` link `checkout` and drops the stand-ins. */
async function linkRealPackages(project: URL, checkout: string): Promise<void> {
  for (const path of STAND_INS) await Deno.remove(new URL(path, project), { recursive: true });
  const file = new URL("deno.json", project);
  const config = JSON.parse(await Deno.readTextFile(file));
  const others = config.links.filter((link: string) => !STAND_INS.includes(link));
  config.links = [...others, checkout];
  await Deno.writeTextFile(file, JSON.stringify(config, null, 2));
}

/** Runs `command` in `cwd` and passes signals on, so that the copy is removed behind it. */
async function run(command: readonly string[], cwd: URL): Promise<number> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program === "deno" ? Deno.execPath() : program, { args, cwd })
    .spawn();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => child.kill(signal));
  }
  return (await child.status).code;
}

/** The checkout and the command; `null` when the arguments are not understood. */
function readArguments(args: readonly string[]): { checkout: string; command: string[] } | null {
  const [checkout, separator, ...command] = args;
  if (!checkout || checkout.startsWith("-")) return null;
  if (separator === undefined) {
    return { checkout, command: ["deno", "test", "--allow-env", "--no-prompt"] };
  }
  return separator === "--" && command.length > 0 ? { checkout, command } : null;
}

const parsed = readArguments(Deno.args);
if (!parsed) {
  console.error("usage: deno run -A tests/std/with_real_std.ts CHECKOUT_OF_STD [-- COMMAND...]");
  Deno.exit(2);
}
const checkout = await Deno.realPath(parsed.checkout);
const directory = await Deno.makeTempDir({ prefix: "with_real_std_" });
let status = 1;
try {
  const copy = new URL(`file://${directory}/`);
  await copyDirectory(PROJECT, copy);
  await linkRealPackages(copy, checkout);
  status = await run(parsed.command, copy);
} finally {
  await Deno.remove(directory, { recursive: true });
}
Deno.exit(status);
