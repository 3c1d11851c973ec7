/**
 * Gets the peers that a machine's own release of Debian does not have: `lyrebird`, `webtunnel` and
 * goptlib's source, from a later release, out of the archive that the machine uses already. The
 * system stays as it is: apt works on lists of its own, checks their signatures with the system's
 * keys, and the packages are unpacked into the cache directory, not installed.
 *
 * ```sh
 * deno task peers
 * ```
 *
 * @module
 */

import { archivesOf, type SourceFile } from "./debian_archive.ts";
import { cacheDirectory, SUITE, unpackedRoot, unpackedVersions } from "./peers.ts";

const PACKAGES = ["lyrebird", "webtunnel", "golang-goptlib-dev"];

/** For one run of apt, in milliseconds. The list of packages has 10 MB. */
const DEADLINE = 300_000;

/** Runs a program, and returns its stdout. */
async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${command} failed: ${text.decode(stderr).trim()}`);
  return text.decode(stdout);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The source files of this machine, the main one first. */
async function sourceFiles(): Promise<SourceFile[]> {
  const main = "/etc/apt/sources.list";
  const files = [{ name: main, text: await readIfThere(main) }];
  const directory = "/etc/apt/sources.list.d";
  for (const { name } of Deno.readDirSync(directory)) {
    if (!/\.(?:list|sources)$/.test(name)) continue;
    files.push({ name, text: await Deno.readTextFile(`${directory}/${name}`) });
  }
  return files;
}

/** The archives of this machine, as sources of the suite. */
async function archives(): Promise<string[]> {
  const release = await readIfThere("/etc/os-release");
  if (!/^ID="?debian"?$/m.test(release)) {
    throw new Error("this is no Debian: put the peers on the PATH yourself");
  }
  const [, codename = SUITE] = /^VERSION_CODENAME="?(\w+)"?$/m.exec(release) ?? [];
  const found = archivesOf(await sourceFiles(), codename, SUITE);
  if (found.length === 0) {
    throw new Error(`apt's sources in /etc/apt name no archive of Debian ${codename}`);
  }
  return found;
}

/** What keeps apt away from the system: its state, its pins, its hooks. */
function aptConfiguration(directory: string): string {
  return `
    Dir::State "${directory}/state";
    Dir::State::Status "/dev/null";
    Dir::Cache "${directory}/cache";
    Dir::Etc::SourceList "${directory}/archive.sources";
    Dir::Etc::SourceParts "/dev/null";
    Dir::Etc::Preferences "/dev/null";
    Dir::Etc::PreferencesParts "/dev/null";
    // Its own user could not write into a home directory.
    APT::Sandbox::User "root";
    #clear APT::Update::Pre-Invoke;
    #clear APT::Update::Post-Invoke;
    #clear APT::Update::Post-Invoke-Success;
  `;
}

/** Downloads the packages of one archive, and returns their paths. */
async function download(archive: string, directory: string): Promise<string[]> {
  for (const name of ["state/lists/partial", "cache/archives/partial"]) {
    await Deno.mkdir(`${directory}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${directory}/archive.sources`, `${archive}\n`);
  await Deno.writeTextFile(`${directory}/apt.conf`, aptConfiguration(directory));
  const apt = ["-c", `${directory}/apt.conf`, "-q"];
  console.error(`fetching the list of packages of Debian ${SUITE}`);
  // Without this, a list that cannot be had is a mere warning.
  await run("apt-get", [...apt, "-o", "APT::Update::Error-Mode=any", "update"], directory);
  console.error(`fetching ${PACKAGES.join(", ")}`);
  await run("apt-get", [...apt, "download", ...PACKAGES], directory);
  return Array.from(Deno.readDirSync(directory), ({ name }) => `${directory}/${name}`)
    .filter((path) => path.endsWith(".deb"));
}

/** Downloads the packages of the first archive that has them all. */
async function downloadFromAny(directory: string): Promise<string[]> {
  const failures: string[] = [];
  for (const [index, archive] of (await archives()).entries()) {
    try {
      const own = `${directory}/${index}`;
      await Deno.mkdir(own);
      return await download(archive, own);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures.join("\n"));
}

/** Unpacks packages into one tree, with a file that tells their versions. */
async function unpack(packages: readonly string[], directory: string): Promise<void> {
  const versions: Record<string, string> = {};
  for (const path of packages) {
    await run("dpkg-deb", ["--extract", path, directory], directory);
    const shown = await run("dpkg-deb", ["--show", path], directory);
    const [name = "", version = ""] = shown.trim().split("\t");
    versions[name] = version;
  }
  await Deno.writeTextFile(`${directory}/versions.json`, JSON.stringify(versions));
}

/** Puts a whole tree where the peers are looked for. */
async function moveInto(place: string, tree: string): Promise<void> {
  try {
    await Deno.rename(tree, place);
  } catch (error) {
    // Somebody else was faster.
    if (unpackedVersions() === null) throw error;
  }
}

async function install(): Promise<void> {
  const cache = cacheDirectory();
  const place = unpackedRoot();
  if (cache === null || place === null) {
    throw new Error("set HOME or XDG_CACHE_HOME: the peers need a place");
  }
  if (unpackedVersions() === null) {
    await Deno.mkdir(cache, { recursive: true });
    const scratch = await Deno.makeTempDir({ dir: cache, prefix: "install-" });
    try {
      const packages = await downloadFromAny(scratch);
      await Deno.mkdir(`${scratch}/tree`);
      await unpack(packages, `${scratch}/tree`);
      await moveInto(place, `${scratch}/tree`);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  }
  const versions = Object.entries(unpackedVersions() ?? {}).map((pair) => pair.join(" "));
  console.error(versions.join(", "));
  console.error(`in ${place}; remove it to get them anew`);
}

if (import.meta.main) {
  try {
    await install();
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const message = error instanceof Error ? error.message : String(error);
    console.error(`no peers: ${missing ? `apt-get or dpkg-deb is missing (${message})` : message}`);
    Deno.exit(1);
  }
}
