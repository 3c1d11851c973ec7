/** One fault, what must happen when it does, and what was seen. */

/** What a fault can need that not every machine has; `needs.ts` says whether it is there. */
export type Need = "namespace" | "iptables" | "mounts" | "capabilities" | "faketime";

/** What was seen, in the order in which it was looked at. */
export class Findings {
  readonly #seen: string[] = [];
  #failed = false;

  /** Notes what was seen, and whether it is as it must be. */
  see(what: string, right = true): void {
    this.#seen.push(right ? what : `**${what}**`);
    if (!right) this.#failed = true;
  }

  get failed(): boolean {
    return this.#failed;
  }

  toString(): string {
    return this.#seen.join("; ");
  }
}

/** A row of the table. */
export interface Fault {
  /** What the fault is. */
  readonly what: string;
  /** The program and the half in which it is tried. */
  readonly where: string;
  /** What must happen. */
  readonly must: string;
  readonly needs?: readonly Need[];
  /** For how many seconds it waits, for a deadline of the library for instance; 0 where it is left out. */
  readonly waits?: number;
  /** Does it, in a directory of its own. */
  try(findings: Findings, directory: string): Promise<void>;
}

/** Faults of one kind, under a name for the command line. */
export interface FaultGroup {
  readonly name: string;
  readonly faults: readonly Fault[];
}

/** What became of a fault. */
export interface Outcome {
  /** Its name: that of the group, what it is and where. */
  readonly name: string;
  /** `missing` where it was not tried. */
  readonly result: "ok" | "failed" | "missing";
  /** What was seen, or what is missing. */
  readonly happened: string;
}

/** The name of a fault, which no other one has. */
export function nameOf({ name }: FaultGroup, { what, where }: Fault): string {
  return `${name}: ${what} (${where})`;
}
