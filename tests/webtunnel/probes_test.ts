/** Ten thousand probes of every kind leave the server as it was. */

import { assert, assertEquals } from "@std/assert";
import { writeAll } from "../../net/mod.ts";
import { launchServer } from "../../parent/mod.ts";
import { connectThrough } from "../../run/run.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { residentBytes } from "../../bench/proc.ts";
import { EchoServer } from "../echo.ts";
import { freePort } from "../../testing/free_port.ts";
import { bridgeOptions, PROGRAM } from "../interop/webtunnel_programs.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { TEST_AUTHORITY } from "../net/test_certificates.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { comesAbout, SOON } from "../waiting.ts";
import { KINDS, probe } from "./probes.ts";
import { TestSite } from "./test_server.ts";

const MIB = 1024 * 1024;
const AT_ONCE = 8;

/** A leak of 3 KiB a probe would be more. The garbage of a moment is less, most of the time. */
const MOST_GROWTH = 24 * MIB;

/** A leak grows in each of them, garbage does not. */
const ROUNDS = 3;

function descriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** How many descriptors there are when no connection closes any more. */
async function settled(pid: number): Promise<number> {
  let last = descriptors(pid);
  const isSettled = () => last === (last = descriptors(pid));
  let times = 0;
  assert(await comesAbout(SOON, () => (times = isSettled() ? times + 1 : 0) > 100));
  return last;
}

/** Sends so many probes, some at once, of one kind after the other. */
async function probeAll(count: number, port: number, tls: boolean): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await probe(port, next++ % KINDS, tls).catch(() => {});
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

const missing = Deno.build.os === "linux" ? null : "needs Linux";

for (
  const [way, tls, count] of [
    ["alone, in TLS", true, 1_000],
    ["alone, below TLS", false, 3_000],
    ["behind a reverse proxy", false, 6_000],
  ] as const
) {
  permitted(
    ["env", "net", "read", "write", "run"],
    `webtunnel/main.ts is as it was after ${count} probes (${way})`,
    () =>
      withDirectory(async (state) => {
        await using site = new TestSite();
        using echo = new EchoServer();
        const port = freePort();
        const alone = way !== "behind a reverse proxy";
        const url = `${alone ? "https" : "http"}://pt.example/secret`;
        // Garbage is collected early, so that memory tells what is held.
        const [deno = "", run = "", ...words] = PROGRAM;
        const command = [
          deno,
          run,
          "--v8-flags=--max-semi-space-size=1,--max-heap-size=64",
          ...words,
        ];
        await using server = await launchServer(command, {
          transports: {
            webtunnel: {
              bindAddress: ["127.0.0.1", port],
              options: alone ? await bridgeOptions(state, url, site.addr) : [["url", url]],
            },
          },
          orport: echo.address,
          stateDirectory: `${state}/server`,
        });
        const { pid } = server;
        await probeAll(500, port, tls);
        const before = await settled(pid);
        const growths: number[] = [];
        do {
          const memory = residentBytes(pid);
          await probeAll(count, port, tls);
          assertEquals(await settled(pid), before);
          growths.push(residentBytes(pid) - memory);
        } while (growths.at(-1)! >= MOST_GROWTH && growths.length < ROUNDS);
        const least = Math.min(...growths);
        assert(least < MOST_GROWTH, `${least / MIB} MiB more, ${growths.length} times`);

        const conn = await connectThrough(
          webtunnel({ caCerts: [TEST_AUTHORITY] }),
          ["2001:db8::1", 443],
          { args: [["url", url], ["addr", `127.0.0.1:${port}`]] },
        );
        await writeAll(conn, bytes("hello"));
        assertEquals(await takeText(conn, 5), "hello");
        conn.close();
      }),
    missing,
  );
}
