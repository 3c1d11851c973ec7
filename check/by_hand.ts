/**
 * One check for a person who wants to see it.
 *
 * @module
 */

import { type CheckOptions, plan } from "./check.ts";
import { catalogue, type Task } from "./catalogue.ts";
import { showElsewhere } from "./elsewhere.ts";
import { Fixture, SharedPrograms, type Subject } from "./fixture.ts";
import { type Audience, perform } from "./scene.ts";
import { type Address, formatAddress } from "../address.ts";

function taskOf(role: string, id: string): Task {
  const task = catalogue.find(({ check, role: half }) => check.id === id && half === role);
  if (task === undefined) throw new TypeError(`There is no check ${role}/${id}`);
  return task;
}

async function showHere(subject: Subject, task: Task, audience: Audience): Promise<void> {
  const shared = new SharedPrograms();
  const fixture = new Fixture(subject, task.role, shared, true);
  try {
    await perform(fixture, task, audience);
  } finally {
    await fixture[Symbol.asyncDispose]();
    await shared[Symbol.asyncDispose]();
  }
}

/**
 * Makes one check and keeps its other side: proxies, the Extended ORPort, targets, the other half
 * of the transport, cookies and state directories.
 *
 * @param command The program and its arguments.
 * @param options As for {@linkcode check}; `role` is the half that is checked.
 * @param id The name of the check.
 * @param audience Who looks at it.
 */
export async function byHand(
  command: readonly string[],
  options: CheckOptions & { readonly role: "client" | "server" },
  id: string,
  audience: Audience,
): Promise<void> {
  const task = taskOf(options.role, id);
  const directory = await Deno.makeTempDir({ prefix: "check-" });
  const stop = new AbortController();
  const abort = () => stop.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", abort);
  try {
    const { subject } = await plan(command, options, directory, stop.signal);
    const show = task.check.ownNetwork === true ? showElsewhere : showHere;
    await show(subject, task, audience);
  } finally {
    options.signal?.removeEventListener("abort", abort);
    stop.abort();
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

/** The addresses in words. */
export function places(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(", ");
}
