/** Connections with a fault each, for the contract of a `StreamConn` to find. */

import { closeQuietly, type StreamConn, writeAll } from "../../net/mod.ts";
import { type ConnPair, memoryPair } from "../../testing/mod.ts";
import { changedConn } from "../changed_conn.ts";

/** Gives the connection a fault; the other end of it is a good one. */
type Fault = (conn: StreamConn) => StreamConn;

/** What is read, in chunks of its own. */
async function chunk(conn: StreamConn, size: number): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(size);
  const count = await conn.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}

/** Each fault, and a part of the name of the rule that has to find it. */
export const FAULTS: Readonly<Record<string, [rule: string, fault: Fault]>> = {
  "changes one byte far behind": ["carries every byte", (conn) => {
    let read = 0;
    return changedConn(conn, {
      async read(p) {
        const count = await conn.read(p);
        if (count !== null && read <= 200_000 && read + count > 200_000) p[200_000 - read]! ^= 1;
        read += count ?? 0;
        return count;
      },
    });
  }],
  "says that it took everything, and took a half": [
    "carries every byte",
    (conn) =>
      changedConn(conn, {
        async write(p) {
          await writeAll(conn, p.subarray(0, Math.ceil(p.length / 2)));
          return p.length;
        },
      }),
  ],
  "takes nothing": [
    "carries every byte",
    (conn) => changedConn(conn, { write: () => Promise.resolve(0) }),
  ],
  "drops what does not fit into a small read": ["reads of any size", (conn) =>
    changedConn(conn, {
      async read(p) {
        const got = await chunk(conn, 256);
        if (got !== null) p.set(got.subarray(0, p.length));
        return got === null ? null : Math.min(got.length, p.length);
      },
    })],
  "says that it read more than it was asked for": [
    "reads of any size",
    (conn) =>
      changedConn(conn, {
        async read(p) {
          const got = await chunk(conn, 256);
          if (got !== null) p.set(got.subarray(0, p.length));
          return got?.length ?? null;
        },
      }),
  ],
  "fills the buffer from its start, not from where it was told": [
    "reads of any size",
    (conn) => changedConn(conn, { read: (p) => conn.read(new Uint8Array(p.buffer, 0, p.length)) }),
  ],
  "reads 0 at the end instead of null": [
    "behind every byte by closeWrite",
    (conn) => changedConn(conn, { read: async (p) => await conn.read(p) ?? 0 }),
  ],
  "keeps bytes until there are many": ["without waiting for more", (conn) => {
    let held: number[] = [];
    const flush = async () => {
      await writeAll(conn, Uint8Array.from(held));
      held = [];
    };
    return changedConn(conn, {
      async write(p) {
        held.push(...p);
        if (held.length >= 1_000) await flush();
        return p.length;
      },
      async closeWrite() {
        await flush();
        await conn.closeWrite();
      },
    });
  }],
  "sends the caller's array when the caller has it again": ["to its owner again", (conn) => {
    let sent = Promise.resolve();
    return changedConn(conn, {
      async write(p) {
        await sent;
        sent = new Promise<void>((resolve) => setTimeout(resolve)).then(() => writeAll(conn, p));
        return p.length;
      },
    });
  }],
  "does one thing at a time": ["writes while it waits in a read", (conn) => {
    let last: Promise<unknown> = Promise.resolve();
    const queued = <T>(work: () => Promise<T>) => {
      const next = last.then(work);
      last = next.catch(() => {});
      return next;
    };
    return changedConn(conn, {
      read: (p) => queued(() => conn.read(p)),
      write: (p) => queued(() => conn.write(p)),
    });
  }],
  "keeps the end of the stream for itself": [
    "behind every byte by closeWrite",
    (conn) => changedConn(conn, { closeWrite: () => Promise.resolve() }),
  ],
  "lets the end overtake the last bytes": ["behind every byte by closeWrite", (conn) => {
    let last = new Uint8Array();
    return changedConn(conn, {
      async write(p) {
        await writeAll(conn, last);
        last = p.slice();
        return p.length;
      },
    });
  }],
  "says the end once, and waits then": ["behind every byte by closeWrite", (conn) => {
    let ended = false;
    return changedConn(conn, {
      async read(p) {
        if (ended) return await new Promise<never>(() => {});
        const count = await conn.read(p);
        ended = count === null;
        return count;
      },
    });
  }],
  "closes both directions by closeWrite()": [
    "reads on after closeWrite()",
    (conn) =>
      changedConn(conn, {
        closeWrite() {
          conn.close();
          return Promise.resolve();
        },
      }),
  ],
  "ends its own stream when its peer's has ended": [
    "reads on after closeWrite()",
    (conn) =>
      changedConn(conn, {
        async read(p) {
          const count = await conn.read(p);
          if (count === null) await conn.closeWrite();
          return count;
        },
      }),
  ],
  "swallows what comes after closeWrite()": ["takes nothing after closeWrite()", (conn) => {
    let ended = false;
    return changedConn(conn, {
      write: (p) => ended ? Promise.resolve(p.length) : conn.write(p),
      closeWrite() {
        ended = true;
        return conn.closeWrite();
      },
    });
  }],
  "takes whatever comes, read or not": ["lets a writer wait", (conn) => {
    let sent = Promise.resolve();
    return changedConn(conn, {
      write(p) {
        const copy = p.slice();
        sent = sent.then(() => writeAll(conn, copy));
        sent.catch(() => {});
        return Promise.resolve(p.length);
      },
    });
  }],
  "loses what had to wait": ["lets a writer wait", (conn) =>
    changedConn(conn, {
      async write(p) {
        const late = Symbol();
        const { promise, resolve } = Promise.withResolvers<typeof late>();
        const timer = setTimeout(() => resolve(late), 100);
        const writing = conn.write(p);
        const first = await Promise.race([writing, promise]);
        clearTimeout(timer);
        if (first !== late) return first;
        await writing;
        return p.length; // Perhaps less was taken.
      },
    })],
  "lets a read wait beyond close()": ["a read that waits by close()", (conn) =>
    changedConn(conn, {
      read: (p) => conn.read(p).catch(() => new Promise<never>(() => {})),
    })],
  "takes its own close() for a clean end": [
    "a read that waits by close()",
    (conn) => changedConn(conn, { read: (p) => conn.read(p).catch(() => null) }),
  ],
  "lets a write wait beyond close()": [
    "a write that waits by close()",
    (conn) =>
      changedConn(conn, {
        write: (p) => conn.write(p).catch(() => new Promise<never>(() => {})),
      }),
  ],
  "keeps its close() for itself": ["the other end of its close()", (conn) => {
    const closed = Promise.withResolvers<never>();
    closed.promise.catch(() => {});
    return changedConn(conn, {
      read: (p) => Promise.race([conn.read(p), closed.promise]),
      close: () => closed.reject(new Deno.errors.Interrupted("closed")),
    });
  }],
};

/** A connection with a fault at one end; whoever asks closes what is below. */
export function faultyPair(fault: Fault, below: Disposable[]): ConnPair {
  const pair = memoryPair();
  below.push(pair);
  const faulty = fault(pair.client);
  return {
    client: changedConn(faulty, { close: () => closeQuietly(faulty) }),
    server: pair.server,
  };
}
