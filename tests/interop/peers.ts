/**
 * The foreign pluggable transports that the interop tests and benchmarks run against.
 *
 * - `lyrebird`, `webtunnel-client`, `webtunnel-server`: `deno task peers` unpacks them into the cache
 *   directory. Otherwise they are used where they are on the PATH.
 * - `goptlib-dummy-client`, `goptlib-dummy-server`: the example programs of goptlib, built here
 *   with `go` and without any download, from the source that `deno task peers` unpacks, otherwise
 *   from what Debian's package `golang-goptlib-dev` has installed. Their transport is `dummy`.
 * - `goptlib-parsers`: `goptlib_parsers.go`, built in the same way. It is no transport.
 * - `goptlib-rot13`: `bench/goptlib_rot13.go`, built in the same way, client and server.
 * - `obfs4proxy`, `snowflake-client`: the programs of Debian's packages of these names.
 *
 * How to run obfs4 back to back on loopback (obfs4proxy 0.0.14, lyrebird 0.8.1):
 *
 * - server: `TOR_PT_SERVER_TRANSPORTS=obfs4`, `TOR_PT_SERVER_BINDADDR=obfs4-127.0.0.1:0`,
 *   `TOR_PT_ORPORT`, and a state directory of its own; it answers
 *   `SMETHOD obfs4 ip:port ARGS:cert=...,iat-mode=0`;
 * - client: `TOR_PT_CLIENT_TRANSPORTS=obfs4` and another state directory; the SOCKS request goes to
 *   that `ip:port`, its RFC 1929 fields carry `cert=...;iat-mode=0`, the same values joined by `;`.
 *
 * And WebTunnel (0.0.7, and the client of lyrebird 0.8.1):
 *
 * - server: a fixed port, and the option `url=http://127.0.0.1:PORT/any/path`; it speaks plain HTTP
 *   there, and would stand behind a web server that takes off the TLS. The address of its `SMETHOD`
 *   line is made up (`[2001:db8:...]:443`); its `ARGS` are `url` and `ver`;
 * - client: `url=...` is all it needs, and the target of the SOCKS request means nothing. That of
 *   lyrebird connects to loopback, `webtunnel-client` does not, nor to a private address: it needs a
 *   network namespace with a public one.
 *
 * @module
 */

/** A foreign program that {@linkcode peer} can find or build. */
export type PeerName =
  | "goptlib-dummy-client"
  | "goptlib-dummy-server"
  | "goptlib-parsers"
  | "goptlib-rot13"
  | "lyrebird"
  | "webtunnel-client"
  | "webtunnel-server"
  | "obfs4proxy"
  | "snowflake-client";

/** The release of Debian whose packages `deno task peers` unpacks. */
export const SUITE = "forky";

/** The Debian package of each peer. */
const packages: { readonly [name in PeerName]: string } = {
  "goptlib-dummy-client": "golang-goptlib-dev",
  "goptlib-dummy-server": "golang-goptlib-dev",
  "goptlib-parsers": "golang-goptlib-dev",
  "goptlib-rot13": "golang-goptlib-dev",
  "lyrebird": "lyrebird",
  "webtunnel-client": "webtunnel",
  "webtunnel-server": "webtunnel",
  "obfs4proxy": "obfs4proxy",
  "snowflake-client": "snowflake-client",
};

/** The source of each peer built here: one of goptlib's examples, or an absolute path. */
const example: { readonly [name in PeerName]?: string } = {
  "goptlib-dummy-client": "dummy-client/dummy-client.go",
  "goptlib-dummy-server": "dummy-server/dummy-server.go",
  "goptlib-parsers": new URL("goptlib_parsers.go", import.meta.url).pathname,
  "goptlib-rot13": new URL("../../bench/goptlib_rot13.go", import.meta.url).pathname,
};

/** The peers that come with the machine's own release of Debian. */
const installable: ReadonlySet<PeerName> = new Set(["obfs4proxy", "snowflake-client"]);

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

/** The directory of the peers, outside the repository and owned by the user. */
export function cacheDirectory(): string | null {
  const cache = Deno.env.get("XDG_CACHE_HOME");
  if (cache) return `${cache}/ptlib-peers`;
  const home = Deno.env.get("HOME");
  return home ? `${home}/.cache/ptlib-peers` : null;
}

/** Where `deno task peers` unpacks; like a root directory, with `usr` in it. */
export function unpackedRoot(): string | null {
  const cache = cacheDirectory();
  return cache === null ? null : `${cache}/${SUITE}`;
}

/** The versions of the packages that `deno task peers` has unpacked; `null` where it has not. */
export function unpackedVersions(): Readonly<Record<string, string>> | null {
  try {
    return JSON.parse(Deno.readTextFileSync(`${unpackedRoot() ?? ""}/versions.json`));
  } catch {
    return null;
  }
}

/** Where goptlib's source is, and the GOPATH that it belongs to. */
interface Goptlib {
  goPath: string;
  library: string;
  examples: string;
}

/** Finds goptlib's source under a root, by its name of today or the one it had until 1.4. */
function goptlibUnder(root: string): Goptlib | null {
  const goPath = `${root}/usr/share/gocode`;
  const examples = `${root}/usr/share/doc/golang-goptlib-dev/examples`;
  for (
    const name of [
      "gitlab.torproject.org/tpo/anti-censorship/pluggable-transports/goptlib",
      "git.torproject.org/pluggable-transports/goptlib.git",
    ]
  ) {
    const library = `${goPath}/src/${name}`;
    if (isFile(`${library}/pt.go`)) return { goPath, library, examples };
  }
  return null;
}

/** The newer one first: the other is the system's. */
function goptlib(): Goptlib | null {
  const root = unpackedRoot();
  return (root === null ? null : goptlibUnder(root)) ?? goptlibUnder("");
}

/** Finds a program that needs no building. */
function find(name: PeerName): string | null {
  const unpacked = `${unpackedRoot() ?? ""}/usr/bin/${name}`;
  return isFile(unpacked) ? unpacked : onPath(name);
}

/**
 * Says why a peer cannot be had here, without starting anything.
 *
 * @param name The peer.
 * @returns The reason and what to do, or `null` when {@linkcode peer} can be called.
 */
export function peerMissing(name: PeerName): string | null {
  const source = example[name];
  const needs = source === undefined
    ? ["env", "read", "run"] as const
    : ["env", "read", "write", "run"] as const;
  for (const need of needs) {
    if (Deno.permissions.querySync({ name: need }).state !== "granted") {
      return `needs --allow-${need}`;
    }
  }
  if (source === undefined) {
    if (find(name) !== null) return null;
    const how = installable.has(name) ? `apt-get install ${packages[name]}` : "deno task peers";
    return `there is no ${name}: run \`${how}\``;
  }
  if (cacheDirectory() === null) return "set HOME or XDG_CACHE_HOME: the build needs a cache";
  if (onPath("go") === null) return "go is not on the PATH: install Go";
  const from = goptlib();
  if (from === null) return "there is no goptlib: run `deno task peers`";
  if (source.startsWith("/") && !from.library.includes("/gitlab.")) {
    return "this goptlib has its old name: run `deno task peers`";
  }
  return null;
}

/**
 * Tells which version a peer has, for reports.
 *
 * @param name The peer.
 * @returns The version of its Debian package, or `null` when it is missing or from elsewhere.
 */
export async function peerVersion(name: PeerName): Promise<string | null> {
  if (peerMissing(name) !== null) return null;
  const unpacked = unpackedVersions()?.[packages[name]];
  if (unpacked !== undefined) return unpacked;
  try {
    const { success, stdout } = await new Deno.Command("dpkg-query", {
      args: ["--show", "--showformat", "${Version}", packages[name]],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A name for what these sources build, so that another version never gets the same one. */
async function fingerprint(files: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  return new Uint8Array(hash).toHex().slice(0, 16);
}

/** Builds one example program; two processes may do so at once, and the last rename wins. */
async function build(name: PeerName, from: Goptlib, directory: string): Promise<string> {
  const own = example[name] ?? "";
  const source = own.startsWith("/") ? own : `${from.examples}/${own}`;
  const parts = ["pt.go", "args.go", "socks.go"].map((file) => `${from.library}/${file}`);
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
        GOPATH: from.goPath,
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
  if (example[name] === undefined) return find(name);
  const from = goptlib();
  const directory = cacheDirectory();
  return from === null || directory === null ? null : await build(name, from, directory);
}
