/**
 * What the halves of a transport have logged last, to be told with what went wrong between them.
 *
 * @module
 */

import { parseLine } from "./line.ts";

/** The last `LOG` message of each half. */
export class LoggedWords {
  readonly #last = new Map<string, string>();

  /** Takes the lines that a half says on stdout. */
  from(half: "client" | "server"): (line: string) => void {
    return (line) => {
      const message = parseLine(line);
      if (message.kind === "log") this.#last.set(half, message.message);
    };
  }

  /** Whether nobody has logged anything. */
  get none(): boolean {
    return this.#last.size === 0;
  }

  /** Forgets what was logged. */
  clear(): void {
    this.#last.clear();
  }

  /** A sentence, and behind it what was logged. */
  behind(sentence: string): string {
    const said = [...this.#last].map(([half, text]) => `the ${half} says: ${text}`);
    return [sentence, ...said].join("; ");
  }
}
