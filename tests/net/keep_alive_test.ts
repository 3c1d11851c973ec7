import { assertEquals } from "@std/assert";
import type { Socket } from "node:net";
import { keepSocketAlive } from "../../net/keep_alive.ts";
import { namespaced, seenInNamespace } from "./namespace.ts";

namespaced("an idle connection ends when its peer has vanished, and no other does", async () => {
  assertEquals(await seenInNamespace("vanish_namespace.ts", ["--allow-net", "--allow-run=ip"]), {
    dialled: "TimedOut",
    fromDialled: "TimedOut",
    bound: "TimedOut",
    fromBound: "TimedOut",
    living: "1",
  });
});

for (
  const [release, dialled, accepted] of [
    ["as it is", ["soon", "soon"], "soon"],
    ["without a way to node's handles", ["in hours", "in hours"], "in hours"],
    ["without handles", ["in hours", "in hours"], "in hours"],
    ["with other handles", ["in hours", "in hours"], "in hours"],
    // It has closed the first connection that it was tried on, and no other.
    ["with one descriptor for both", ["never", "never"], "in hours"],
  ] as const
) {
  namespaced(`the system asks idle peers elsewhere, in a Deno ${release}`, async () => {
    const here = ["never", "never"];
    assertEquals(await seenInNamespace("keep_alive_times.ts", ["--allow-all"], [release]), {
      atFirst: { dialled: ["never", "never"], bound: ["never", "never"], here },
      // The parts of node that know the shorter time are loaded only now.
      withoutHandles: { dialled: ["in hours", "in hours"], bound: ["soon", "in hours"], here },
      withHandles: { dialled, bound: ["soon", accepted], here },
      more: 0,
    });
  });
}

/** What stands in for a socket, and when its time was set. */
class FakeSocket {
  #destroyed = false;
  /** How often somebody looked whether it is closed. */
  asked = 0;
  readonly times: number[] = [];

  get destroyed(): boolean {
    this.asked++;
    return this.#destroyed;
  }

  destroy(): void {
    this.#destroyed = true;
  }

  setKeepAlive(_enable: boolean, milliseconds: number): void {
    this.times.push(milliseconds);
  }

  /** As what it stands in for. */
  get socket(): Socket {
    return this as unknown as Socket;
  }
}

Deno.test("a connection's time is set every ten seconds, and nothing is left of a closed one", () => {
  const { setInterval, clearInterval } = globalThis;
  const intervals = new Map<unknown, () => void>();
  Object.assign(globalThis, {
    setInterval(callback: () => void, milliseconds: number) {
      assertEquals(milliseconds, 1_000);
      const id = setInterval(() => {}, 2 ** 30);
      intervals.set(id, callback);
      return id;
    },
    clearInterval(id: ReturnType<typeof setInterval>) {
      intervals.delete(id);
      clearInterval(id);
    },
  });
  const passSeconds = (count: number) => {
    for (let i = 0; i < count; i++) intervals.forEach((callback) => callback());
  };
  try {
    const [one, other] = [new FakeSocket(), new FakeSocket()];
    keepSocketAlive(one.socket);
    passSeconds(3);
    keepSocketAlive(other.socket);
    assertEquals(intervals.size, 1);
    passSeconds(30);
    assertEquals([one.times.length, other.times.length], [3, 3]);
    // Each time is another one than before, so that none is skipped on the way to the system.
    for (const { times: [first, second, third] } of [one, other]) {
      assertEquals([first, third].includes(second), false);
      assertEquals(first, third);
    }
    one.destroy();
    passSeconds(30);
    assertEquals([one.asked, one.times.length, other.times.length], [4, 3, 6]);
    assertEquals(intervals.size, 1);
    other.destroy();
    passSeconds(10);
    assertEquals(intervals.size, 0);
  } finally {
    Object.assign(globalThis, { setInterval, clearInterval });
  }
});
