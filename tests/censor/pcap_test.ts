/** Captures are written so that those who read captures find in them what passed. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { askNdpi, bursts, type Flow, toPcap } from "../../censor/mod.ts";
import { judgeNames, parseNdpi } from "../../censor/ndpi.ts";
import { packetsOf } from "../../censor/tcp_packets.ts";
import { concat } from "../../net/conn.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { flowOf, random } from "./flows.ts";
import { alpn, handshake, list16, records, serverName } from "./hello_bytes.ts";

const NEEDS = ["read", "write", "run"] as const;

/** What a program says; null where it is not installed. */
async function says(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command(program, { args: [...args], stderr: "null" })
      .output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return null;
  }
}

async function missing(program: string): Promise<string | null> {
  if (!granted(NEEDS)) return null;
  return await says(program, ["-h"]) === null ? `needs ${program}` : null;
}

const CLOSED: Flow = [
  ...flowOf(random(10), random(60_000), random(3)),
  { fromClient: true, time: 5, bytes: new Uint8Array(), end: "fin" },
  { fromClient: false, time: 6, bytes: random(1_461) },
  { fromClient: false, time: 7, bytes: new Uint8Array(), end: "fin" },
];
const RESET: Flow = [
  ...flowOf(random(2_000)),
  { fromClient: false, time: 2.25, bytes: new Uint8Array(), end: "rst" },
  { fromClient: true, time: 3, bytes: new Uint8Array(), end: "fin" },
];
const SERVER_FIRST: Flow = flowOf(random(1), random(7)).map((segment) => ({
  ...segment,
  fromClient: !segment.fromClient,
}));
const FLOWS = [CLOSED, RESET, SERVER_FIRST];

async function withCapture(flows: readonly Flow[], use: (file: string) => Promise<void>) {
  await withDirectory(async (directory) => {
    const file = `${directory}/flows.pcap`;
    await Deno.writeFile(file, toPcap(flows));
    await use(file);
  });
}

function sent(flow: Flow, fromClient: boolean): string {
  const mine = bursts(flow).filter((burst) => burst.fromClient === fromClient);
  return concat(...mine.map(({ bytes }) => bytes)).toHex();
}

Deno.test("toPcap() gives each connection a client of its own, at a port that belongs to nobody", () => {
  const clients = new Set(
    Array.from({ length: 20_000 }, (_, number) => {
      const { frame } = packetsOf([], number)[0]!;
      const view = new DataView(frame.buffer);
      const port = view.getUint16(14 + 20);
      assert(port >= 49_152, `${port}`);
      return `${frame.subarray(26, 30)}:${port}`;
    }),
  );
  assertEquals(clients.size, 20_000);
});

/** A stream as tshark puts it together, by who sent it. */
async function followed(file: string, number: number): Promise<[client: string, server: string]> {
  const text = await says("tshark", ["-r", file, "-q", "-z", `follow,tcp,raw,${number}`]) ?? "";
  const lines = text.split("Node 1:")[1]?.split("\n").slice(1) ?? [];
  const hex = lines.filter((line) => /^\t?[0-9a-f]+$/.test(line));
  const [indented, plain] = [true, false].map((isIndented) =>
    hex.filter((line) => line.startsWith("\t") === isIndented).join("").replaceAll("\t", "")
  );
  // tshark indents the one that Node 1 is: the server, or the client where the server spoke first.
  const isClientFirst = /Node 0: 192\.0\.2\.1/.test(text);
  return isClientFirst ? [plain!, indented!] : [indented!, plain!];
}

const tshark = await missing("tshark");

permitted(NEEDS, "toPcap(): tshark puts every stream together, byte for byte", async () => {
  await withCapture(FLOWS, async (file) => {
    for (const [index, flow] of FLOWS.entries()) {
      assertEquals(await followed(file, index), [sent(flow, true), sent(flow, false)]);
    }
  });
}, tshark);

permitted(NEEDS, "toPcap(): tshark finds no error in it", async () => {
  await withCapture(FLOWS, async (file) => {
    const checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    const wrong = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || " +
      "_ws.malformed || _ws.expert.severity >= 0x00800000";
    assertEquals(await says("tshark", ["-r", file, ...checks, "-Y", wrong]), "");
    const ends = ["-Y", "tcp.flags.fin == 1 || tcp.flags.reset == 1", "-T", "fields"];
    const fields = ["-e", "tcp.stream", "-e", "ip.src", "-e", "tcp.flags.reset"];
    assertEquals((await says("tshark", ["-r", file, ...ends, ...fields]))?.trim().split("\n"), [
      "1\t198.51.100.1\t1",
      "0\t192.0.2.1\t0",
      "0\t198.51.100.1\t0",
    ]);
  });
}, tshark);

permitted(NEEDS, "toPcap(): tshark reads its times", async () => {
  const start = Date.UTC(2026, 10, 26, 12, 0, 0);
  const flow = CLOSED.map((segment) => ({ ...segment, time: start + segment.time + 0.125 }));
  await withCapture([flow], async (file) => {
    const args = ["-r", file, "-Y", "tcp.len == 3", "-T", "fields", "-e", "frame.time_epoch"];
    assertMatch(await says("tshark", args) ?? "", new RegExp(`^${start / 1000}\\.002125`));
  });
}, tshark);

const HELLO = records(handshake({
  ciphers: [0x1301, 0xc02f],
  extensions: [
    serverName("www.example.com"),
    alpn("h2"),
    [10, list16(29)],
    [11, [1, 0]],
    [13, list16(0x0403)],
  ],
}));

permitted(NEEDS, "askNdpi() hears the names of protocols, and of what has none", async () => {
  const tls = flowOf(HELLO, records(random(90)), random(50));
  assertMatch((await askNdpi([tls]))?.figure ?? "", /^TLS: 1$/);
  assertEquals((await askNdpi([tls]))?.sight, "clear");
  const silent = flowOf(new Uint8Array(3).fill(0xfe), new Uint8Array(3).fill(0xfd));
  assertEquals((await askNdpi([silent, silent]))?.sight, "seen");
}, await missing("ndpiReader"));

const OUTPUT = `Using nDPI (4.2.0)

Detected protocols:
\tUnknown              packets: 3950          bytes: 1968703       flows: 2            
\tTLS.Google           packets: 37            bytes: 16815         flows: 3            

Protocol statistics:
\tUnrated                    1968703 bytes
`;

Deno.test("parseNdpi() reads the names and the connections", () => {
  assertEquals([...parseNdpi(OUTPUT)], [["Unknown", 2], ["TLS.Google", 3]]);
  assertEquals(judgeNames(parseNdpi(OUTPUT)), {
    sight: "clear",
    figure: "Unknown: 2, TLS.Google: 3",
  });
  assertEquals(judgeNames(parseNdpi("")).sight, "unclear");
});

const NAMES: readonly [names: readonly [string, number][], sight: string][] = [
  [[["Unknown", 15], ["TLS", 15]], "seen"],
  [[["Unknown", 14], ["TLS", 16]], "clear"],
  [[["Tor", 30]], "seen"],
  [[["TLS.Tor", 30]], "seen"],
  [[["OpenVPN", 20], ["TLS", 10]], "seen"],
  [[["HTTP_Proxy", 30]], "seen"],
  [[["Tor", 8], ["Unknown", 7], ["HTTP", 15]], "seen"],
  [[["TLS.Google", 30]], "clear"],
  [[["BitTorrent", 30]], "clear"],
];

for (const [names, sight] of NAMES) {
  Deno.test(`judgeNames() of ${names.join(" and ")}: ${sight}`, () => {
    assertEquals(judgeNames(new Map(names)).sight, sight);
  });
}
