import { assertEquals } from "@std/assert";
import type { Sample } from "./samples.ts";
import type { Moment, Rest, Soaked } from "./soak.ts";
import { findFaults, judgeAll } from "./verdict.ts";

const MIB = 1024 * 1024;
const REST: Rest = {
  timers: 2,
  listeners: 5,
  heap: 6 * MIB,
  external: 0,
  collected: true,
  descriptors: 26,
  resident: 60 * MIB,
};
const TALLY = { open: 0, bytes: 0, whole: 1, wholeIds: 1, broken: 0, handshakes: 0, pings: 0 };

/** A soak of so many seconds in which nothing went wrong, but for these figures of the client. */
function soaked(
  seconds: number,
  client: (second: number) => Partial<Rest>,
  at: { [moment in Moment]?: Partial<Rest> } = {},
): Soaked {
  const half = { ...REST, cpu: 0 };
  const samples = Array.from({ length: seconds }, (_, second): Sample => ({
    seconds: second,
    client: { ...half, ...client(second) },
    server: half,
    users: half,
    destination: half,
    open: 0,
    bytes: 0,
    latency: 1,
  }));
  const rests = (moment: Moment) => ({ client: { ...REST, ...at[moment] }, server: REST });
  return {
    samples,
    churn: [0, seconds],
    rests: {
      start: rests("start"),
      held: rests("held"),
      churned: rests("churned"),
      end: rests("end"),
    },
    users: TALLY,
    destination: TALLY,
    killed: 0,
    faults: [],
    faultCount: 0,
    opening: 1,
  };
}

const faultsOf = (soaked: Soaked) => findFaults(soaked, judgeAll(soaked));

Deno.test("nothing is wrong with a soak in which nothing grows", () => {
  assertEquals(faultsOf(soaked(1800, () => ({}))), []);
});

Deno.test("garbage that is collected now and then is no growth", () => {
  const saw = (second: number) => 100 * MIB + (second % 170) * MIB;
  assertEquals(
    faultsOf(soaked(1800, (second) => ({ heap: saw(second), resident: saw(second) }))),
    [],
  );
  assertEquals(faultsOf(soaked(120, (second) => ({ heap: saw(second) }))), []);
});

Deno.test("memory that grows beneath its garbage is found", () => {
  const grown = soaked(1800, (second) => ({
    heap: 100 * MIB + (second % 170) * MIB + second * MIB / 20,
  }));
  assertEquals(faultsOf(grown), [
    "the client's heap and buffers grew from 121.3 MiB to 172.3 MiB",
  ]);
});

Deno.test("connections that only begin are no growth, and half a minute is too short to tell", () => {
  const begin = (second: number) => ({ descriptors: 26 + 50 * Math.min(second, 12) });
  assertEquals(faultsOf(soaked(120, begin)), []);
  for (const seconds of [6, 12, 30]) {
    const grows = (second: number) => ({ descriptors: 26 + 50 * second });
    assertEquals(faultsOf(soaked(seconds, grows)), []);
  }
});

Deno.test("descriptors and timers that grow are found in two minutes", () => {
  const grown = soaked(120, (second) => ({ descriptors: 26 + 2 * second, timers: 2 + 2 * second }));
  assertEquals(faultsOf(grown), [
    "the client's descriptors grew from 98 to 244",
    "the client's timers grew from 74 to 220",
  ]);
});

Deno.test("what is left over at rest is found", () => {
  const left = soaked(120, () => ({}), {
    held: { heap: 50 * MIB },
    churned: { heap: 55 * MIB, external: 9 * MIB, timers: 9 },
    end: { descriptors: 40, listeners: 30 },
  });
  assertEquals(faultsOf(left), [
    "after the churning the client has 9 timers, and had 2 timers",
    "after the churning the client has a heap of 55.0 MiB, and had a heap of 50.0 MiB",
    "after the churning the client has buffers of 9.0 MiB, and had buffers of 0.0 MiB",
    "at the end the client has 40 descriptors, and had 26 descriptors",
    "at the end the client has 30 listeners, and had 5 listeners",
  ]);
});

Deno.test("what was lost is counted, though not all of it is shown", () => {
  const lost = { ...soaked(120, () => ({})), faults: ["one"], faultCount: 3 };
  assertEquals(faultsOf(lost), ["one", "and 2 more like these"]);
});
