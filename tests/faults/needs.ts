/** What some faults need of the machine. */

import { inClosedWorld } from "./namespace_world.ts";
import type { Need } from "./fault.ts";

/** Where Debian's package libfaketime puts its library. */
const FAKETIME_DIRECTORIES = ["/usr/lib", `/usr/lib/${Deno.build.arch}-linux-gnu`];

/** The library that shows a program another time; null where it is not installed. */
export function faketimeLibrary(): string | null {
  const paths = FAKETIME_DIRECTORIES.map((path) => `${path}/faketime/libfaketime.so.1`);
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Whether a command can be run here, and says that it went well. */
function works([program = "", ...args]: readonly string[]): boolean {
  try {
    const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
    return new Deno.Command(program, options).outputSync().success;
  } catch {
    return false;
  }
}

/** Runs a command with file systems of its own, that `setup` mounts. */
export function withMounts(setup: string, command: readonly string[] = []): string[] {
  const script = `set -e; ${setup}; exec "$@"`;
  return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", ...command];
}

/** What runs a program that may not read files in spite of their modes. */
export const WITHOUT_CAPABILITIES: readonly string[] = [
  "setpriv",
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];

/** For each need a look whether it is there, and how to get it. */
const LOOKS: Readonly<Record<Need, [isThere: () => boolean, remedy: string]>> = {
  namespace: [
    () => works(inClosedWorld(["true"])),
    "the right to make a network namespace, unshare of util-linux and ip of iproute2",
  ],
  iptables: [
    () => works(inClosedWorld(["iptables", "-A", "OUTPUT", "-d", "192.0.2.1", "-j", "DROP"])),
    "iptables, and the right to use it in a namespace",
  ],
  mounts: [
    () => works(withMounts("mount -t tmpfs -o size=64k none /mnt", ["true"])),
    "the right to mount a tmpfs in a namespace, and unshare of util-linux",
  ],
  capabilities: [
    () => Deno.uid() !== 0 || works([...WITHOUT_CAPABILITIES, "true"]),
    "setpriv of util-linux, as root",
  ],
  faketime: [() => faketimeLibrary() !== null, "the package libfaketime"],
};

/** What is missing; null where there is all that is needed. */
export function missing(needs: readonly Need[]): string | null {
  const lacks = needs.filter((need) => !LOOKS[need][0]()).map((need) => LOOKS[need][1]);
  return lacks.length === 0 ? null : `not tried here: needs ${lacks.join("; ")}`;
}
