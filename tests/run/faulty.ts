/**
 * A program of transports that each do one thing wrong, and one that is sound. The names say what
 * they do; for those that hang, the time that they have is over at once.
 */

import { type Address, formatAddress } from "../../address.ts";
import { log } from "../../messages.ts";
import type { StreamConn } from "../../net/mod.ts";
import { run, type Transport } from "../../run/run.ts";
import { changedConn } from "../changed_conn.ts";

/** The 60 s of a transport and the 15 s of `publish()`. */
const LIMITS: readonly unknown[] = [60_000, 15_000];

const setTimer = setTimeout;
const clearTimer = clearTimeout;
/** What happens at the ends of such times that run. */
const ends = new Map<unknown, () => void>();

globalThis.setTimeout = Object.assign((callback: () => void, milliseconds?: number) => {
  const timer = setTimer(callback, milliseconds);
  if (LIMITS.includes(milliseconds)) ends.set(timer, callback);
  return timer;
}, setTimer);
globalThis.clearTimeout = (timer?: Parameters<typeof clearTimer>[0]) => {
  ends.delete(timer);
  clearTimer(timer);
};

/** Hangs, and has its time over as soon as that runs. */
function hang(): Promise<never> {
  setTimer(() => {
    for (const end of ends.values()) end();
    ends.clear();
  });
  return new Promise(() => {});
}

/** What becomes of a connection, at either end. */
type Fault = (
  open: () => Promise<StreamConn>,
  peer: Address,
  signal: AbortSignal,
) => StreamConn | Promise<StreamConn>;

const broken = (): never => {
  throw new Error("broken");
};

const FAULTS: Readonly<Record<string, Fault>> = {
  sound: (open) => open(),
  throws: (_open, [host, port]) => {
    throw new Error(`no way to ${host} port ${port}, nor to 192.0.2.99:80`);
  },
  throws_the_unspeakable: () => {
    throw Object.create(null);
  },
  refuses: () => Promise.reject(new Deno.errors.ConnectionRefused("no")),
  hangs: () => hang(),
  hangs_behind_open: async (open) => {
    await open();
    return await hang();
  },
  returns_late: async (open, _peer, signal) => {
    const conn = await open();
    hang();
    return await new Promise((resolve) => signal.addEventListener("abort", () => resolve(conn)));
  },
  returns_nothing: () => undefined as unknown as StreamConn,
  returns_half: async (open) => ({ ...changedConn(await open(), {}), write: undefined as never }),
  reads_nothing: async (open) => changedConn(await open(), { read: () => Promise.resolve(0) }),
  never_reads: async (open) => changedConn(await open(), { read: () => new Promise(() => {}) }),
  read_throws: async (open) => changedConn(await open(), { read: broken }),
  write_throws: async (open) => changedConn(await open(), { write: broken }),
  close_throws: async (open) => changedConn(await open(), { close: broken }),
  forgets_a_rejection: async (open, peer) => {
    Promise.reject(new Error(`forgotten: ${formatAddress(peer)}`));
    return await open();
  },
  throws_later: async (open) => {
    setTimer(broken);
    return await open();
  },
  finds_no_descriptors: () => {
    throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  },
  says_that_it_closes: async (open) => {
    const conn = await open();
    return changedConn(conn, {
      close() {
        log("notice", "it is closed");
        conn.close();
      },
    });
  },
};

const publishers: Readonly<Record<string, NonNullable<Transport["publish"]>>> = {
  publish_throws: () => broken(),
  publish_hangs: () => hang(),
  publishes_a_space: () => [["key", "two words"]],
  publish_forgets: () => {
    Promise.reject(new Error("forgotten"));
    // It is noticed while this is waited for.
    return new Promise((resolve) => setTimer(resolve, 20, []));
  },
  publishes_half_a_pair: () => [["key"] as unknown as [string, string]],
  publishes_a_number: () => [[5, "value"] as unknown as [string, string]],
};

const transports = Object.entries(FAULTS).map(([name, fault]): [string, Transport] => [name, {
  client: ({ dial, target, signal }) => fault(dial, target, signal),
  server: (conn, { clientAddress, signal }) =>
    fault(() => Promise.resolve(conn), clientAddress, signal),
}]);
const sound = Object.entries(publishers).map(([name, publish]): [string, Transport] => [name, {
  publish,
  server: (conn) => conn,
}]);

await run({
  ...Object.fromEntries([...transports, ...sound]),
  throws_its_option: {
    server(_conn, { options }) {
      throw new Error(`bad ${options.get("k")}`);
    },
  },
});
