/** What a program under the observer has of itself at one moment. */
export interface Observation {
  /** Timers that wait. */
  timers: number;
  /** Listeners of signals that have not aborted and are not garbage that was collected. */
  listeners: number;
  /** Bytes of the heap in use, and of buffers beside it. */
  heap: number;
  external: number;
  /** Whether all garbage had been collected. */
  collected: boolean;
}

/** What the observer's lines begin with. */
export const MARK = "observed: ";
