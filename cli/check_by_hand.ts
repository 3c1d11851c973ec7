/**
 * `ptlib check --by-hand`: one check for a person who wants to see it in a terminal of their own.
 *
 * @module
 */

import { byHand, places } from "../check/by_hand.ts";
import type { Scene } from "../check/scene.ts";
import type { CheckInfo, CheckOptions } from "../check/check.ts";
import { NOT_CHECKED, report } from "./check_report.ts";
import { fold, foldLines } from "./fold.ts";
import type { Interrupt } from "./supervise.ts";
import { harmless, painter, print } from "./terminal.ts";

/** How long it waits for somebody before it says what to do, in milliseconds. */
const PATIENCE = 3_000;

/** What there is besides the program. */
function surroundings({ listeners, otherHalf }: Scene): string[] {
  return [
    ...listeners.length === 0 ? [] : [fold("we listen at ", places(listeners))],
    ...otherHalf.map((line) => `the other half runs: ${harmless(line)}`),
  ];
}

/** Prints what came of the check, and how to see it. */
function tellScene(check: CheckInfo, scene: Scene): void {
  const { verdict, command, hand } = scene;
  // A command that somebody copies stays on one line.
  print(report({ ...check, ...verdict }, painter(Deno.stdout), () => "as follows"));
  if (command === null) return;
  print(`${harmless(command)}`);
  if (hand !== null) print(`then ${hand}`);
  for (const text of surroundings(scene)) print(text);
  if (scene.ask === null) return;
  print(
    "to ask it for a connection, with the port of its CMETHOD line for PORT (nobody answers curl):",
  );
  print(harmless(scene.ask));
}

/** Waits for the interrupt; says once what to do when nothing arrives until then. */
async function stay(interrupt: Interrupt, arrived: Promise<void>, { ask }: Scene): Promise<void> {
  const timer = setTimeout(() => {
    const then = ask === null ? "have it connect" : "ask it for a connection";
    print(`nothing has arrived yet: start the program in another terminal, and ${then}`);
  }, PATIENCE);
  void arrived.then(() => clearTimeout(timer));
  await interrupt.wait().finally(() => clearTimeout(timer));
}

/**
 * Makes a check and keeps its other side until an interrupt.
 *
 * @returns The exit status.
 */
export async function showByHand(
  program: readonly string[],
  options: CheckOptions,
  check: CheckInfo,
  interrupt: Interrupt,
): Promise<number> {
  const { role, id } = check;
  let status = NOT_CHECKED;
  const arrived = Promise.withResolvers<void>();
  await byHand(program, { ...options, role, signal: interrupt.signal }, id, {
    tell(text) {
      arrived.resolve();
      print(foldLines(harmless(text)));
    },
    async show(scene) {
      if (["ok", "failed"].includes(scene.verdict.outcome)) status = 0;
      tellScene(check, scene);
      if (scene.command === null) return;
      print("the other side stays until Ctrl-C; what arrives there is told here");
      await stay(interrupt, arrived.promise, scene);
    },
  });
  return status;
}
