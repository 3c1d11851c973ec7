/** Peers that refuse, cannot be reached, are silent or slow. */

import type { Address } from "../../address.ts";
import { EchoServer } from "../echo.ts";
import { dribble, take } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import { SILENT } from "../network_namespace.ts";
import { connectRequest, NO_AUTH } from "../net/socks_bytes.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { Cutter } from "./cutter.ts";
import { clientExample, serverExample } from "./example_process.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { withLoneProgram } from "./lone_program.ts";
import { CLOSED } from "./namespace_world.ts";
import { CLOSED_PORT, SilentPeer } from "./silent_peer.ts";
import {
  bridgeScene,
  clientScene,
  echoes,
  ends,
  type Pairing,
  pairScene,
  replyOf,
  SECRET,
  serverScene,
  TLS,
} from "./scene.ts";
import { TorPort } from "./tor_port.ts";
import { pause, within } from "../waiting.ts";

const CLIENT = "dummy_client.ts";
const SERVER = "dummy_server.ts";

/** How long the longest deadline of the library may take, which has 60 s, in milliseconds. */
const LONGEST = 100_000;

async function seeReply(
  findings: Findings,
  socks: Address,
  target: Address,
  wanted: number,
): Promise<void> {
  const reply = await within(LONGEST, "The reply", replyOf(socks, target));
  findings.see(`reply ${reply}`, reply === wanted);
}

/** What makes a fault more than a plain one. */
type More = Pick<Fault, "needs" | "waits">;

const IN_NAMESPACE: More = { needs: ["namespace"] };

/** A client whose bridge cannot be reached. */
function bridge(what: string, to: () => Address, reply: number, more: More = {}): Fault {
  return {
    what: `the bridge ${what}`,
    where: CLIENT,
    must: `reply ${reply}, 1 line, others are served`,
    ...more,
    async try(findings, directory) {
      const target = to();
      await using scene = await clientScene([target], { directory });
      await seeReply(findings, scene.program.address, target, reply);
      await scene.seeSurvival(findings, { lines: [1], secrets: [target[0]] });
    },
  };
}

/** A client whose upstream proxy cannot be reached; no other way is allowed to be tried. */
function proxy(what: string, at: () => Address & Partial<Disposable>, reply: number, more: More) {
  return {
    what: `the upstream proxy ${what}`,
    where: CLIENT,
    must: `reply ${reply}, 1 line`,
    ...more,
    async try(findings: Findings, directory: string) {
      const address = at();
      const command = await clientExample(CLIENT, [address]);
      const variables = { PROXY: `socks5://${address.join(":")}` };
      const start = { command, half: "client", transport: "dummy", variables } as const;
      await withLoneProgram(findings, { ...start, directory, lines: 1 }, async (program) => {
        await seeReply(findings, program.address, ["192.0.2.7", 443], reply);
      });
    },
  };
}

/** A server whose ORPort cannot be reached, with three users that come. */
function orPort(what: string, address: () => Address, more: More): Fault {
  return {
    what: `the ORPort ${what}`,
    where: SERVER,
    must: "three users are let go, 1 line",
    ...more,
    async try(findings, directory) {
      const command = (await serverExample(SERVER)).map((word) =>
        word.startsWith("--allow-net=") ? `${word},${address()[0]}` : word
      );
      const variables = { ORPORT: address().join(":") };
      const start = { command, half: "server", transport: "dummy", variables } as const;
      await withLoneProgram(findings, { ...start, directory, lines: 1 }, async (program) => {
        const [hostname, port] = program.address;
        const users = await Promise.all([1, 2, 3].map(() => Deno.connect({ hostname, port })));
        const all = await Promise.all(users.map((user) => ends(user, LONGEST)));
        findings.see("three users are let go", all.every(Boolean));
        users.forEach((user) => user.close());
      });
    },
  };
}

/** The same ends of the world for bridges, upstream proxies and ORPorts. */
function unreachable(): Fault[] {
  const places: [what: string, host: string, reply: number, more: More][] = [
    ["has no route", CLOSED.nowhere, 3, IN_NAMESPACE],
    ["is said not to be there", CLOSED.unreachable, 4, IN_NAMESPACE],
    ["is forbidden by the system", CLOSED.prohibited, 2, IN_NAMESPACE],
    ["is behind a black hole route", CLOSED.blackholed, 1, IN_NAMESPACE],
    ["gets all packets and answers none", SILENT.far, 6, { ...IN_NAMESPACE, waits: 60 }],
  ];
  return places.flatMap(([what, host, reply, more]) => [
    bridge(what, () => [host, 4443], reply, more),
    proxy(what, () => [host, 4443], reply, more),
    orPort(what, () => [host, 4443], more),
  ]);
}

const refused: Fault[] = [
  bridge("refuses", () => [...CLOSED_PORT], 5),
  proxy("refuses", () => [...CLOSED_PORT], 5, {}),
  orPort("refuses", () => [...CLOSED_PORT], {}),
  bridge("has a name that is nobody's", () => ["nobody.invalid", 4443], 4, IN_NAMESPACE),
];

/** An upstream proxy that takes connections and says nothing. */
const silentProxies = SCHEMES.map((scheme): Fault => ({
  what: `the upstream proxy is silent (${scheme})`,
  where: CLIENT,
  must: "reply 6 after 60 s, 1 line",
  waits: 60,
  async try(findings, directory) {
    using peer = new SilentPeer();
    const command = await clientExample(CLIENT, [peer.address]);
    const variables = { PROXY: `${scheme}://${peer.address.join(":")}` };
    const start = { command, half: "client", transport: "dummy", variables } as const;
    await withLoneProgram(findings, { ...start, directory, lines: 1 }, async (program) => {
      await seeReply(findings, program.address, ["192.0.2.7", 443], 6);
    });
  },
}));

const silentOrPort: Fault = {
  what: "the Extended ORPort is silent",
  where: SERVER,
  must: "the user is let go after 10 s, 1 line",
  waits: 10,
  async try(findings, directory) {
    using peer = new SilentPeer();
    await using tor = await TorPort.open();
    const { path } = tor.cookieFile;
    const command = await serverExample(SERVER, {
      "/var/lib/tor/extended_orport_auth_cookie": path,
    });
    const { variables } = tor.behind(peer.address);
    const start = { command, half: "server", transport: "dummy", variables } as const;
    await withLoneProgram(findings, { ...start, directory, lines: 1 }, async (program) => {
      const [hostname, port] = program.address;
      using user = await Deno.connect({ hostname, port });
      findings.see("the user is let go", await ends(user, LONGEST));
    });
  },
};

/** A bridge that takes a client of an example and says nothing. */
const silentBridges = [TLS, SECRET].map((pairing: Pairing): Fault => ({
  what: "the bridge is silent",
  where: `${pairing.example} client`,
  must: `reply 6 after its deadline, 1 line, others are served`,
  waits: 60,
  async try(findings, directory) {
    using peer = new SilentPeer();
    const { scene, ask } = await pairScene(pairing, Cutter.before, {
      directory,
      targets: [peer.address],
    });
    await using _scene = scene;
    const reply = await within(LONGEST, "The reply", ask(peer.address));
    findings.see(`reply ${reply}`, reply === 6);
    await scene.seeSurvival(findings, { lines: [1, 0] });
  },
}));

/** A client of a bridge who says nothing. */
const silentClients = [TLS, SECRET].map((pairing: Pairing): Fault => ({
  what: "the client is silent",
  where: `${pairing.example} server`,
  must: "it is let go after its deadline, 1 line, others are served",
  waits: 60,
  async try(findings, directory) {
    const { scene } = await pairScene(pairing, Cutter.before, { directory });
    await using _scene = scene;
    const [hostname, port] = scene.programs[1]!.address;
    using conn = await Deno.connect({ hostname, port });
    findings.see("it is let go", await ends(conn, LONGEST));
    await scene.seeSurvival(findings, { lines: [0, 1] });
  },
}));

const silentUser: Fault = {
  what: "users are silent at the beginning, or in the middle, of their requests",
  where: CLIENT,
  must: "they are let go after 10 s, no line, others are served",
  waits: 10,
  async try(findings, directory) {
    await using scene = await clientScene([], { directory });
    const [hostname, port] = scene.program.address;
    const whole = Uint8Array.of(...NO_AUTH, ...connectRequest(["192.0.2.7", 443]));
    const users = await Promise.all(Array.from(whole.keys(), async (length) => {
      const user = await Deno.connect({ hostname, port });
      if (length > 0) await user.write(whole.subarray(0, length));
      return user;
    }));
    const all = await Promise.all(users.map((user) => ends(user, LONGEST)));
    findings.see(`${users.length} are let go`, all.every(Boolean));
    users.forEach((user) => user.close());
    await scene.seeSurvival(findings, { lines: [0] });
  },
};

const slowUser: Fault = {
  what: "a user sends byte by byte",
  where: CLIENT,
  must: "it is served, no line",
  async try(findings, directory) {
    using echo = new EchoServer();
    await using scene = await clientScene([echo.address], { directory });
    const [hostname, port] = scene.program.address;
    using user = await Deno.connect({ hostname, port });
    const sent = Uint8Array.of(...NO_AUTH, ...connectRequest(echo.address), 1, 2, 3);
    await dribble(user, sent);
    const answer = await take(user, 2 + 10 + 3);
    findings.see("it is served", answer[3] === 0 && answer.at(-1) === 3);
    await user.closeWrite();
    findings.see("it ends", (await readToEnd(user)).length === 0);
    await scene.seeSurvival(findings, { lines: [0] });
  },
};

const slowProxies = SCHEMES.map((scheme): Fault => ({
  what: `the upstream proxy speaks byte by byte (${scheme})`,
  where: CLIENT,
  must: "connections work, no line",
  async try(findings, directory) {
    using upstream = new UpstreamProxy(scheme);
    using cutter = await Cutter.before([upstream.info.host, upstream.info.port]);
    cutter.dribbles = true;
    const variables = { PROXY: `${scheme}://${cutter.address.join(":")}` };
    await using scene = await clientScene([cutter.address], { directory, variables });
    await scene.seeSurvival(findings, { lines: [0] });
  },
}));

const slowOrPort: Fault = {
  what: "the Extended ORPort speaks byte by byte",
  where: SERVER,
  must: "connections work, no line",
  async try(findings, directory) {
    await using tor = await TorPort.open();
    using cutter = await Cutter.before(tor.address);
    cutter.dribbles = true;
    await using scene = await bridgeScene(tor.behind(cutter.address), { directory });
    await scene.seeSurvival(findings, { lines: [0] });
  },
};

const slowPairs = [TLS, SECRET].map((pairing: Pairing): Fault => ({
  what: "client and bridge get each other's bytes one by one",
  where: `${pairing.example} client and server`,
  must: "connections work, no line",
  async try(findings, directory) {
    const { scene } = await pairScene(pairing, async (server) => {
      const cutter = await Cutter.before(server);
      cutter.dribbles = true;
      return cutter;
    }, { directory });
    await using _scene = scene;
    await scene.seeSurvival(findings, { lines: [0, 0] });
  },
}));

/** How long packets are lost, in milliseconds; TCP sends them again by itself. */
const LOSS = 2_000;

/** Has packets to a port be lost in this network namespace, or not any more. */
async function losePackets(action: "-A" | "-D", port: number): Promise<void> {
  const rule = ["INPUT", "-p", "tcp", "--dport", String(port), "-j", "DROP"];
  const { success } = await new Deno.Command("iptables", { args: [action, ...rule] }).output();
  if (!success) throw new Error("iptables does not work");
}

const lossy = (["client", "server"] as const).map((half): Fault => ({
  what: `packets to the ${half === "client" ? "bridge" : "ORPort"} are lost for ${LOSS / 1000} s`,
  where: `dummy_${half}.ts`,
  must: "connections through it wait and go on, no line",
  needs: ["namespace", "iptables"],
  waits: 2,
  async try(findings, directory) {
    await using scene = half === "client"
      ? await clientScene([], { directory })
      : await serverScene({ directory });
    const { port } = scene.service;
    await losePackets("-A", port);
    const sent = echoes(scene.standing);
    const fresh = scene.open();
    await pause(LOSS);
    await losePackets("-D", port);
    await within(LONGEST, "What was sent meanwhile", sent);
    findings.see("what was sent meanwhile arrives");
    const conn = await within(LONGEST, "What was opened meanwhile", fresh);
    await within(LONGEST, "What was opened meanwhile", echoes(conn));
    findings.see("what was opened meanwhile works");
    conn.close();
    await scene.seeSurvival(findings, { lines: [0] });
  },
}));

export const peers: FaultGroup = {
  name: "peers",
  faults: [
    ...refused,
    ...unreachable(),
    ...lossy,
    ...silentProxies,
    silentOrPort,
    ...silentBridges,
    ...silentClients,
    silentUser,
    slowUser,
    ...slowProxies,
    slowOrPort,
    ...slowPairs,
  ],
};
