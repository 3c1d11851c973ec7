/**
 * A TLS handshake inside a tunnel, seen by the sizes and directions of what passes: Xue et al.,
 * USENIX Security 2024.
 *
 * @module
 */

import { concat } from "../net/conn.ts";
import { beginsLikeTls } from "./fully_encrypted.ts";
import { type Burst, bursts, type Flow } from "./flow.ts";

/** Sizes of one message of a handshake with what a tunnel may add to it, in bytes. */
type Sizes = readonly [least: number, most: number];

/** A ClientHello; one with a key for a quantum computer's time is the longest. */
const CLIENT_HELLO: Sizes = [180, 3_500];
/** From ServerHello to Finished, with the certificates of an ordinary site. */
const SERVER_FLIGHT: Sizes = [2_000, 12_000];
/** The client's Finished, with or without its first request behind it. */
const CLIENT_FINISHED: Sizes = [58, 3_500];

const HANDSHAKE = [CLIENT_HELLO, SERVER_FLIGHT, CLIENT_FINISHED];
/** How many bursts are looked at, after the tunnel's own handshake. */
export const LAST_START = 8;

function fits({ bytes }: Burst, [least, most]: Sizes): boolean {
  return bytes.length >= least && bytes.length <= most;
}

/**
 * Passes over what a client says in the middle of the server's flight: some send their Change Cipher
 * Spec before they have all of it, when a tunnel brings it in two pieces.
 */
function withoutInterruptions(all: readonly Burst[]): Burst[] {
  const [least] = CLIENT_FINISHED;
  const kept: Burst[] = [];
  for (const [index, burst] of all.entries()) {
    const isInterruption = burst.fromClient && burst.bytes.length < least && index > 0 &&
      index + 1 < all.length;
    if (isInterruption) continue;
    const last = kept.at(-1);
    if (last?.fromClient !== burst.fromClient) kept.push(burst);
    else kept[kept.length - 1] = { ...last, bytes: concat(last.bytes, burst.bytes) };
  }
  return kept;
}

/**
 * Finds where a TLS handshake could be inside a tunnel: a burst of the client, one of the server and
 * one of the client again with the sizes of ClientHello, certificate and Finished. Where the tunnel
 * is TLS itself, its own handshake does not count.
 *
 * Xue et al., *Fingerprinting Obfuscated Proxy Traffic with Encapsulated TLS Handshakes*, USENIX
 * Security 2024. They take likelihoods over many flows; these are ranges of sizes, which find less.
 *
 * @param flow The connection.
 * @returns The numbers of the bursts with which it could begin, counted from 0, but for small ones of
 * the client between two of the server.
 *
 * @example
 * ```ts
 * import { findNestedHandshakes } from "@ptlib/ptlib/censor";
 *
 * const sizes = [517, 4000, 80, 500];
 * const flow = sizes.map((size, index) => ({
 *   fromClient: index % 2 === 0,
 *   time: index,
 *   bytes: new Uint8Array(size),
 * }));
 * if (findNestedHandshakes(flow)[0] !== 0) throw new Error();
 * ```
 */
export function findNestedHandshakes(flow: Flow): number[] {
  const all = withoutInterruptions(bursts(flow));
  const isTls = all[0]?.fromClient === true && beginsLikeTls(all[0].bytes);
  const starts: number[] = [];
  for (let start = isTls ? 2 : 0; start <= LAST_START; start++) {
    const parts = all.slice(start, start + HANDSHAKE.length);
    if (parts.length < HANDSHAKE.length) break;
    if (!parts[0]!.fromClient) continue;
    if (parts.every((burst, index) => fits(burst, HANDSHAKE[index]!))) starts.push(start);
  }
  return starts;
}
