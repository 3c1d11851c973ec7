/** A program that no time brings to its end: only what it waits for does, or a signal. */

import { run } from "../../run/run.ts";

const LAST_MOMENT = 500;

const { timeout } = AbortSignal;
AbortSignal.timeout = (milliseconds) =>
  milliseconds === LAST_MOMENT ? new AbortController().signal : timeout(milliseconds);
globalThis.setTimeout = Object.assign(() => 0, globalThis.setTimeout);

await run({
  plain: { server: (conn) => conn },
  waits: {
    async client({ dial }) {
      const conn = await dial();
      await conn.read(new Uint8Array(1));
      return conn;
    },
  },
});
