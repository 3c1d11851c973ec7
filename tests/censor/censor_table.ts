/**
 * What `ptlib censor` sees of the transports of others and ours, as a table in Markdown.
 *
 * ```sh
 * deno task censor:table          # prints it
 * deno task censor:table --write  # puts it into docs/what-a-censor-sees.md too
 * ```
 *
 * @module
 */

import {
  askNdpi,
  type Finding,
  judge,
  judgeProbes,
  observe,
  type ObserveOptions,
} from "../../censor/mod.ts";
import { certificatePin } from "../../net/tls.ts";
import { Nginx, nginxMissing, recipe } from "../interop/nginx.ts";
import { peer, peerMissing, type PeerName, peerVersion } from "../interop/peers.ts";
import { bridgeOptions, PROGRAM } from "../interop/webtunnel_programs.ts";
import { TEST_CERTIFICATE } from "../net/test_certificates.ts";
import { freePort } from "../../testing/free_port.ts";
import { withDirectory } from "../permitted.ts";
import { writeTable } from "../table_in_file.ts";

const PAGE = new URL("../../docs/what-a-censor-sees.md", import.meta.url);
const NAME = "censor:table";

/** A row: what is watched. */
interface Subject {
  readonly name: string;
  readonly peer?: PeerName;
  /** What is watched, by the path of the peer where there is one. */
  watch(path: string): Promise<Finding[]>;
}

async function findings(
  command: readonly string[],
  options: ObserveOptions,
): Promise<Finding[]> {
  const { through, probing } = await observe(command, options);
  const named = await askNdpi(through.https ?? []);
  const active = probing === null ? [] : judgeProbes(probing);
  return [...await judge(through), ...named === null ? [] : [named], ...active];
}

function example(name: string): string[] {
  const file = new URL(`../../examples/${name}.ts`, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-prompt", "--allow-all", file];
}

const IN_PLAIN_HTTP = [["url", "http://{address}/secret"]] as const;
const URL_IN_TLS = "https://pt.example/secret";

/** When a server of TLS gives up is no finding, so that it is not waited for. */
const ORDINARY_PATIENCE = 5_000;

/** WebTunnel with TLS: our server, and any client. */
async function overTls(client: readonly string[], others: readonly [string, string][]) {
  return await withDirectory(async (directory) => {
    const pin = await certificatePin(TEST_CERTIFICATE);
    return await findings(client, {
      transport: "webtunnel",
      peer: PROGRAM,
      serverOptions: await bridgeOptions(directory, URL_IN_TLS, "127.0.0.1:9"),
      args: [["url", URL_IN_TLS], ["addr", "{address}"], ["cert", pin], ...others],
      patience: ORDINARY_PATIENCE,
    });
  });
}

/** The official server of WebTunnel behind a web server, as its guide has it. */
async function behindNginx(client: readonly string[]) {
  return await withDirectory(async (directory) => {
    const [front, back] = [freePort(), freePort()];
    await using _nginx = await Nginx.start(directory, front, recipe(front, back));
    const pin = await certificatePin(TEST_CERTIFICATE);
    return await findings(client, {
      transport: "webtunnel",
      peer: [await peer("webtunnel-server") ?? ""],
      serverOptions: [["url", URL_IN_TLS]],
      args: [["url", URL_IN_TLS], ["addr", "{address}"], ["cert", pin], [
        "utls",
        "hellochrome_auto",
      ]],
      patience: ORDINARY_PATIENCE,
      bind: ["127.0.0.1", back],
      front: ["127.0.0.1", front],
    });
  });
}

/** lyrebird's client with the ClientHello of a browser, or its own. */
function lyrebirdAs(hello: string | null): Subject {
  const own = "lyrebird, WebTunnel, TLS";
  return {
    name: hello === null ? own : `${own}, \`utls=${hello}\``,
    peer: "lyrebird",
    watch: (path) => overTls([path], hello === null ? [] : [["utls", hello]]),
  };
}

/** The browsers that lyrebird can be, in their latest version, and those that nobody is. */
const HELLOS = [
  "hellochrome_auto",
  "hellofirefox_auto",
  "hellosafari_auto",
  "helloios_auto",
  "helloedge_auto",
  "helloqq_auto",
  "hellorandomized",
  "hellorandomizedalpn",
  "hellorandomizednoalpn",
];

const SUBJECTS: readonly Subject[] = [
  {
    name: "ptlib, dummy",
    watch: () =>
      findings(example("dummy_client"), { transport: "dummy", peer: example("dummy_server") }),
  },
  {
    name: "ptlib, rot13",
    watch: () => findings(example("rot13"), { transport: "rot13" }),
  },
  {
    name: "ptlib, secret",
    watch: () => findings(example("secret"), { transport: "secret" }),
  },
  {
    name: "ptlib, WebTunnel, plain HTTP",
    watch: () =>
      findings(PROGRAM, {
        transport: "webtunnel",
        args: IN_PLAIN_HTTP,
        serverOptions: IN_PLAIN_HTTP,
      }),
  },
  { name: "ptlib, WebTunnel, TLS", watch: () => overTls(PROGRAM, []) },
  {
    name: "obfs4proxy, obfs4",
    peer: "obfs4proxy",
    watch: (path) => findings([path], { transport: "obfs4" }),
  },
  {
    name: "lyrebird, obfs4",
    peer: "lyrebird",
    watch: (path) => findings([path], { transport: "obfs4" }),
  },
  ...[null, ...HELLOS].map(lyrebirdAs),
  {
    name: "lyrebird, WebTunnel, TLS, `utls=hellochrome_auto`, webtunnel-server behind nginx",
    peer: "lyrebird",
    watch: (path) => behindNginx([path]),
  },
];

function cells(texts: readonly string[]): string {
  return `| ${texts.join(" | ")} |`;
}

function listed(all: readonly Finding[], sight: Finding["sight"]): string {
  return all.filter((finding) => finding.sight === sight).map(({ id }) => id).join(", ") || "-";
}

async function row({ name, peer: peerName, watch }: Subject): Promise<string> {
  const path = peerName === undefined ? "" : await peer(peerName) ?? "";
  const version = peerName === undefined ? null : (await peerVersion(peerName))?.split("-")[0];
  const all = await watch(path);
  const count = all.filter(({ sight }) => sight === "clear").length;
  const title = version === null || version === undefined ? name : `${name} (${version})`;
  return cells([title, listed(all, "seen"), listed(all, "unclear"), String(count)]);
}

if (import.meta.main) {
  if (Deno.args.some((arg) => arg !== "--write")) {
    console.error("Usage: deno task censor:table [--write]");
    Deno.exit(2);
  }
  const peers = SUBJECTS.flatMap(({ peer: name }) => name ?? []);
  const missing = [...peers, "webtunnel-server" as const].flatMap((name) => peerMissing(name) ?? [])
    .concat(nginxMissing() ?? []);
  if (missing.length > 0) {
    console.error(`The table ${missing[0]}.`);
    Deno.exit(1);
  }
  const lines = [
    cells(["transport", "seen", "unclear", "clear"]),
    cells(["---", "---", "---", "--:"]),
  ];
  for (const subject of SUBJECTS) lines.push(await row(subject));
  const table = lines.join("\n");
  console.log(table);
  if (Deno.args.includes("--write")) await writeTable(PAGE, NAME, table);
}
