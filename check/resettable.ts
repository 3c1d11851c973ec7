/**
 * Connections of a check that can be reset.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { resultWithin } from "../parent/result_within.ts";
import {
  connectResettable as connect,
  type ResettableConn,
  ResettableListener,
} from "../testing/resettable_conn.ts";
import type { Listener } from "./listener.ts";
import { Probe } from "./probe.ts";
import { Skipped } from "./verdict.ts";

/** A connection of a check, and how to tear it down. */
class ResettableProbe extends Probe {
  readonly #conn: ResettableConn;

  constructor(conn: ResettableConn, timeout: number) {
    super(conn, timeout);
    this.#conn = conn;
  }

  reset(): void {
    this.#conn.reset();
  }
}

/** Resets a connection made here. */
export function reset(probe: Probe): void {
  if (probe instanceof ResettableProbe) probe.reset();
}

/** Connects. */
export async function connectResettable(
  [host, port]: Readonly<Address>,
  timeout: number,
): Promise<Probe> {
  try {
    return new ResettableProbe(await connect(port, host), timeout);
  } catch (error) {
    throw new Skipped(`needs a listener: ${error instanceof Error ? error.message : error}`);
  }
}

/** Listens for one connection. */
export async function listenResettable(timeout: number): Promise<Listener & Disposable> {
  const listener = await ResettableListener.listen();
  const stop = new AbortController();
  let probe: Probe | null = null;
  const first = listener.accept(stop.signal).then(
    (conn) => probe = new ResettableProbe(conn, timeout),
    () => null, // It was disposed of.
  );
  return {
    address: ["127.0.0.1", listener.port],
    accept: () => resultWithin(first, timeout),
    [Symbol.dispose]() {
      stop.abort();
      listener[Symbol.dispose]();
      probe?.[Symbol.dispose]();
    },
  };
}
