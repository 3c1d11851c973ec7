/** Timers that go off, and a clock that moves, when a test says so, and not when time has passed. */

interface Timer {
  milliseconds: number;
  callback: () => void;
}

/** Stands in for `setTimeout` and `clearTimeout` until it is disposed of. */
export class FakeTimers implements Disposable {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #pending = new Map<number, Timer>();
  #last = 0;
  #set = Promise.withResolvers<void>();

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, milliseconds = 0) => {
        this.#pending.set(++this.#last, { milliseconds, callback });
        this.#set.resolve();
        return this.#last;
      },
      clearTimeout: (id: number) => void this.#pending.delete(id),
    });
  }

  /** The times for which something waits, in milliseconds. */
  get pending(): number[] {
    return Array.from(this.#pending.values(), ({ milliseconds }) => milliseconds);
  }

  /** Makes everything go off that waits for so long; waits until there is something. */
  async fire(milliseconds: number): Promise<void> {
    for (;;) {
      const due = [...this.#pending].filter(([, timer]) => timer.milliseconds === milliseconds);
      for (const [id, { callback }] of due) {
        this.#pending.delete(id);
        callback();
      }
      if (due.length > 0) return;
      this.#set = Promise.withResolvers();
      await this.#set.promise;
    }
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

/** Stands in for the clock of `performance.now()` until it is disposed of; it moves when told to. */
export class FakeClock implements Disposable {
  readonly #real = performance.now;
  /** What the clock shows, in milliseconds. */
  now: number;

  constructor(now = performance.now()) {
    this.now = now;
    performance.now = () => this.now;
  }

  [Symbol.dispose](): void {
    performance.now = this.#real;
  }
}
