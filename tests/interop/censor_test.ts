/** What foreign transports are known for is seen. */

import { assert, assertEquals } from "@std/assert";
import { CensorError, judge, judgeProbes, observe, type ObserveOptions } from "../../censor/mod.ts";
import { certificatePin } from "../../net/tls.ts";
import { TEST_CERTIFICATE } from "../net/test_certificates.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";
import { freePort } from "../../testing/free_port.ts";
import { Nginx, nginxMissing, recipe } from "./nginx.ts";
import { bridgeOptions, PROGRAM } from "./webtunnel_programs.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;
const RANDOM = ["fully-encrypted", "random-start", "nested-tls"];

/** What is not clear, of what passes and of how the server takes probes. */
async function sights(command: readonly string[], options: ObserveOptions) {
  const { through, probing } = await observe(command, { patience: 5_000, ...options });
  const findings = [...await judge(through), ...probing === null ? [] : judgeProbes(probing)];
  const of = (wanted: string) =>
    findings.filter(({ sight }) => sight === wanted).map(({ id }) => id);
  return { seen: of("seen"), unclear: of("unclear") };
}

function watched(name: PeerName, what: string, fn: (program: string) => Promise<void>): void {
  const missing = granted(NEEDS) ? peerMissing(name) : null;
  permitted(NEEDS, what, async () => await fn(await peer(name) ?? ""), missing);
}

for (const name of ["obfs4proxy", "lyrebird"] as const) {
  watched(name, `observe() of ${name}'s obfs4: ${RANDOM.join(", ")}`, async (program) => {
    const expected = { seen: RANDOM, unclear: ["probe-timeout"] };
    assertEquals(await sights([program], { transport: "obfs4" }), expected);
  });
}

const URL_IN_TLS = "https://pt.example/secret";

/** Our bridge with TLS, and a client of it. */
async function overTls(
  client: readonly string[],
  others: readonly [string, string][],
  probes: boolean,
) {
  return await withDirectory(async (directory) => {
    const args = [
      ["url", URL_IN_TLS],
      ["addr", "{address}"],
      ["cert", await certificatePin(TEST_CERTIFICATE)],
      ...others,
    ] as [string, string][];
    const serverOptions = await bridgeOptions(directory, URL_IN_TLS, "127.0.0.1:9");
    const options = { transport: "webtunnel", args, serverOptions, peer: PROGRAM, probes };
    return await sights(client, options);
  });
}

permitted(
  NEEDS,
  "observe() of our WebTunnel in TLS: TLS inside, and whose it is outside",
  async () => {
    assertEquals(await overTls(PROGRAM, [], true), {
      seen: ["nested-tls", "tls-fingerprint"],
      unclear: [],
    });
  },
);

/** A hello that is drawn may have no cipher suite that Deno's TLS knows; then others are drawn. */
const NOTHING_IN_COMMON = /NoCipherSuitesInCommon/;
const DRAWS = 5;

async function drawn<T>(watch: () => Promise<T>): Promise<T> {
  for (let draw = 1;; draw++) {
    try {
      return await watch();
    } catch (error) {
      const isUnlucky = error instanceof CensorError && NOTHING_IN_COMMON.test(error.message);
      if (!isUnlucky || draw === DRAWS) throw error;
    }
  }
}

const LYREBIRD: readonly [name: string, utls: [string, string][], seen: string[]][] = [
  ["as a Chrome", [["utls", "hellochrome_auto"]], ["nested-tls"]],
  ["as itself, which is another each time", [], ["nested-tls", "tls-fingerprint"]],
];

for (const [name, utls, seen] of LYREBIRD) {
  watched("lyrebird", `observe() of lyrebird's WebTunnel ${name}: ${seen}`, async (program) => {
    const watch = () => overTls([program], utls, false);
    assertEquals(await drawn(watch), { seen, unclear: [] });
  });
}

const SERVERS: readonly (readonly [name: string, peer: PeerName | null])[] = [
  ["our server of WebTunnel", null],
  ["webtunnel-server", "webtunnel-server"],
];

for (const [name, server] of SERVERS) {
  const missing = !granted(NEEDS)
    ? null
    : (server === null ? null : peerMissing(server)) ?? nginxMissing();
  permitted(
    NEEDS,
    `observe() of ${name} behind nginx: what is seen is the client's, and nothing by probes`,
    async () => {
      await withDirectory(async (directory) => {
        const [front, back] = [freePort(), freePort()];
        await using _nginx = await Nginx.start(directory, front, recipe(front, back));
        const command = server === null ? PROGRAM : [await peer(server) ?? ""];
        const { through, probing } = await observe(PROGRAM, {
          transport: "webtunnel",
          peer: command,
          args: [
            ["url", URL_IN_TLS],
            ["addr", "{address}"],
            ["cert", await certificatePin(TEST_CERTIFICATE)],
          ],
          serverOptions: [["url", URL_IN_TLS]],
          bind: ["127.0.0.1", back],
          front: ["127.0.0.1", front],
          patience: 5_000,
        });
        const findings = [...await judge(through), ...judgeProbes(probing!)];
        const seen = findings.filter(({ sight }) => sight !== "clear").map(({ id }) => id);
        assertEquals(seen, ["nested-tls", "tls-fingerprint"]);
        assert(probing!.outcomes.some(({ answer }) => answer.length > 0), "nginx answers");
      });
    },
    missing,
  );
}
