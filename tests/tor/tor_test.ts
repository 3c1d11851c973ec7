/** A private Tor network whose client and bridge meet through rot13. */

import { assertEquals, assertMatch } from "@std/assert";
import { granted, permitted } from "../permitted.ts";
import { downloadThrough } from "./download.ts";
import { startTorNetwork } from "./network.ts";
import { INSTALL, missingPrograms } from "./programs.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";

const name = "rot0r carries the traffic of a Tor client that its bridge counts under rot13";
const missing = granted(["run"]) ? missingPrograms() : [];

if (missing.length > 0) {
  const reason = `[needs ${missing.join(" and ")}; ${INSTALL}]`;
  Deno.test({ name: `${name} ${reason}`, ignore: true, fn: () => {} });
} else {
  permitted(["net", "read", "write", "run"], name, async () => {
    await using network = await startTorNetwork({
      transport: "rot13",
      clientCommand: rot0rClient,
      serverCommand: rot0rServer,
    });
    const { userAddr, seen } = await network.countedClient();
    assertMatch(userAddr, /to '127\.0\.0\.1:[1-9]\d*'/);
    assertEquals(seen, "Seen client from '127.0.0.1' with transport 'rot13'");
    const { bytes } = await downloadThrough(network.socksPort, 1 << 20, network.failed);
    assertEquals(bytes, 1 << 20);
  });
}
