/** No transport outlives the program that launched it, however that ends. */

import { assertEquals } from "@std/assert";
import { LineReader } from "../../parent/line.ts";
import { peerMissing } from "../interop/peers.ts";
import { granted } from "../permitted.ts";

const PARENT = new URL("../../parent/mod.ts", import.meta.url).href;
const PLAIN = new URL("./plain_transport.ts", import.meta.url).href;

/** Launches each command twice, says the ports on which they listen, and waits for its end. */
function launcher(command: readonly string[], transport: string, state: string): Deno.Command {
  const program = `
    import { launchClient } from ${JSON.stringify(PARENT)};
    for (const name of ["a", "b"]) {
      const client = await launchClient(${JSON.stringify(command)}, {
        transports: [${JSON.stringify(transport)}],
        stateDirectory: ${JSON.stringify(state)} + name,
      });
      console.log(client.methods[${JSON.stringify(transport)}].address[1]);
    }
    setInterval(() => {}, 1000);`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", program],
    stdin: "null",
    stdout: "piped",
  });
}

/** The first lines of a stream. */
async function firstLines(stream: ReadableStream<Uint8Array>, count: number): Promise<string[]> {
  const reader = new LineReader();
  const lines: string[] = [];
  for await (const chunk of stream) {
    lines.push(...reader.push(chunk).map(String));
    if (lines.length >= count) return lines;
  }
  throw new Error("the launcher has ended");
}

/**
 * Whether nobody listens on a port any more. A transport that is about to end may still take a
 * connection; one that lives does, and again and again.
 */
async function deserted(port: number): Promise<boolean> {
  const giveUp = performance.now() + 20_000;
  while (performance.now() < giveUp) {
    try {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await conn.read(new Uint8Array(1));
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return true;
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }
  return false;
}

function whenKilled(what: string, command: readonly string[], transport: string, missing: string) {
  const needs = granted(["net", "run", "read", "write"])
    ? missing
    : " [needs --allow-net --allow-run --allow-read --allow-write]";
  Deno.test({
    name: `launchClient() leaves no ${what} behind when its program is killed${needs}`,
    ignore: needs !== "",
    async fn() {
      const state = await Deno.makeTempDir();
      const child = launcher(command, transport, `${state}/`).spawn();
      try {
        const ports = await firstLines(child.stdout, 2);
        child.kill("SIGKILL");
        assertEquals(await Promise.all(ports.map((port) => deserted(Number(port)))), [true, true]);
      } finally {
        try {
          child.kill("SIGKILL");
        } catch {
          // As it should be, it has been killed.
        }
        await child.status;
        await Deno.remove(state, { recursive: true });
      }
    },
  });
}

const run = [Deno.execPath(), "run", "--no-config", "--no-prompt", "--allow-all", PLAIN];
whenKilled("transport of ours", run, "plain", "");
const missing = peerMissing("obfs4proxy");
whenKilled("obfs4proxy", ["obfs4proxy"], "obfs4", missing === null ? "" : ` [${missing}]`);
