/** A program that no time brings to its end: only what it waits for does, or a signal. */

import { run } from "../../run/run.ts";

const LAST_MOMENT = 500;

const { timeout } = AbortSignal;
AbortSignal.timeout = (milliseconds) =>
  milliseconds === LAST_MOMENT ? new AbortController().signal : timeout(milliseconds);
/** How long it takes until a user is watched. */
const QUICK = 1_000;

const setTimer = setTimeout;
globalThis.setTimeout = Object.assign(
  (callback: () => void, milliseconds?: number) =>
    milliseconds === QUICK ? setTimer(callback, milliseconds) : 0,
  setTimer,
);

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
