/**
 * `deno task balanced`: measures what stands between one transport and two tors
 * (docs/what-it-costs.md).
 *
 * @module
 */

import type { OrPorts } from "../../config.ts";
import { Deadline, dialOr } from "../../net/mod.ts";
import { type BalancedNetwork, startBalancedNetwork } from "./balanced_network.ts";
import { downloadThrough } from "../../tor/download.ts";
import { INSTALL_HAPROXY } from "./haproxy.ts";
import { INSTALL, isInstalled, missingPrograms } from "../../tor/programs.ts";

const CLIENTS = 4;
const ROUNDS = 5;
const CONNECTIONS = 400;
const SIDE_BY_SIDE = 8;
const SIZE = 20 * 1024 * 1024;
const SMALL = 64 * 1024;
const LIMIT_MS = 180_000;

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** How many clients a second are introduced to tor, each until it says OKAY. */
async function introductionRate(ports: OrPorts, signal: AbortSignal): Promise<number> {
  let left = CONNECTIONS;
  const start = performance.now();
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, async () => {
    while (left-- > 0) (await dialOr(ports, { transport: "rot13", signal })).close();
  }));
  return CONNECTIONS / (performance.now() - start) * 1000;
}

/** Introduces clients in three ways by turns, and says how fast each was, and who got them. */
async function compareWays(network: BalancedNetwork, signal: AbortSignal): Promise<void> {
  const { tors: [tor], balanced, haproxy } = network;
  const ways = {
    "tor's own Extended ORPort": tor!.own,
    "static_cookie.ts, tor": tor!.front,
    "HAProxy, static_cookie.ts, two tors": balanced,
  };
  const before = await haproxy.sessions();
  const rates = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, ports] of Object.entries(ways)) {
      const rate = await introductionRate(ports, signal);
      rates.set(way, [...rates.get(way) ?? [], rate]);
    }
  }
  for (const [way, all] of rates) {
    const [least, middle, most] = [Math.min(...all), median(all), Math.max(...all)]
      .map((rate) => rate.toFixed(0));
    console.log(`Connections a second, ${way}: ${middle} (${least}-${most})`);
  }
  const after = await haproxy.sessions();
  const got = after.map(({ total }, i) => total - before[i]!.total);
  console.log(`Of ${ROUNDS * CONNECTIONS} connections HAProxy gave the tors: ${got.join(" and ")}`);
}

/** Ends one of the tors, and says how long its clients missed it. */
async function stopOne(network: BalancedNetwork, signal: AbortSignal): Promise<void> {
  const { tors: [tor], balanced, socksPorts } = network;
  await network.stop(tor!);
  const start = performance.now();
  const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
  const refused = await Promise.allSettled(
    Array.from(
      { length: 20 },
      async () => (await dialOr(balanced, { transport: "rot13", signal })).close(),
    ),
  );
  const failures = refused.filter(({ status }) => status === "rejected").length;
  console.log(`One tor has ended. Of 20 new connections at once, refused: ${failures}`);
  const times = await Promise.all(socksPorts.map(async (port) => {
    await downloadThrough(port, SMALL, signal);
    return seconds();
  }));
  console.log(`Until each client had downloaded 64 KiB again, s: ${times.sort().join(", ")}`);
}

async function main(): Promise<void> {
  await using network = await startBalancedNetwork({
    clients: CLIENTS,
    progress: (sentence) => console.log(sentence),
  });
  using deadline = new Deadline(LIMIT_MS, "The measurement", network.failed);
  const { signal } = deadline;
  const shares = await network.haproxy.sessions();
  console.log(`${CLIENTS} tor clients, by tor: ${shares.map(({ open }) => open).join(" and ")}`);
  const [port = 0] = network.socksPorts;
  const { bytes, seconds } = await downloadThrough(port, SIZE, signal);
  console.log(`Download through it all, MiB/s: ${(bytes / seconds / 2 ** 20).toFixed(1)}`);
  await compareWays(network, signal);
  await stopOne(network, signal);
}

const missing = [...missingPrograms(), ...isInstalled("haproxy") ? [] : ["haproxy"]];
if (missing.length > 0) {
  console.error(`Not found: ${missing.join(", ")}. To install: ${INSTALL}; ${INSTALL_HAPROXY}`);
  Deno.exit(1);
}
await main();
