/** tor that goes and comes again, and cookies that are none. */

import { bytes } from "../net/scripted_peer.ts";
import type { CookieFile } from "../net/scripted_ext_orport.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { WITHOUT_CAPABILITIES } from "./needs.ts";
import { bridgeScene, ends, type Scene } from "./scene.ts";
import { TorPort } from "./tor_port.ts";
import { comesAbout } from "../waiting.ts";

const EXAMPLES = [
  { example: "dummy_server.ts", transport: "dummy" },
  { example: "rot13.ts", transport: "rot13" },
] as const;

/** Some users come one after the other, and none may be served. */
async function seeTurnedAway(findings: Findings, scene: Scene, count: number): Promise<void> {
  let turnedAway = 0;
  for (let i = 0; i < count; i++) {
    using user = await scene.open();
    if (await ends(user)) turnedAway++;
  }
  findings.see(`${turnedAway} users are let go`, turnedAway === count);
}

const AGAIN = /tor takes connections again/;

const outages = EXAMPLES.map(({ example, transport }): Fault => ({
  what: "the Extended ORPort goes for a while and comes again",
  where: `${example} server`,
  must: "20 users are let go, 1 line when it begins and 1 when it is over",
  waits: 10,
  async try(findings, directory) {
    await using tor = await TorPort.open();
    await using scene = await bridgeScene(tor, { directory, example, transport });
    tor.goDown();
    await seeTurnedAway(findings, scene, 20);
    await tor.comeUp();
    await scene.seeOthers(findings);
    // It says so when nothing has failed for a while.
    const { child } = scene.program;
    const said = child.untilMatch(AGAIN);
    let isSaid = false;
    said.then(() => isSaid = true, () => {});
    await comesAbout(25_000, async () => isSaid || await scene.serves() && isSaid);
    findings.see(isSaid ? "it says when it is over" : "it never says that it is over", isSaid);
    await scene.seeSurvival(findings, { lines: [2] });
  },
}));

/** What becomes of a cookie file, and what a server does about it. */
const COOKIES: readonly (
  & Pick<Fault, "what" | "needs">
  & { prefix?: () => readonly string[]; spoil: (file: CookieFile) => Promise<void> }
)[] = [
  { what: "missing", spoil: ({ path }) => Deno.remove(path) },
  { what: "truncated", spoil: ({ path }) => Deno.truncate(path, 40) },
  { what: "empty", spoil: ({ path }) => Deno.truncate(path, 0) },
  {
    what: "a byte too long",
    spoil: ({ path }) => Deno.writeFile(path, Uint8Array.of(0), { append: true }),
  },
  {
    what: "without its header",
    spoil: (file) => file.write(...bytes("! Extended ORPort Auth Cookie ?\n"), ...file.cookie),
  },
  {
    what: "another one than tor's",
    spoil: (file) =>
      file.write(...bytes("! Extended ORPort Auth Cookie !\n"), ...new Uint8Array(32)),
  },
  {
    what: "a directory",
    async spoil({ path }) {
      await Deno.remove(path);
      await Deno.mkdir(path);
    },
  },
  {
    what: "not to be read",
    needs: ["capabilities"],
    prefix: () => Deno.uid() === 0 ? WITHOUT_CAPABILITIES : [],
    spoil: ({ path }) => Deno.chmod(path, 0),
  },
];

/** Removes whatever stands where the cookie was, and writes a new one. */
async function renew(file: CookieFile): Promise<void> {
  await Deno.remove(file.path, { recursive: true }).catch(() => {});
  await file.renew();
}

const cookies = COOKIES.map(({ what, needs = [], prefix = () => [], spoil }): Fault => ({
  what: `the cookie file is ${what}, then good again`,
  where: "dummy_server.ts",
  must: "3 users are let go and tor gets nothing of theirs, 1 line",
  needs,
  async try(findings, directory) {
    await using tor = await TorPort.open();
    await using scene = await bridgeScene(tor, { directory, prefix: prefix() });
    const { welcomed } = tor;
    await spoil(tor.cookieFile);
    await seeTurnedAway(findings, scene, 3);
    findings.see("tor welcomes nobody", tor.welcomed === welcomed);
    await renew(tor.cookieFile);
    await scene.seeSurvival(findings, { lines: [1], secrets: [tor.cookieFile.path] });
  },
}));

const restart: Fault = {
  what: "tor starts again, with another cookie at the same place",
  where: "dummy_server.ts",
  must: "new connections work with the new cookie, no line",
  async try(findings, directory) {
    await using tor = await TorPort.open();
    await using scene = await bridgeScene(tor, { directory });
    for (let i = 0; i < 3; i++) {
      tor.goDown();
      await tor.cookieFile.renew();
      await tor.comeUp();
      await scene.seeOthers(findings);
    }
    await scene.seeDescriptors(findings);
    await scene.seeWords(findings, { lines: [0] });
  },
};

export const orPort: FaultGroup = { name: "ORPort", faults: [...outages, ...cookies, restart] };
