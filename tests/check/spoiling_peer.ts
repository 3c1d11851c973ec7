/**
 * rot13 with a fault in one of its halves or both, to be the peer of one that is good:
 * `FAULT=spoils` changes bytes that come from the other half, `FAULT=queues` serves its users one by
 * one, `FAULT=listens` says nothing of the other half before the user has said something, and
 * `FAULT=leaves` ends each connection at once.
 */

import { mapBytes, type StreamConn } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

const fault = Deno.env.get("FAULT");

function rotate(byte: number): number {
  const upper = byte & 0xdf;
  const isLetter = upper >= 65 && upper <= 90;
  return isLetter ? byte + (upper < 78 ? 13 : -13) : byte;
}

const good = Uint8Array.from({ length: 256 }, (_, byte) => rotate(byte));
const spoilt = good.toReversed();

/** Resolves when the user before is gone. */
let turn: Promise<void> = Promise.resolve();

/** A connection of which somebody is told when it is over. */
function telling(conn: StreamConn, tell: () => void): StreamConn {
  return {
    read: (bytes) => conn.read(bytes),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: () => {
      conn.close();
      tell();
    },
  };
}

/** Says nothing until it has been told something. */
function listening(conn: StreamConn): StreamConn {
  const spoken = Promise.withResolvers<void>();
  return {
    read: async (bytes) => {
      await spoken.promise;
      return await conn.read(bytes);
    },
    write: (bytes) => {
      spoken.resolve();
      return conn.write(bytes);
    },
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

async function half(open: () => Promise<StreamConn>): Promise<StreamConn> {
  const before = turn;
  const over = Promise.withResolvers<void>();
  turn = over.promise;
  if (fault === "queues") await before;
  const conn = mapBytes(await open(), { read: fault === "spoils" ? spoilt : good, write: good });
  if (fault === "leaves") conn.close();
  return telling(fault === "listens" ? listening(conn) : conn, over.resolve);
}

await run({
  rot13: {
    client: ({ dial }) => half(dial),
    server: (conn) => half(() => Promise.resolve(conn)),
  },
});
