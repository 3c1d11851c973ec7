import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { mapBytes, readFull, type StreamConn, writeAll } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { bytes, takeText } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";

/** A connection that does nothing, but for what a test gives it. */
function fake(parts: Partial<StreamConn>): StreamConn {
  return {
    read: () => Promise.resolve(null),
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
    ...parts,
  };
}

const untouched = { read: () => {}, write: () => {} };

/** A cipher whose key stream goes on with every byte: a byte too much or too few shows. */
function counterCipher(): (bytes: Uint8Array) => void {
  let counter = 0;
  return (bytes) => {
    for (const index of bytes.keys()) bytes[index] = (bytes[index] ?? 0) ^ (counter++ * 31);
  };
}

Deno.test("mapBytes() changes each byte once where the connection takes only some", async () => {
  const taken: number[] = [];
  const conn = mapBytes(
    fake({
      write(p) {
        taken.push(...p.subarray(0, 3));
        return Promise.resolve(Math.min(3, p.length));
      },
    }),
    { ...untouched, write: counterCipher() },
  );
  const sent = Uint8Array.from({ length: 100 }, (_, index) => index);
  await writeAll(conn, Uint8Array.from(sent.subarray(0, 41)));
  await writeAll(conn, Uint8Array.from(sent.subarray(41)));
  const received = Uint8Array.from(taken);
  counterCipher()(received);
  assertEquals(received, sent);
});

Deno.test("mapBytes() hands on the caller's own buffer", async () => {
  const given = Uint8Array.of(1, 2, 3);
  let got: Uint8Array | undefined;
  const conn = mapBytes(
    fake({ write: (p) => Promise.resolve((got = p).length) }),
    { ...untouched, write: (p) => p.fill(7) },
  );
  assertEquals(await conn.write(given), 3);
  assertStrictEquals(got?.buffer, given.buffer);
  assertEquals(given, Uint8Array.of(7, 7, 7));
});

Deno.test("mapBytes() changes nothing of the buffer behind the bytes read", async () => {
  const conn = mapBytes(
    fake({ read: (p) => Promise.resolve((p.set([1, 2]), 2)) }),
    { ...untouched, read: (p) => p.fill(7) },
  );
  const into = new Uint8Array(4);
  assertEquals(await conn.read(into), 2);
  assertEquals(into, Uint8Array.of(7, 7, 0, 0));
});

Deno.test("mapBytes() gives the end of the stream as it is", async () => {
  const read = () => {
    throw new Error("no bytes to change");
  };
  assertEquals(await mapBytes(fake({}), { ...untouched, read }).read(new Uint8Array(4)), null);
});

Deno.test("mapBytes() rejects with the connection's error, and with the function's", async () => {
  const broken = fake({
    read: () => Promise.reject(new Deno.errors.ConnectionReset()),
    write: () => Promise.reject(new Deno.errors.BrokenPipe()),
  });
  const buffer = new Uint8Array(1);
  const conn = mapBytes(broken, untouched);
  await assertRejects(() => conn.read(buffer), Deno.errors.ConnectionReset);
  await assertRejects(() => conn.write(buffer), Deno.errors.BrokenPipe);
  const fail = () => {
    throw new RangeError("bad bytes");
  };
  const failing = mapBytes(fake({ read: () => Promise.resolve(1) }), { read: fail, write: fail });
  await assertRejects(() => failing.read(buffer), RangeError);
  await assertRejects(() => failing.write(buffer), RangeError);
});

Deno.test("mapBytes() looks every byte up in a table", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const wire: Uint8Array[] = [];
  const conn = mapBytes(
    fake({
      read: (p) => Promise.resolve((p.set(all), 256)),
      write: (p) => Promise.resolve(wire.push(p.slice()) && p.length),
    }),
    { read: all.map((byte) => byte + 1), write: all.map((byte) => ~byte) },
  );
  assertEquals(await conn.write(all.slice()), 256);
  assertEquals(wire, [all.toReversed()]);
  const into = new Uint8Array(300);
  assertEquals(await conn.read(into), 256);
  assertEquals(into.subarray(0, 256), Uint8Array.from(all, (byte) => byte + 1));
  assertEquals(into.subarray(256), new Uint8Array(44));
});

Deno.test("mapBytes() looks bytes up two at a time where there are many, wherever they lie", async () => {
  const table = Uint8Array.from({ length: 256 }, (_, byte) => byte * 7 + 3);
  let arrived = new Uint8Array();
  const write = (p: Uint8Array) => Promise.resolve((arrived = p.slice()).length);
  const conn = mapBytes(fake({ write }), { read: table, write: table });
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 31 + (i >> 8));
  const expected = bytes.map((byte) => table[byte]!);
  for (let round = 0; round < 5; round++) await conn.write(bytes.slice());
  assertEquals(arrived, expected);
  for (let offset = 0; offset < 9; offset++) {
    for (const length of [0, 1, 63, 64, 65, 66, 67, 68, 65_000]) {
      const buffer = new Uint8Array(offset + length + 9).fill(1);
      buffer.set(bytes.subarray(0, length), offset);
      arrived = new Uint8Array();
      await conn.write(buffer.subarray(offset, offset + length));
      assertEquals(arrived, expected.subarray(0, length));
      // What lies around them stays.
      const around = [...buffer.subarray(0, offset), ...buffer.subarray(offset + length)];
      assertEquals(around.every((byte) => byte === 1), true);
    }
  }
});

Deno.test("mapBytes() takes no table of another length", () => {
  const whole = new Uint8Array(256);
  for (const length of [0, 255, 257]) {
    for (const way of ["read", "write"] as const) {
      const maps = { read: whole, write: whole, [way]: new Uint8Array(length) };
      const words = `A table of bytes has 256 of them, but that for ${way} has ${length}`;
      assertThrows(() => mapBytes(fake({}), maps), TypeError, words);
    }
  }
});

Deno.test("mapBytes() calls functions as methods of what has them", async () => {
  class Adding {
    places = 1;
    read(p: Uint8Array): void {
      p.forEach((byte, i) => p[i] = byte - this.places);
    }
    write(p: Uint8Array): void {
      p.forEach((byte, i) => p[i] = byte + this.places);
    }
  }
  const written: number[] = [];
  const read = (p: Uint8Array) => Promise.resolve(p.fill(9).length);
  const write = (p: Uint8Array) => Promise.resolve((written.push(...p), p.length));
  const conn = mapBytes(fake({ read, write }), new Adding());
  await conn.write(Uint8Array.of(1, 2));
  const into = new Uint8Array(2);
  await conn.read(into);
  assertEquals([written, [...into]], [[2, 3], [8, 8]]);
});

permitted(["net"], "mapBytes() wraps what it wrapped, and half-closes", async () => {
  using pair = await tcpPair();
  const add = (places: number) => (p: Uint8Array) => p.forEach((byte, i) => p[i] = byte + places);
  const inner = mapBytes(pair.client, { read: add(-1), write: add(1) });
  const conn = mapBytes(inner, { read: add(-2), write: add(2) });
  await writeAll(conn, bytes("abc"));
  await conn.closeWrite();
  assertEquals(await readToEnd(pair.server), bytes("def"));
  await pair.server.write(bytes("def"));
  assertEquals(await takeText(conn, 3), "abc");
  conn.close();
  await assertRejects(() => readFull(pair.client, new Uint8Array(1)), Deno.errors.BadResource);
});
