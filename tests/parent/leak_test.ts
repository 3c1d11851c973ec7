/** A thousand launches leave nothing behind: no file descriptor, no process, no memory. */

import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { launchClient } from "../../parent/mod.ts";
import { peerMissing } from "../interop/peers.ts";
import { granted, withDirectory } from "../permitted.ts";

/** As little of a transport as there can be. It ends with its stdin. */
const TINY = [
  "sh",
  "-c",
  "echo VERSION 1; echo CMETHOD obfs4 socks5 127.0.0.1:1; echo CMETHODS DONE; read -r _; exit 0",
];

/** The bytes of the heap that are in use when all garbage has been collected. */
function heap(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return Deno.memoryUsage().heapUsed;
}

/** The processes, dead ones too, of which this one is the parent. */
function children(): string[] {
  return Array.from(Deno.readDirSync("/proc"), ({ name }) => name)
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === Deno.pid);
}

function parentOf(pid: string): number | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
  } catch {
    return null; // It ended while it was looked at.
  }
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

async function launches(count: number, command: readonly string[], state: string): Promise<void> {
  for (let launch = 0; launch < count; launch++) {
    await using client = await launchClient(command, {
      transports: ["obfs4"],
      stateDirectory: state,
      timeout: 60_000,
    });
    assertEquals(client.methods["obfs4"]?.socksVersion, 5);
  }
}

function leavesNothing(what: string, command: readonly string[], missing: string | null): void {
  const needs = Deno.build.os !== "linux"
    ? "counts what is left in Linux's /proc"
    : granted(["run", "read", "write"])
    ? missing
    : "needs --allow-run --allow-read --allow-write";
  Deno.test({
    name: `launchClient() leaks nothing in a thousand launches of ${what}` +
      (needs === null ? "" : ` [${needs}]`),
    ignore: needs !== null,
    async fn() {
      await withDirectory(async (state) => {
        // The first ones warm up what is made once, such as compiled code.
        await launches(200, command, state);
        const [fds, pids, bytes] = [descriptors(), children(), heap()];
        await launches(1_000, command, state);
        assertEquals([descriptors(), children()], [fds, pids]);
        const growth = heap() - bytes;
        assert(growth < 512 * 1024, `the heap grew by ${growth} bytes`);
      });
    },
  });
}

leavesNothing("a tiny transport", TINY, null);
leavesNothing("obfs4proxy", ["obfs4proxy"], peerMissing("obfs4proxy"));
