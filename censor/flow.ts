/**
 * What somebody between client and server sees of one connection: bytes, directions and times.
 *
 * @module
 */

import { concat } from "../net/conn.ts";

/**
 * Some bytes that passed together, or the end of what one side sends.
 *
 * @example
 * ```ts
 * import type { Segment } from "@ptlib/ptlib/censor";
 *
 * const hello: Segment = { fromClient: true, time: 0.4, bytes: new TextEncoder().encode("hi") };
 * ```
 */
export interface Segment {
  /** Whether the client sent them. */
  readonly fromClient: boolean;
  /** When they passed, in milliseconds, by one clock for all connections. */
  readonly time: number;
  /** The bytes; none where it is an end. */
  readonly bytes: Uint8Array;
  /** How this side ended, where it did. */
  readonly end?: "fin" | "rst";
}

/**
 * One connection, from its first byte on. It is the array of what passed, in that order.
 *
 * @example
 * ```ts
 * import type { Flow } from "@ptlib/ptlib/censor";
 *
 * const silent: Flow = [];
 * const clientSpoke = (flow: Flow) => flow.some(({ fromClient }) => fromClient);
 * if (clientSpoke(silent)) throw new Error();
 * ```
 */
export type Flow = readonly Segment[];

/**
 * All bytes that one side sent before the other side spoke. How the network or a busy machine cut
 * them into segments makes no difference to it.
 *
 * @example
 * ```ts
 * import { type Burst, bursts } from "@ptlib/ptlib/censor";
 *
 * const sizes = (all: Burst[]) => all.map(({ bytes }) => bytes.length);
 * const bytes = new Uint8Array(3);
 * const flow = [{ fromClient: true, time: 0, bytes }, { fromClient: true, time: 1, bytes }];
 * if (sizes(bursts(flow))[0] !== 6) throw new Error();
 * ```
 */
export interface Burst {
  /** Whether the client sent them. */
  readonly fromClient: boolean;
  /** The bytes. */
  readonly bytes: Uint8Array;
}

/** What fits into one packet of an Ethernet, in bytes: a censor that looks at one sees no more. */
const LARGEST_PAYLOAD = 1460;

/**
 * Joins what one side sent before the other spoke.
 *
 * @param flow The connection.
 * @returns Its bursts; their directions alternate.
 *
 * @example
 * ```ts
 * import { bursts } from "@ptlib/ptlib/censor";
 *
 * const bytes = new Uint8Array(3);
 * const flow = [{ fromClient: true, time: 0, bytes }, { fromClient: false, time: 1, bytes }];
 * if (bursts(flow).length !== 2) throw new Error();
 * ```
 */
export function bursts(flow: Flow): Burst[] {
  const runs: Segment[][] = [];
  for (const segment of flow) {
    if (segment.bytes.length === 0) continue;
    const run = runs.at(-1);
    if (run?.[0]?.fromClient === segment.fromClient) run.push(segment);
    else runs.push([segment]);
  }
  return runs.map((run) => ({
    fromClient: run[0]!.fromClient,
    bytes: concat(...run.map(({ bytes }) => bytes)),
  }));
}

/** What one side sent first, before the other side answered; empty where it sent nothing. */
export function firstBurst(flow: Flow, fromClient: boolean): Uint8Array {
  const first = bursts(flow).find((burst) => burst.fromClient === fromClient);
  return first?.bytes ?? new Uint8Array();
}

/** All that one side sent, in all connections. */
export function saidBy(flows: readonly Flow[], fromClient: boolean): Uint8Array {
  const mine = flows.flat().filter((segment) => segment.fromClient === fromClient);
  return concat(...mine.map(({ bytes }) => bytes));
}

/**
 * What the client sent first, as much of it as fits into one packet.
 *
 * @param flow The connection.
 * @returns Up to 1,460 bytes; none where the client sent nothing.
 *
 * @example
 * ```ts
 * import { firstPayload } from "@ptlib/ptlib/censor";
 *
 * const flow = [{ fromClient: true, time: 0, bytes: new Uint8Array(5000) }];
 * if (firstPayload(flow).length !== 1460) throw new Error();
 * ```
 */
export function firstPayload(flow: Flow): Uint8Array {
  return firstBurst(flow, true).subarray(0, LARGEST_PAYLOAD);
}

/** The first packet of a client in a capture, in which all packets are there; empty for none. */
export function firstPacket(flow: Flow): Uint8Array {
  const first = flow.find(({ fromClient, bytes }) => fromClient && bytes.length > 0);
  return first?.bytes ?? new Uint8Array();
}
