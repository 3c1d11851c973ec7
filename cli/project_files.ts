/**
 * The files that `ptlib new` writes.
 *
 * @module
 */

import { runLines, TRANSPORTS } from "./project_transports.ts";
import { selfSigned } from "./self_signed.ts";
import { VERSION } from "./version.ts";

/** What the transport of a project does. */
export type ProjectKind = keyof typeof TRANSPORTS;

/** All of them. */
export const KINDS: readonly ProjectKind[] = ["bytes", "frames", "tls"];

/** A file to be written. */
export interface ProjectFile {
  text: string;
  /** Who may read it, as `chmod` has it; a key is for its owner alone. */
  mode: number;
}

const READABLE = 0o644;
const SECRET = 0o600;

/** The files that a server reads: tor's cookie, and what is its own. */
function readable(kind: ProjectKind, cookie: string, directory: string): string {
  const pems = kind === "tls" ? [`${directory}cert.pem`, `${directory}key.pem`] : [];
  return [cookie, ...pems].join();
}

function configOf(name: string, kind: ProjectKind, link: string | null): string {
  // Quoted, so that options may follow: deno task check --failures
  const ptlib = (command: string, permissions: string) =>
    `deno run -A jsr:@ptlib/ptlib@^${VERSION}/cli ${command} --program ` +
    `'deno run --no-prompt --allow-env=TOR_PT_* ${permissions} transport.ts'`;
  const config = {
    tasks: {
      test: "deno test -A",
      check: ptlib("check", "--allow-net --allow-read"),
      tor: ptlib("tor", `--allow-net=127.0.0.1 --allow-read=${readable(kind, "{cookie}", "")}`),
      censor: ptlib("censor", "--allow-net=127.0.0.1 --allow-read"),
      bundle: `deno bundle -o dist/${name}.js transport.ts`,
    },
    imports: { "@ptlib/ptlib": `jsr:@ptlib/ptlib@^${VERSION}` },
    ...link !== null && { links: [link] },
    exclude: ["dist", "*.html"],
    compilerOptions: { strict: true },
  };
  // Short arrays stand in one line, as `deno fmt` wants them.
  const text = JSON.stringify(config, null, 2).replace(/\[\n +(.*)\n +\]/g, "[$1]");
  return `${text}\n`;
}

/** The part of the tests that knows how the halves are made. */
const IN_MEMORY = `
for (
  const { name, check } of streamConnContract(() => {
    const { client, server } = memoryPair();
    return { client: wrap(client), server: wrap(server) };
  })
) Deno.test(\`A wrapped connection \${name}\`, check);
`;

const OTHER_PIN = `
Deno.test("A client with another pin is not let through", async () => {
  const args = [["pin", "A".repeat(43) + "="]] as const;
  await using pair = await launchPair({ ...PROGRAM, args });
  const connected = await pair.connect().then(() => true, () => false);
  if (connected) throw new Error("It was let through");
});
`;

function testOf(name: string, kind: ProjectKind): string {
  const names = kind === "tls"
    ? `import { launchPair, streamConnContract } from "@ptlib/ptlib/testing";
`
    : `import {
  launchPair,
  memoryPair,
  streamConnContract,
} from "@ptlib/ptlib/testing";
import { wrap } from "./transport.ts";
`;
  return `${names}
const PATH = import.meta.resolve("./transport.ts");
const PROGRAM = {
  transport: "${name}",
  client: [Deno.execPath(), "run", "--no-prompt", "-A", PATH],
};
${kind === "tls" ? OTHER_PIN : IN_MEMORY}
Deno.test("Both halves, as tor starts them", async (t) => {
  await using pair = await launchPair(PROGRAM);
  for (const { name, check } of streamConnContract(() => pair.connect())) {
    await t.step(name, check);
  }
});
`;
}

function torrcOf(name: string, kind: ProjectKind): string {
  const directory = `/usr/local/lib/${name}/`;
  const cookie = "/var/lib/tor/extended_orport_auth_cookie";
  const deno = "exec /usr/bin/env DENO_NO_UPDATE_CHECK=1 /usr/local/bin/deno run --cached-only " +
    "--no-prompt --allow-env=TOR_PT_*";
  const pin = kind === "tls" ? " pin=..." : "";
  return `# A client. 192.0.2.1:4443 stands for the bridge, twice.${
    kind === "tls" ? " The bridge publishes its pin." : ""
  }
UseBridges 1
Bridge ${name} 192.0.2.1:4443${pin}
ClientTransportPlugin ${name} ${deno} --allow-net=127.0.0.1:0,192.0.2.1:4443 ${directory}${name}.js

# A bridge, in a torrc of its own.
#BridgeRelay 1
#ORPort auto
#ExtORPort auto
#ServerTransportListenAddr ${name} 0.0.0.0:4443
#ServerTransportPlugin ${name} ${deno} --allow-net=0.0.0.0:4443,127.0.0.1 --allow-read=${
    readable(kind, cookie, directory)
  } ${directory}${name}.js
`;
}

function readmeOf(name: string, kind: ProjectKind): string {
  const pems = kind === "tls"
    ? `
The certificate and its key, \`cert.pem\` and \`key.pem\`, belong beside the bundle
of the bridge, where only tor's user can read them. They were made for you; keep
the key out of the repository.
`
    : "";
  return `# ${name}

A pluggable transport for Tor, in \`transport.ts\`.

\`\`\`sh
deno task test     # the contract of connections, and both halves as processes
deno task check    # what the specifications say, and what it does
deno task tor      # between a Tor client and a Tor bridge; needs tor
deno task censor   # what published rules of censors see of it
deno task bundle   # one file, to be installed
\`\`\`

Options of ptlib may follow: \`deno task check --failures --option secret=...\`.
The first bundle on a machine downloads the bundler, esbuild, from npm.

## Install

\`\`\`sh
deno task bundle
install -Dm644 dist/${name}.js /usr/local/lib/${name}/${name}.js
\`\`\`

The lines for both torrcs are in \`torrc\`. Start the bundle, and not
\`transport.ts\`: a bundle needs no cache, where the first start under tor would
download from a registry, around any proxy.
${pems}`;
}

/**
 * Makes the files of a project.
 *
 * @param name The name of the transport.
 * @param kind What it does.
 * @param link The directory of this package, where it did not come from a registry.
 * @returns The files, by their names.
 */
export async function projectFiles(
  name: string,
  kind: ProjectKind,
  link: string | null,
): Promise<Map<string, ProjectFile>> {
  const texts = {
    "transport.ts": TRANSPORTS[kind] + runLines(name),
    "transport_test.ts": testOf(name, kind),
    "deno.json": configOf(name, kind, link),
    "torrc": torrcOf(name, kind),
    "README.md": readmeOf(name, kind),
    ".gitignore": "dist/\n*.html\n*.pcap\n*.pem\n",
  };
  const files = new Map(
    Object.entries(texts).map(([path, text]) => [path, { text, mode: READABLE }]),
  );
  if (kind !== "tls") return files;
  const { cert, key } = await selfSigned("bridge.invalid");
  files.set("cert.pem", { text: cert, mode: READABLE });
  files.set("key.pem", { text: key, mode: SECRET });
  return files;
}
