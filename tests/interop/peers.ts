/**
 * The foreign pluggable transports that the interop tests and benchmarks run against.
 *
 * - `goptlib-dummy-client`, `goptlib-dummy-server`: the example programs of goptlib, built here
 *   from the source that Debian's package `golang-goptlib-dev` installs, with `go` and without
 *   any download. Their transport is `dummy`.
 * - `obfs4proxy`, `snowflake-client`: the programs of Debian's packages of these names.
 * - `lyrebird`, `webtunnel-client`, `webtunnel-server`: used where they are on the PATH under
 *   these names. Nothing here obtains them.
 *
 * How to run obfs4 back to back on loopback (seen with obfs4proxy 0.0.14; lyrebird not tried):
 *
 * - server: `TOR_PT_SERVER_TRANSPORTS=obfs4`, `TOR_PT_SERVER_BINDADDR=obfs4-127.0.0.1:0`,
 *   `TOR_PT_ORPORT`, and a state directory of its own; it answers
 *   `SMETHOD obfs4 ip:port ARGS:cert=...,iat-mode=0`;
 * - client: `TOR_PT_CLIENT_TRANSPORTS=obfs4` and another state directory; the SOCKS request goes to
 *   that `ip:port`, its RFC 1929 fields carry `cert=...;iat-mode=0`, the same values joined by `;`.
 *
 * @module
 */

/** A foreign program that {@linkcode peer} can find or build. */
export type PeerName =
  | "goptlib-dummy-client"
  | "goptlib-dummy-server"
  | "lyrebird"
  | "webtunnel-client"
  | "webtunnel-server"
  | "obfs4proxy"
  | "snowflake-client";

/** Where Debian's `golang-goptlib-dev` puts the library, and the GOPATH it belongs to. */
const goPath = "/usr/share/gocode";
const library = `${goPath}/src/git.torproject.org/pluggable-transports/goptlib.git`;
const examples = "/usr/share/doc/golang-goptlib-dev/examples";

/** The example program that each peer built here is. */
const example: { readonly [name in PeerName]?: string } = {
  "goptlib-dummy-client": `${examples}/dummy-client/dummy-client.go`,
  "goptlib-dummy-server": `${examples}/dummy-server/dummy-server.go`,
};

/** How to get each peer that is only looked for on the PATH. */
const remedy: { readonly [name in PeerName]?: string } = {
  "obfs4proxy": "apt-get install obfs4proxy",
  "snowflake-client": "apt-get install snowflake-client",
};

/** A cold build took 14 to 27 s on two cores; a loaded machine may need much longer. */
const buildDeadline = 180_000;

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function onPath(program: string): string | null {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    if (directory.startsWith("/") && isFile(`${directory}/${program}`)) {
      return `${directory}/${program}`;
    }
  }
  return null;
}

/** The directory of built peers, outside the repository and owned by the user. */
function cacheDirectory(): string | null {
  const cache = Deno.env.get("XDG_CACHE_HOME");
  if (cache) return `${cache}/ptlib-peers`;
  const home = Deno.env.get("HOME");
  return home ? `${home}/.cache/ptlib-peers` : null;
}

/**
 * Says why a peer cannot be had here, without starting anything.
 *
 * @param name The peer.
 * @returns The reason and what to do, or `null` when {@linkcode peer} can be called.
 */
export function peerMissing(name: PeerName): string | null {
  const source = example[name];
  const needs = source === undefined ? ["read", "run"] as const : ["read", "write", "run"] as const;
  for (const need of needs) {
    if (Deno.permissions.querySync({ name: need }).state !== "granted") {
      return `needs --allow-${need}`;
    }
  }
  if (source === undefined) {
    if (onPath(name) !== null) return null;
    const how = remedy[name];
    return `${name} is not on the PATH` + (how === undefined ? "" : `: ${how}`);
  }
  if (cacheDirectory() === null) return "set HOME or XDG_CACHE_HOME: the build needs a cache";
  if (onPath("go") === null) return "go is not on the PATH: install Go";
  if (!isFile(source) || !isFile(`${library}/pt.go`)) {
    return "goptlib's source is not installed: apt-get install golang-goptlib-dev";
  }
  return null;
}

/** A name for what these sources build, so that another version never gets the same one. */
async function fingerprint(files: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  return new Uint8Array(hash).toHex().slice(0, 16);
}

/** Builds one example program; two processes may do so at once, and the last rename wins. */
async function build(name: PeerName, source: string, directory: string): Promise<string> {
  const parts = ["pt.go", "args.go", "socks.go"].map((file) => `${library}/${file}`);
  const program = `${directory}/${name}@${await fingerprint([...parts, source])}`;
  if (isFile(program)) return program;
  await Deno.mkdir(directory, { recursive: true });
  const scratch = await Deno.makeTempDir({ dir: directory, prefix: "build-" });
  try {
    console.error(`building ${name} with go`);
    const { success, stderr } = await new Deno.Command("go", {
      args: ["build", "-trimpath", "-o", `${scratch}/program`, source],
      env: {
        GO111MODULE: "off",
        GOPATH: goPath,
        GOFLAGS: "",
        GOTOOLCHAIN: "local",
        GOCACHE: `${directory}/go-build`,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: AbortSignal.timeout(buildDeadline),
    }).output();
    if (!success) {
      throw new Error(`go could not build ${name}: ${new TextDecoder().decode(stderr).trim()}`);
    }
    await Deno.rename(`${scratch}/program`, program);
    return program;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/**
 * Finds a peer, and builds it when that is needed and was not done before.
 *
 * @param name The peer.
 * @returns The program's path, or `null` where {@linkcode peerMissing} gives a reason.
 * @throws {Error} If `go` cannot build it, or not in three minutes.
 */
export async function peer(name: PeerName): Promise<string | null> {
  if (peerMissing(name) !== null) return null;
  const source = example[name];
  const directory = cacheDirectory();
  return source === undefined || directory === null
    ? onPath(name)
    : await build(name, source, directory);
}
