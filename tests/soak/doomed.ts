/** A process of users that is stopped in the middle of everything, and then killed, over and over. */

import type { Way } from "../../bench/load_process.ts";
import { pause } from "../waiting.ts";
import { LoadProgram } from "./load_program.ts";
import { between, random } from "./random.ts";
import { USERS_PERMISSIONS } from "./permissions.ts";

/** How long such a process lives, and how long it is stopped before its end, in milliseconds. */
const LIFE = [8_000, 20_000] as const;
const STOPPED = [4_000, 10_000] as const;
/** How many ids each of them has. */
const IDS = 2 ** 16;

/** Those processes, one after the other; disposing of it ends the last one. */
export class DoomedUsers implements AsyncDisposable {
  /** How many were stopped and killed. */
  killed = 0;
  readonly #way: Way;
  readonly #seed: number;
  readonly #through: number;
  readonly #onFault: (text: string) => void;
  readonly #over = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(
    { way, seed, firstId, through, onFault }: {
      way: Way;
      seed: number;
      firstId: number;
      through: number;
      onFault: (text: string) => void;
    },
  ) {
    this.#way = way;
    this.#seed = seed;
    this.#through = through;
    this.#onFault = onFault;
    this.#running = through === 0 ? Promise.resolve() : this.#run(firstId);
    this.#running.catch((error) => onFault(`the doomed users: ${error}`));
  }

  async #run(firstId: number): Promise<void> {
    const next = random(this.#seed);
    for (let id = firstId; !this.#isOver; id += IDS) {
      const users = new LoadProgram("users", USERS_PERMISSIONS, this.#onFault);
      await users.order({ order: "use", way: this.#way });
      const churn = {
        seed: this.#seed,
        firstId: id,
        through: this.#through,
        strangers: 0,
        doomed: true,
      };
      await users.order({ order: "churn", churn });
      await this.#wait(between(next, ...LIFE));
      users.freeze();
      await this.#wait(between(next, ...STOPPED));
      await users.kill();
      this.killed++;
    }
  }

  /** Waits for a time, or for the end. */
  async #wait(milliseconds: number): Promise<void> {
    await Promise.race([pause(milliseconds), this.#over.promise]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#over.resolve();
    await this.#running.catch(() => {}); // That was said.
  }
}
