/** State directories in which nothing can be written. */

import { Program, serverExample } from "./example_process.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { withMounts } from "./needs.ts";
import { clientScene, publishedArgs, seeEnd, serverScene } from "./scene.ts";

/** File systems on which nothing can be written, as they are mounted over a directory. */
const FULL =
  "mount -t tmpfs -o size=64k none STATE; dd if=/dev/zero of=STATE/filler 2>/dev/null || :";
const READ_ONLY = "mount -t tmpfs -o ro none STATE";

const MOUNTS = [["is full", FULL], ["is read-only", READ_ONLY]] as const;

/** The directory of the mount, and what mounts it in front of a program. */
async function mounted(directory: string, setup: string) {
  const state = `${directory}/mounted`;
  await Deno.mkdir(state);
  return { state, prefix: withMounts(setup.replaceAll("STATE", state)) };
}

/** A server that has to keep a secret, and cannot. */
function keeper(
  what: string,
  where: string,
  setup: string,
): Fault {
  return {
    what: `the state directory ${what}`,
    where: "secret.ts server",
    must: "SMETHOD-ERROR, DONE, it ends as it should",
    needs: ["mounts"],
    async try(findings, directory) {
      const { state, prefix } = await mounted(directory, setup);
      await using program = await Program.start({
        ...await secretServer(state + where),
        prefix,
      }, directory);
      seeRefusal(findings, await program.untilDone());
      seeEnd(findings, await program.end());
      findings.see("it ends");
    },
  };
}

async function secretServer(state: string) {
  return {
    command: await serverExample("secret.ts", { "/var/lib/tor/pt_state": state }),
    half: "server",
    transport: "secret",
    variables: { ORPORT: "127.0.0.1:1", STATE_LOCATION: state },
  } as const;
}

function seeRefusal(findings: Findings, said: string): void {
  const [line = ""] = /^SMETHOD.*$/m.exec(said) ?? [];
  const refused = line.startsWith("SMETHOD-ERROR secret ");
  findings.see(refused ? "SMETHOD-ERROR" : line, refused);
}

const keepers = [
  keeper("is full", "", FULL),
  keeper("is read-only", "", READ_ONLY),
  keeper("cannot be made, on a file system that is read-only", "/deeper", READ_ONLY),
];

const keptSecret: Fault = {
  what: "the state directory becomes read-only when the secret is kept already",
  where: "secret.ts server",
  must: "it publishes the same secret",
  needs: ["mounts"],
  async try(findings, directory) {
    const state = `${directory}/pt_state`;
    const start = await secretServer(state);
    const secret = async (prefix: readonly string[]) => {
      await using program = await Program.start({ ...start, prefix }, directory);
      return publishedArgs(await program.untilDone()).get("secret");
    };
    const first = await secret([]);
    const bind = `mount --bind ${state} ${state}; mount -o remount,bind,ro ${state}`;
    const second = await secret(withMounts(bind));
    const same = first !== null && first === second;
    findings.see(same ? "it publishes the same secret" : `${first}, then ${second}`, same);
  },
};

const roomAgain: Fault = {
  what: "the state directory is full, and has room when tor starts it again",
  where: "secret.ts server",
  must: "SMETHOD-ERROR, then it publishes a whole secret",
  needs: ["mounts"],
  async try(findings, directory) {
    const { state } = await mounted(directory, FULL);
    const first = `${directory}/first`;
    // Both runs are in one mount namespace; stdin means nothing to the first one.
    const script = `
      ${FULL.replaceAll("STATE", state)}
      env -u TOR_PT_EXIT_ON_STDIN_CLOSE "$@" > ${first} &
      until grep -q DONE ${first}; do sleep 0.1; done
      kill $!
      wait $!
      rm ${state}/filler`;
    const start = await secretServer(state);
    const prefix = withMounts(script);
    await using program = await Program.start({ ...start, prefix }, directory);
    seeRefusal(findings, await Deno.readTextFile(first));
    const secret = publishedArgs(await program.untilDone()).get("secret");
    findings.see(`a secret of ${secret?.length ?? 0} characters`, secret?.length === 64);
  },
};

/** Programs that keep nothing must not care. */
const careless = MOUNTS.flatMap(([what, setup]): Fault[] =>
  (["client", "server"] as const).map((half) => ({
    what: `the state directory ${what}`,
    where: `dummy_${half}.ts`,
    must: "connections work, no line",
    needs: ["mounts"],
    async try(findings, directory) {
      const { state, prefix } = await mounted(directory, setup);
      const options = { directory, prefix };
      const variables = { STATE_LOCATION: `${state}/pt_state` };
      await using scene = half === "client"
        ? await clientScene([], { ...options, variables })
        : await serverScene({ ...options, variables });
      await scene.seeSurvival(findings, { lines: [0] });
    },
  }))
);

export const state: FaultGroup = {
  name: "state",
  faults: [...keepers, keptSecret, roomAgain, ...careless],
};
