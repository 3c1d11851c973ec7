/** Resets at each place of each handshake. */

import { writeAll } from "../../net/mod.ts";
import { connectResettable } from "../../testing/mod.ts";
import { argsFields, connectRequest, NO_AUTH, PASSWORD } from "../net/socks_bytes.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { type Cut, cutsOf, Cutter, type Flight } from "./cutter.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import {
  bridgeScene,
  carries,
  clientScene,
  ends,
  type Pairing,
  pairScene,
  replyOf,
  type Scene,
  SECRET,
  TLS,
} from "./scene.ts";
import { SilentPeer } from "./silent_peer.ts";
import { TorPort } from "./tor_port.ts";
import { comesAbout, SOON, within } from "../waiting.ts";

/** What a handshake over a connection sends, as far as it has to be done before a user is served. */
async function handshakeOf(
  scene: Scene,
  cutter: Cutter,
  isDone: (flights: readonly Flight[]) => boolean,
): Promise<Flight[]> {
  using _conn = await scene.open();
  const done = await comesAbout(SOON, () => isDone(cutter.flights));
  if (!done) throw new Error("The handshake to be cut has not been seen");
  return structuredClone(cutter.flights);
}

/** Cuts a handshake everywhere, one place after the other. */
async function cutEverywhere(
  findings: Findings,
  scene: Scene,
  cutter: Cutter,
  { flights, attempt }: { flights: readonly Flight[]; attempt: (cut: Cut) => Promise<void> },
): Promise<number> {
  const cuts = cutsOf(flights);
  let stands = true;
  for (const cut of cuts) {
    cutter.cut = cut;
    await within(SOON, `What follows a reset behind byte ${cut.after}`, attempt(cut));
    cutter.cut = null;
    stands &&= await carries(scene.standing);
  }
  findings.see(`${cuts.length} resets`);
  if (!stands) findings.see("the standing one is dead", false);
  return cuts.length;
}

/** The replies to requests whose handshakes were cut. */
class Replies {
  readonly #all: number[] = [];

  add(reply: number): void {
    this.#all.push(reply);
  }

  /** A reset is reply 5; so many may come when all that the client needs has come already. */
  see(findings: Findings, mostGranted: number): void {
    const others = this.#all.filter((reply) => reply !== 0 && reply !== 5);
    if (others.length > 0) findings.see(`replies ${others}`, false);
    const granted = this.#all.filter((reply) => reply === 0).length;
    const right = granted <= mostGranted;
    findings.see(right ? "reply 5 in the handshake" : `granted ${granted} times`, right);
  }
}

/** What a user says to a client, by the kind of its request. */
const REQUESTS: readonly [what: string, before: readonly number[]][] = [
  ["without authentication", NO_AUTH],
  ["with arguments", [...PASSWORD, ...argsFields("k=v")]],
];

const socks = REQUESTS.map(([what, before]): Fault => ({
  what: `a user resets at each byte of a SOCKS request ${what}`,
  where: "dummy_client.ts",
  must: "no line in the handshake, others are served",
  async try(findings, directory) {
    using peer = new SilentPeer();
    await using scene = await clientScene([peer.address], { directory });
    const whole = Uint8Array.of(...before, ...connectRequest(["192.0.2.7", 443]));
    let stands = true;
    for (let length = 0; length < whole.length; length++) {
      using user = await connectResettable(scene.program.address[1]);
      await writeAll(user, whole.subarray(0, length));
      user.reset();
      stands &&= await carries(scene.standing);
    }
    findings.see(`${whole.length} resets`);
    if (!stands) findings.see("the standing one is dead", false);
    await scene.seeSurvival(findings, { lines: [0] });
  },
}));

const waitingUser: Fault = {
  what: "a user resets while the bridge's handshake goes on",
  where: "secret.ts client",
  must: "1 line, the bridge's connection ends",
  async try(findings, directory) {
    using bridge = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = ["127.0.0.1", bridge.addr.port] as const;
    const { scene } = await pairScene(SECRET, Cutter.before, { directory, targets: [address] });
    await using _scene = scene;
    using user = await connectResettable(scene.program.address[1]);
    const fields = argsFields("secret=swordfish");
    await writeAll(user, Uint8Array.of(...PASSWORD, ...fields, ...connectRequest([...address])));
    using conn = await within(SOON, "The connection to the bridge", bridge.accept());
    user.reset();
    findings.see("the bridge's connection ends", await ends(conn));
    await scene.seeSurvival(findings, { lines: [1, 0], secrets: ["swordfish"] });
  },
};

/** The last word of a proxy's handshake is the proxy's. */
const isGranted = (flights: readonly Flight[]) => flights.at(-1)?.from === "listening";

const proxies = SCHEMES.flatMap((scheme) =>
  ["", scheme === "socks4a" ? "somebody" : "somebody:swordfish"].map((user): Fault => ({
    what: `the upstream proxy resets at each place (${scheme}${user && ", authenticated"})`,
    where: "dummy_client.ts",
    must: "reply 5 and 1 line each, others are served",
    async try(findings, directory) {
      using upstream = new UpstreamProxy(scheme);
      using cutter = await Cutter.before([upstream.info.host, upstream.info.port]);
      const uri = `${scheme}://${user && `${user}@`}${cutter.address.join(":")}`;
      const variables = { PROXY: uri };
      await using scene = await clientScene([cutter.address], { directory, variables });
      const flights = await handshakeOf(scene, cutter, isGranted);
      const target = [upstream.info.host, upstream.info.port] as const;
      const replies = new Replies();
      const count = await cutEverywhere(findings, scene, cutter, {
        flights,
        attempt: async () => replies.add(await replyOf(scene.program.address, target)),
      });
      replies.see(findings, 1);
      await scene.seeSurvival(findings, {
        lines: [{ oneEach: count }],
        secrets: ["swordfish"],
      });
    },
  }))
);

const orPort: Fault = {
  what: "the Extended ORPort resets at each place",
  where: "dummy_server.ts",
  must: "the user is let go, 1 line for all in the handshake and 1 behind it, others are served",
  async try(findings, directory) {
    await using tor = await TorPort.open();
    using cutter = await Cutter.before(tor.address);
    await using scene = await bridgeScene(tor.behind(cutter.address), { directory });
    // Offer, choice and nonce, proof, proof, yes, commands, OKAY.
    const flights = await handshakeOf(scene, cutter, (flights) => flights.length === 7);
    let letGo = 0;
    const count = await cutEverywhere(findings, scene, cutter, {
      flights,
      attempt: async () => {
        using user = await scene.open();
        if (await ends(user)) letGo++;
      },
    });
    findings.see(`${letGo} users are let go`, letGo === count);
    await scene.seeSurvival(findings, { lines: [2] });
  },
};

/** Client, server, client: these handshakes have three flights, and TLS sends something behind them. */
const FLIGHTS = 3;

const pairs = [TLS, SECRET].map((pairing: Pairing): Fault => ({
  what: "the connection is reset at each place of the transport's handshake",
  where: `${pairing.example} client and server`,
  must: "reply 5 and 1 line each, at most 1 line each of the server, others are served",
  async try(findings, directory) {
    const { scene, between, ask } = await pairScene(pairing, Cutter.before, { directory });
    await using _scene = scene;
    const watched = await handshakeOf(scene, between, (flights) => flights.length >= FLIGHTS);
    const flights = watched.slice(0, FLIGHTS);
    const replies = new Replies();
    const count = await cutEverywhere(findings, scene, between, {
      flights,
      attempt: async () => replies.add(await ask()),
    });
    // A client is through when it has the bridge's flight, whatever becomes of its own last one.
    replies.see(findings, 3);
    await scene.seeSurvival(findings, { lines: [{ oneEach: count }, { atMost: count }] });
  },
}));

export const resets: FaultGroup = {
  name: "resets",
  faults: [...socks, waitingUser, ...proxies, orPort, ...pairs],
};
