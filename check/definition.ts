/**
 * What a check is: a statement about a pluggable transport, where it is written, and how to find
 * out whether it holds.
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import type { ByRole, Level, Role } from "./verdict.ts";

/** A check, before it runs. */
export interface Check {
  readonly id: string;
  /** The halves it can be made on. */
  readonly roles: readonly Role[];
  /** The statement that holds for a good program. */
  readonly title: string;
  /** Where it is written. */
  readonly section: ByRole<string>;
  readonly level: ByRole<Level>;
  /**
   * What of it goes through both halves where a transport needs its other one, which then may be
   * what fails. `bytes`: what is sent has to arrive. That is a program's own affair where it is
   * both halves. `end`: what one end does has to show at the other; the wire between the halves is
   * led through the checker then.
   */
  readonly crosses?: "bytes" | "end";
  /** Whether it is made in a network of its own, because it takes more than loopback. */
  readonly ownNetwork?: boolean;
  /** What to do by hand after starting the program. */
  readonly hand?: string;
  /** Returns when the statement holds, throws {@linkcode Failed} or {@linkcode Skipped} else. */
  run(fixture: Fixture): Promise<void>;
}
