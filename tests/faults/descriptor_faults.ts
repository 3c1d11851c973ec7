/** Descriptors that strangers use up. */

import type { Address } from "../../address.ts";
import type { Fault, FaultGroup } from "./fault.ts";
import { carries, clientScene, type Scene, serverScene } from "./scene.ts";
import { comesAbout, SOON } from "../waiting.ts";

const MOST = 64;
const LIMITED = ["sh", "-c", `ulimit -n ${MOST}; exec "$@"`, "sh"];

/** Comes in a crowd that says nothing, and more of it than there are descriptors. */
async function crowd([hostname, port]: Address): Promise<Deno.TcpConn[]> {
  return await Promise.all(
    Array.from({ length: 3 * MOST }, () => Deno.connect({ hostname, port })),
  );
}

/** How often the crowd comes: the log must not grow with it. */
const ROUNDS = 3;

/** How long it may take until they are used up, in milliseconds. */
const FULL = 10_000;

/** How late the quickest new connection after a crowd may be, in milliseconds; it takes one second. */
const LATE = 10_000;

const EXAMPLES = [
  ["client", "dummy_client.ts", "dummy"],
  ["server", "dummy_server.ts", "dummy"],
  ["client", "rot13.ts", "rot13"],
  ["server", "rot13.ts", "rot13"],
] as const;

async function limitedScene(
  [half, example, transport]: typeof EXAMPLES[number],
  directory: string,
): Promise<Scene> {
  const options = { directory, prefix: LIMITED, example, transport };
  return half === "client" ? await clientScene([], options) : await serverScene(options);
}

const usedUp = EXAMPLES.map((example): Fault => ({
  what: `${ROUNDS} crowds use up the descriptors and go`,
  where: `${example[1]} ${example[0]}`,
  must: "a new one works soon, each time at most 1 line when it begins and 1 when it is over",
  waits: 10,
  async try(findings, directory) {
    await using scene = await limitedScene(example, directory);
    const { program } = scene;
    let isShort = false;
    program.child.untilMatch(/Too many open files/).then(() => isShort = true, () => {});
    let quickest = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const strangers = await crowd(program.address);
      // On a busy machine some may be given back before they are counted here; then it is said.
      const full = await comesAbout(FULL, () => program.descriptors() >= MOST - 2);
      if (!full && !isShort) findings.see("the descriptors are not used up", false);
      const stands = await carries(scene.standing);
      if (!stands) findings.see("the standing one is dead", false);
      strangers.forEach((stranger) => stranger.close());
      const start = performance.now();
      const serves = await comesAbout(SOON, () => scene.serves());
      quickest = Math.min(quickest, performance.now() - start);
      findings.see(serves ? "a new one works" : "no new one works", serves);
    }
    // On a busy machine one of them may take longer.
    if (quickest > LATE) findings.see(`the quickest after ${quickest} ms`, false);
    let isSaid = false;
    program.child.untilMatch(/There are file descriptors/).then(() => isSaid = true, () => {});
    await comesAbout(25_000, async () => isSaid || await scene.serves() && isSaid);
    findings.see(isSaid ? "it says when it is over" : "it never says that it is over", isSaid);
    // Between two crowds it may be over for so long that it is said each time.
    await scene.seeSurvival(findings, { lines: [{ atMost: 2 * ROUNDS }] });
  },
}));

export const descriptors: FaultGroup = { name: "descriptors", faults: usedUp };
