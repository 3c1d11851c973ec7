/** Heads, and bytes that are put back (`net/head.ts`, `prefixed()` in `net/conn.ts`), in memory. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { prefixed } from "../../net/conn.ts";
import { HeadError, readHead, readHeadBy } from "../../net/head.ts";
import { bytesOf, editedBytes } from "./arbitraries.ts";
import { headOf } from "./http_reference.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  readAll,
  WHOLE,
} from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

const line = fc.oneof(
  fc.constantFrom("GET / HTTP/1.1", "Host: pt.example", "", "x", "\r", " "),
  fc.string({ maxLength: 30 }),
);

/** A head, right or nearly so, and something behind it. */
const stream = fc.oneof(
  editedBytes(
    fc.tuple(
      fc.array(fc.tuple(line, fc.constantFrom("\r\n", "\n", "\r"))),
      fc.constantFrom("\r\n", "\n"),
      fc.string({ maxLength: 20 }),
    ).map(([lines, blank, behind]) => bytesOf(lines.flat().join("") + blank + behind)),
  ),
  fc.array(fc.constantFrom(10, 13, 65)).map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 60 }),
);

/** What was found, and the rest of the stream. */
interface Found {
  kind: "head" | "too-long" | "ended" | "ConnectionReset";
  bytes: number[];
  behind: number[];
}

/** A head by its grammar: lines that are not blank, and then a blank one. */
function reference(all: Uint8Array, limit: number, end: End): Found {
  const text = Array.from(all, (byte) => String.fromCharCode(byte)).join("");
  const length = headOf(text)?.length ?? Infinity;
  if (length <= limit) {
    return { kind: "head", bytes: [...all.slice(0, length)], behind: [...all.slice(length)] };
  }
  if (all.length >= limit) {
    return { kind: "too-long", bytes: [...all.slice(0, limit)], behind: [...all.slice(limit)] };
  }
  // What was read is lost with the connection.
  if (end === "reset") return { kind: "ConnectionReset", bytes: [], behind: [] };
  return { kind: "ended", bytes: [...all], behind: [] };
}

async function find(
  all: Uint8Array,
  limit: number,
  sizes: Arrival,
  end: End,
  most?: number,
): Promise<Found> {
  const conn = new MemoryConn(all, sizes, end);
  try {
    const { head, rest } = most === undefined
      ? await readHead(conn, limit)
      : await readHeadBy(conn, limit, most);
    if (most === 1) assertEquals(rest.length, 0);
    const behind = await readAll(prefixed(conn, rest));
    return { kind: "head", bytes: [...head], behind };
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) {
      return { kind: "ConnectionReset", bytes: [], behind: [] };
    }
    if (!(error instanceof HeadError)) throw error;
    const bytes = [...error.bytes];
    assertEquals(await readAll(prefixed(conn, error.bytes)), [...all]);
    return { kind: error.reason, bytes, behind: [...all.slice(bytes.length)] };
  }
}

const limit = fc.oneof(fc.nat(60), fc.constant(8192));

/** The properties of `net/head.ts`. */
export const headProperties: NamedProperty[] = [
  forAllAsync(
    "readHead() finds the same head whole, in pieces and byte by byte, and loses nothing",
    fc.tuple(stream, limit, arrival, end),
    async ([all, limit, sizes, end]) => {
      const expected = reference(all, limit, end);
      for (const arrival of [WHOLE, sizes, DRIBBLE]) {
        assertEquals(await find(all, limit, arrival, end), expected);
        assertEquals(await find(all, limit, arrival, end, 1), expected);
        assertEquals(await find(all, limit, arrival, end, 5), expected);
      }
    },
  ),
  forAllAsync(
    "readHead() finds the same head for each place to split it at",
    fc.tuple(stream, limit, end),
    async ([all, limit, end]) => {
      const expected = reference(all, limit, end);
      for (const arrival of everyArrival(all.length)) {
        assertEquals(await find(all, limit, arrival, end), expected);
      }
    },
    20,
  ),
  forAllAsync(
    "prefixed() gives its bytes first, and then those of the connection",
    fc.tuple(fc.uint8Array(), fc.uint8Array(), arrival),
    async ([before, behind, sizes]) => {
      const conn = prefixed(new MemoryConn(behind, sizes), before);
      assertEquals(await readAll(conn), [...before, ...behind]);
      conn.close();
      conn.close();
    },
  ),
  forAllAsync(
    "readHead() reads no further than its limit",
    fc.tuple(stream, fc.nat(40), arrival),
    async ([all, limit, sizes]) => {
      const conn = new MemoryConn(all, sizes);
      await readHead(conn, limit).catch(() => {});
      assert(conn.consumed <= limit, `${conn.consumed}`);
    },
  ),
];
