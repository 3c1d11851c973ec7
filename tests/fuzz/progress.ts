/**
 * How far the fuzzing is: numbers that another thread sees, so that it can tell when there are no
 * more of them.
 */

const SLOTS = ["inputs", "property", "inputsOfProperty", "seed"] as const;

/** The numbers, in memory that threads share. */
export class Progress {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Float64Array;

  constructor(memory = new SharedArrayBuffer(8 * SLOTS.length)) {
    this.memory = memory;
    this.#numbers = new Float64Array(memory);
  }

  /** Reads one of the numbers. */
  get(slot: typeof SLOTS[number]): number {
    return this.#numbers[SLOTS.indexOf(slot)] ?? 0;
  }

  /** Writes one of the numbers. */
  set(slot: typeof SLOTS[number], value: number): void {
    this.#numbers[SLOTS.indexOf(slot)] = value;
  }

  /** Counts an input of the property that is being tried. */
  count(): void {
    this.set("inputs", this.get("inputs") + 1);
    this.set("inputsOfProperty", this.get("inputsOfProperty") + 1);
  }
}

/** The command that tries one input of one property again. */
export function replayCommand(name: string, seed: number, path: string): string {
  const quoted = `'${name.replaceAll("'", "'\\''")}'`;
  return `deno task fuzz --only ${quoted} --seed ${seed} --path ${path}`;
}
