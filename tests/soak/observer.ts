/**
 * Loaded before a transport's program, it counts the timers and the listeners of signals that the
 * program has, and prints them with its memory on stderr, every second. It asks for no permission.
 *
 * At SIGUSR2 it collects all garbage first, where `--expose-gc` lets it.
 */

import { MARK, type Observation } from "./observation.ts";

const INTERVAL = 1_000;

const original = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  addEventListener: AbortSignal.prototype.addEventListener,
  removeEventListener: AbortSignal.prototype.removeEventListener,
};

type Timer = ReturnType<typeof setTimeout>;

/** Those that wait, by their numbers: what clears one may name it by that. */
const timers = new Set<number>();

function countTimers(): void {
  const clear = (timer?: Timer) => {
    timers.delete(Number(timer));
    original.clearTimeout(timer);
  };
  Object.assign(globalThis, {
    setTimeout(callback: (...args: unknown[]) => void, delay?: number, ...args: unknown[]) {
      const timer = original.setTimeout(() => {
        timers.delete(Number(timer));
        callback(...args);
      }, delay);
      timers.add(Number(timer));
      return timer;
    },
    setInterval(...args: Parameters<typeof setInterval>) {
      const timer = original.setInterval(...args);
      timers.add(Number(timer));
      return timer;
    },
    clearTimeout: clear,
    clearInterval: clear,
  });
}

/** The listeners of one signal. */
interface Listening {
  callbacks: Set<unknown>;
  /** The same number, for when the signal is gone. */
  count: { value: number };
}

let listeners = 0;
const bySignal = new WeakMap<AbortSignal, Listening>();
const gone = new FinalizationRegistry<{ value: number }>((count) => {
  listeners -= count.value;
});

function listeningOf(signal: AbortSignal): Listening {
  const known = bySignal.get(signal);
  if (known !== undefined) return known;
  const listening: Listening = { callbacks: new Set(), count: { value: 0 } };
  bySignal.set(signal, listening);
  gone.register(signal, listening.count);
  // It aborts once, and calls none of them again.
  original.addEventListener.call(signal, "abort", () => {
    listeners -= listening.count.value;
    listening.count.value = 0;
    listening.callbacks.clear();
  });
  return listening;
}

function change(signal: AbortSignal, by: number): void {
  listeners += by;
  listeningOf(signal).count.value += by;
}

function countListeners(): void {
  Object.assign(AbortSignal.prototype, {
    addEventListener(this: AbortSignal, ...args: Parameters<AbortSignal["addEventListener"]>) {
      begin();
      const [, callback] = args;
      const { callbacks } = listeningOf(this);
      if (!this.aborted && !callbacks.has(callback)) {
        callbacks.add(callback);
        change(this, 1);
      }
      return original.addEventListener.apply(this, args);
    },
    removeEventListener(
      this: AbortSignal,
      ...args: Parameters<AbortSignal["removeEventListener"]>
    ) {
      if (listeningOf(this).callbacks.delete(args[1])) change(this, -1);
      return original.removeEventListener.apply(this, args);
    },
  });
}

function tell(collected: boolean): void {
  const { heapUsed, external } = Deno.memoryUsage();
  const observation: Observation = {
    timers: timers.size,
    listeners,
    heap: heapUsed,
    external,
    collected,
  };
  console.error(MARK + JSON.stringify(observation));
}

/** Collects all garbage, what only finalizers hold too. */
function collectAndTell(): void {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  original.setTimeout(() => {
    gc?.();
    original.setTimeout(() => tell(gc !== undefined), 0);
  }, 0);
}

let begun = false;

/** Begins to tell. Before the program itself has begun, Deno would wait for the end of that. */
function begin(): void {
  if (begun) return;
  begun = true;
  original.setInterval(() => tell(false), INTERVAL);
  Deno.addSignalListener("SIGUSR2", collectAndTell);
}

countTimers();
countListeners();
