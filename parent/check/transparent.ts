/**
 * Finding out whether a transport carries bytes as they are, so that one half can be checked
 * without the other.
 *
 * @module
 */

import { Bench, SharedPrograms, type Subject } from "./bench.ts";
import { Failed, type Role, Skipped } from "./verdict.ts";
import { socksConnect } from "./socks_connect.ts";
import { hex, type Wire } from "./wire.ts";

const found = new WeakMap<Subject, Map<Role, Promise<string | null>>>();

async function openBare(bench: Bench): Promise<Wire> {
  const { method } = await bench.running();
  if (method.kind === "smethod" && method.args.size > 0) {
    throw new Skipped("it publishes arguments that its clients need");
  }
  const wire = await bench.dial(method.address);
  if (bench.role === "server") return wire;
  const reply = await socksConnect(wire, { address: bench.far.address, args: "" });
  if (reply === 0) return wire;
  throw new Skipped(`it refuses a connection without arguments with reply ${reply}`);
}

async function probe(bench: Bench): Promise<string | null> {
  const user = await openBare(bench);
  const sent = crypto.getRandomValues(new Uint8Array(32));
  await user.send(sent);
  const far = await bench.far.accept();
  if (far === null) return "nothing arrives behind it";
  const arrived = await far.receive(sent.length, "the bytes that were sent");
  return hex(arrived) === hex(sent) ? null : "it changes the bytes";
}

async function look(subject: Subject, role: Role): Promise<string | null> {
  await using shared = new SharedPrograms();
  await using bench = new Bench(subject, role, shared, true);
  try {
    return await probe(bench);
  } catch (error) {
    if (error instanceof Skipped) return error.reason;
    if (error instanceof Failed) return error.got;
    throw error;
  }
}

/**
 * Tells why a half cannot be checked without the other one.
 *
 * @returns The reason, or null for a transport that carries bytes as they are.
 */
export function transparency(subject: Subject, role: Role): Promise<string | null> {
  const memo = found.get(subject) ?? new Map<Role, Promise<string | null>>();
  found.set(subject, memo);
  const known = memo.get(role) ?? look(subject, role);
  memo.set(role, known);
  return known;
}
