/** Two tors with one identity behind one address of a transport, with HAProxy between. */

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { Deadline, dialOr } from "../../net/mod.ts";
import { granted, permitted } from "../permitted.ts";
import { startBalancedNetwork } from "./balanced_network.ts";
import { downloadThrough } from "../../tor/download.ts";
import { INSTALL_HAPROXY } from "./haproxy.ts";
import { INSTALL, isInstalled, missingPrograms } from "../../tor/programs.ts";

const SIZE = 1 << 20;
const HELD = 10;

/** Why the test cannot run here; null where it can. */
function missing(): string | null {
  if (!granted(["run"])) return null;
  if (missingPrograms().length > 0) return `needs tor; ${INSTALL}`;
  return isInstalled("haproxy") ? null : `needs haproxy; ${INSTALL_HAPROXY}`;
}

permitted(
  ["net", "read", "write", "run"],
  "two tors with one identity share the clients of one transport, and one of them is enough",
  async () => {
    await using network = await startBalancedNetwork({ clients: 2 });
    using deadline = new Deadline(60_000, "The test", network.failed);
    const { signal } = deadline;
    const { tors, haproxy, socksPorts } = network;

    const shares = (await haproxy.sessions()).map(({ open }) => open);
    assertEquals(shares.map((open) => open > 0), [true, true], `open connections: ${shares}`);
    // What came through HAProxy and static_cookie.ts: the client's address, and the transport.
    for (const { process } of tors) {
      await process.logged(/Received USERADDR.* to '127\.0\.0\.1:[1-9]\d*'/, signal);
      await process.logged(/Seen client from '127\.0\.0\.1' with transport 'rot13'/, signal);
    }
    const download = async () => {
      for (const port of socksPorts) {
        assertEquals((await downloadThrough(port, SIZE, signal)).bytes, SIZE);
      }
    };
    await download();

    const held = await Promise.all(
      Array.from({ length: HELD }, () => dialOr(network.balanced, { transport: "rot13", signal })),
    );
    const [first, second] = await haproxy.sessions();
    assertLessOrEqual(Math.abs(first!.open - second!.open), 1);
    for (const conn of held) conn.close();

    await network.stop(tors[0]!);
    await download(); // Half of the clients have to come to the other tor, which knows their keys.
    const [gone] = await haproxy.sessions();
    assert(gone!.open === 0, "the tor that has ended has connections");
  },
  missing(),
);
