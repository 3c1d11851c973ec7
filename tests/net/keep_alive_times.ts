/**
 * Plays a release of Deno, by its argument, and says on stdout when the system asks the peers of idle connections: at first, after a period, and
 * when what sets a shorter time is loaded. Made for a network namespace with nothing in it but these
 * addresses; `keep_alive_test.ts` runs it there.
 */

import process from "node:process";
import { acceptAll, dial } from "../../net/mod.ts";
import { pause } from "../waiting.ts";
import { FAR, NEAR } from "./bind_namespace.ts";

/** So many times a second passes in a period. */
const PERIOD = 10;
/** What is no longer than this is soon, in hundredths of a second. */
const SOONEST = 16_00;

let tick: (() => void) | undefined;
Object.assign(globalThis, {
  setInterval(callback: () => void) {
    tick = callback;
    return setTimeout(() => {}, 2 ** 30);
  },
});

function portOf(address: Deno.Addr): number {
  if (address.transport !== "tcp") throw new TypeError();
  return address.port;
}

/** When the system asks the peer of the connection between these ports. */
function asked(local: Deno.Addr, remote: Deno.Addr): "never" | "in hours" | "soon" {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
  const row = new RegExp(
    `:${hex(portOf(local))} \\w+:${hex(portOf(remote))} 01 \\w+:\\w+ (\\w+):(\\w+) `,
  );
  const [, timer, when = ""] = row.exec(Deno.readTextFileSync("/proc/net/tcp")) ?? [];
  if (timer !== "02") return "never";
  return parseInt(when, 16) > SOONEST ? "in hours" : "soon";
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Releases of Deno by what node's internal handles are there; `closes` closes a connection. */
const RELEASES: Record<string, (closes: (rid: number) => void) => unknown> = {
  "without handles": () => ({}),
  "with other handles": () => ({
    TCP: class {
      setKeepAlive() {}
      close() {}
    },
  }),
  "with one descriptor for both": (closes) => ({
    TCP: class {
      #rid = -1;
      openFromRid(rid: number) {
        this.#rid = rid;
        return 0;
      }
      setKeepAlive() {}
      close() {
        closes(this.#rid);
      }
    },
  }),
};

function ridOf(conn: object): unknown {
  const symbols = Object.getOwnPropertySymbols(conn);
  const symbol = symbols.find(({ description }) => description === "Deno.internal.rid");
  return symbol && Reflect.get(conn, symbol);
}

function play(release: string, closes: (rid: number) => void): void {
  const { [release]: binding } = RELEASES;
  if (binding !== undefined) Reflect.set(process, "binding", () => binding(closes));
  if (release === "without a way to node's handles") Reflect.set(process, "binding", undefined);
}

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const { port } = listener.addr;
  const conns = acceptAll(listener);
  const accepted = async () => (await conns.next()).value!;
  const dialled = await dial([FAR.v4, port]);
  const fromDialled = await accepted();
  await dial([FAR.v4, port], { outboundBindAddress: { v4: NEAR.v4, v6: null } });
  const fromBound = await accepted();
  await dial(["127.0.0.1", port]);
  const fromHere = await accepted();

  const times = () => {
    const both = ({ localAddr, remoteAddr }: Deno.TcpConn) => [
      asked(remoteAddr, localAddr),
      asked(localAddr, remoteAddr),
    ];
    return { dialled: both(fromDialled), bound: both(fromBound), here: both(fromHere) };
  };
  const passPeriod = () => {
    for (let count = 0; count < PERIOD; count++) tick?.();
  };
  play(Deno.args[0] ?? "", (rid) => {
    [dialled, fromDialled, fromBound].find((conn) => ridOf(conn) === rid)?.close();
  });
  const atFirst = times();
  passPeriod();
  const withoutHandles = times();
  await pause(0); // They are loaded: node:process was loaded before.
  passPeriod();
  const withHandles = times();
  const before = descriptors();
  passPeriod();
  const more = descriptors() - before;
  console.log(JSON.stringify({ atFirst, withoutHandles, withHandles, more }));
  Deno.exit(0);
}
