/**
 * What the tests of a transport need: connections in memory and over TCP, such as fail, both halves
 * as processes, and what every connection must hold.
 *
 * ```ts ignore
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 * import { memoryPair, streamConnContract } from "@ptlib/ptlib/testing";
 *
 * const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 * const invert = (conn: StreamConn) => mapBytes(conn, { read: inverted, write: inverted });
 *
 * const rules = streamConnContract(() => {
 *   const { client, server } = memoryPair();
 *   return { client: invert(client), server: invert(server) };
 * });
 * for (const { name, check } of rules) Deno.test(`invert ${name}`, check);
 * ```
 *
 * What a censor sees of it is for a test, too: `observe()` and the pure rules are in
 * `@ptlib/ptlib/censor`.
 *
 * ```ts ignore
 * import { firstPayload, fixedPlaces, observe } from "@ptlib/ptlib/censor";
 *
 * Deno.test("no byte of my first message is constant", async () => {
 *   const command = [Deno.execPath(), "run", "--allow-all", "invert.ts"];
 *   const { through } = await observe(command, { transport: "invert", probes: false });
 *   const places = fixedPlaces((through.random ?? []).map(firstPayload));
 *   if (places.length > 0) throw new Error(`byte ${places[0]?.position} is`);
 * });
 * ```
 *
 * @module
 */

export { type ConnPair, memoryPair, tcpPair } from "./conn_pair.ts";
export { dribbling, type FaultPlace, resetting, stalling } from "./faulty_conn.ts";
export { launchPair, type PairOptions, type TransportPair } from "./launch_pair.ts";
export { readToEnd } from "./read_to_end.ts";
export { connectResettable, type ResettableConn, ResettableListener } from "./resettable_conn.ts";
export {
  ContractError,
  type ContractOptions,
  type ContractRule,
  streamConnContract,
} from "./stream_conn_contract.ts";
export type { StreamConn } from "../net/conn.ts";
export type { Address } from "../address.ts";
export type { ExtOrPortClient, ExtOrPortConnection } from "../parent/ext_orport_listener.ts";
export type { TransportExit, TransportProcess } from "../parent/launch.ts";
export type { ClientMethod, ServerMethod } from "../parent/line.ts";
