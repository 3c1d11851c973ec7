/**
 * The checker's process in a network of its own. It is told on stdin what to check, says on stdout
 * what comes of it, and ends when its stdin does.
 *
 * @module
 */

import { catalogue, nameOf, type Task } from "./catalogue.ts";
import { Fixture, SharedPrograms, type Subject } from "./fixture.ts";
import { judge } from "./run_check.ts";
import { perform, type Scene } from "./scene.ts";
import type { Verdict } from "./verdict.ts";

/** What it is told, as JSON on one line. */
export interface Order {
  readonly subject: Omit<Subject, "signal">;
  /** The names of the checks. */
  readonly names: readonly string[];
  /** Whether there is one of them, for a person to look at. */
  readonly shown: boolean;
}

/** What it says, as JSON, a line each. */
export type Word =
  | { readonly name: string; readonly verdict: Verdict }
  | { readonly scene: Scene }
  | { readonly told: string };

/** Where this module is, so that another process can load it. */
export const WORKER = import.meta.url;

const SIDE_BY_SIDE = 2;

function say(word: Word): void {
  console.log(JSON.stringify(word));
}

/** Reads the order, and goes on reading until there is nobody who could have given it. */
async function readOrder(stop: AbortController): Promise<Order> {
  const order = Promise.withResolvers<Order>();
  const read = async () => {
    let text = "";
    for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.endsWith("\n")) order.resolve(JSON.parse(text));
    }
    stop.abort();
    order.reject(new Error("There is no order"));
  };
  read().catch(order.reject);
  return await order.promise;
}

async function judgeAll(subject: Subject, tasks: readonly Task[], shared: SharedPrograms) {
  const queue = [...tasks];
  const work = async () => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      const fixture = new Fixture(subject, task.role, shared, true);
      const verdict = await judge(fixture, task).finally(() => fixture[Symbol.asyncDispose]());
      say({ name: nameOf(task), verdict });
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
}

async function show(subject: Subject, task: Task, shared: SharedPrograms): Promise<void> {
  const fixture = new Fixture(subject, task.role, shared, true);
  const over = new Promise<void>((resolve) => {
    subject.signal.addEventListener("abort", () => resolve());
  });
  try {
    await perform(fixture, task, {
      tell: (told) => say({ told }),
      show: (scene) => (say({ scene }), over),
    });
  } finally {
    await fixture[Symbol.asyncDispose]();
  }
}

/** Does what it is told to, and ends. */
export async function work(): Promise<void> {
  const stop = new AbortController();
  const { subject: told, names, shown } = await readOrder(stop);
  const subject = { ...told, signal: stop.signal };
  const tasks = catalogue.filter((task) => names.includes(nameOf(task)));
  const shared = new SharedPrograms();
  try {
    const [first] = tasks;
    if (shown && first !== undefined) await show(subject, first, shared);
    else await judgeAll(subject, tasks, shared);
  } finally {
    await shared[Symbol.asyncDispose]();
  }
  Deno.exit(); // It may still be told something.
}
