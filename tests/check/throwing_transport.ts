/**
 * Two transports whose server has a bug: it throws. The client of `throwing` grants as soon as there
 * is a connection, that of `greeted` waits for the first byte of its server.
 */

import { readFull } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

function server(): never {
  throw new TypeError("a bug in server()");
}

await run({
  throwing: { client: ({ dial }) => dial(), server },
  greeted: {
    async client({ dial }) {
      const conn = await dial();
      await readFull(conn, new Uint8Array(1));
      return conn;
    },
    server,
  },
});
