/**
 * A program of transports that each do one thing wrong at either end, beside a sound one. The names
 * say what they do. All times are those of the library.
 */

import type { StreamConn } from "../../net/mod.ts";
import { run, type Transport } from "../../run/run.ts";
import { changedConn } from "../changed_conn.ts";

type Open = () => Promise<StreamConn>;

/** What becomes of a connection, at either end. */
type Fault = (open: Open) => StreamConn | Promise<StreamConn>;

/** A wrapped connection that does some things otherwise. */
function changed(changes: Partial<StreamConn>): Fault {
  return async (open) => changedConn(await open(), changes);
}

/** What is no connection, however it comes. */
function returns(value: unknown): Fault {
  return () => value as StreamConn;
}

function throws(value: unknown): Fault {
  return () => {
    throw value;
  };
}

const never = () => new Promise<never>(() => {});

const ADDRESSES = "no way to 192.0.2.99:80, [2001:db8::99]:443 or 192.0.2.98 port 1";

const unspeakable = { toString: () => unspeakable };

/** How much one of them prints, in bytes. */
const FLOOD = 4 * 1024 * 1024;

const FAULTS: Readonly<Record<string, Fault>> = {
  throws: throws(new Error(ADDRESSES)),
  rejects: () => Promise.reject(new Error(ADDRESSES)),
  throws_text: throws(ADDRESSES),
  throws_nothing: throws(undefined),
  throws_null: throws(null),
  throws_the_unspeakable: throws(unspeakable),
  throws_a_long_text: throws(new Error(`${ADDRESSES} `.repeat(100_000))),
  throws_lines: throws(new Error(`one\r\nSMETHODS DONE\r\nCMETHOD x socks5 192.0.2.99:80\n"\\\0`)),
  hangs: never,
  hangs_behind_open: async (open) => {
    await open();
    return await never();
  },
  returns_undefined: returns(undefined),
  returns_a_number: returns(7),
  returns_an_empty_object: returns({}),
  returns_no_read: async (open) => changedConn(await open(), { read: undefined as never }),
  returns_a_closed_one: async (open) => {
    const conn = await open();
    conn.close();
    return conn;
  },
  closes_twice: async (open) => {
    const conn = await open();
    conn.close();
    conn.close();
    return conn;
  },
  close_throws: changed({ close: throws(new Error(ADDRESSES)) as () => never }),
  close_write_throws: changed({ closeWrite: throws(new Error(ADDRESSES)) as () => never }),
  writes_after_close: async (open) => {
    const conn = await open();
    return changedConn(conn, {
      close() {
        conn.close();
        conn.write(Uint8Array.of(1)); // Nobody catches what that throws.
      },
    });
  },
  forgets_a_rejection: async (open) => {
    Promise.reject(new Error(ADDRESSES));
    return await open();
  },
  throws_later: async (open) => {
    setTimeout(throws(new Error(ADDRESSES)) as () => never);
    return await open();
  },
  reads_zero_bytes: changed({ read: () => Promise.resolve(0) }),
  reads_not_a_number: changed({ read: () => Promise.resolve(NaN) }),
  reads_text: changed({ read: () => Promise.resolve("7" as never) }),
  reads_too_many: changed({ read: (p) => Promise.resolve(p.length + 1) }),
  reads_undefined: changed({ read: () => undefined as never }),
  read_throws: changed({ read: throws(new Error(ADDRESSES)) as () => never }),
  never_reads: changed({ read: never }),
  never_writes: changed({ write: never }),
  writes_zero_bytes: changed({ write: () => Promise.resolve(0) }),
  writes_too_many: changed({ write: (p) => Promise.resolve(p.length + 1) }),
  write_throws: changed({ write: throws(new Error(ADDRESSES)) as () => never }),
  reads_for_ever: changed({ read: (p) => Promise.resolve(p.length) }),
  prints: async (open) => {
    const line = ADDRESSES.padEnd(1023, ".");
    for (let i = 0; i < FLOOD / 1024; i++) console.log(line);
    return await open();
  },
};

type Publish = NonNullable<Transport["publish"]>;

const PUBLISHERS: Readonly<Record<string, Publish>> = {
  publish_throws: () => {
    throw new Error(ADDRESSES);
  },
  publish_rejects_text: () => Promise.reject(ADDRESSES),
  publish_hangs: never,
  publishes_undefined: () => undefined as never,
  publishes_a_number: () => 7 as never,
  publishes_short_pairs: () => [["key"]] as never,
  publishes_a_line: () => [["key", "a\nSMETHODS DONE"]],
};

const transports = Object.entries(FAULTS).map(([name, fault]): [string, Transport] => [name, {
  client: ({ dial }) => fault(dial),
  server: (conn) => fault(() => Promise.resolve(conn)),
}]);
const publishers = Object.entries(PUBLISHERS).map(([name, publish]): [string, Transport] => [name, {
  publish,
  server: (conn) => conn,
}]);

await run({
  sound: { client: ({ dial }) => dial(), server: (conn) => conn },
  ...Object.fromEntries([...transports, ...publishers]),
});
