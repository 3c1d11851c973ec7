/**
 * What a server does at the Extended ORPort, step by step, as far as a check needs it.
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import { admit, type Extended, extended, introduced } from "./test_ext_orport.ts";
import { EARLY, type TestTunnel } from "./test_tunnel.ts";
import { expect } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";

/** How long a server is watched for bytes that it must not send, in milliseconds. */
export const WATCH = 500;
/** What a user sends, and what the backend does. */
export const PAYLOAD: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the user");
export const ANSWER: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the backend");

/** Expects some bytes, and no others. */
export async function arrives(probe: Probe, bytes: Uint8Array, where: string): Promise<void> {
  const got = await probe.receive(bytes.length, `the payload at ${where}`);
  expect(sameBytes(got, bytes), `the payload ${hex(bytes)} at ${where}`, hex(got));
}

/** Answers DONE and expects the payload to flow both ways. */
export async function goesOn(fixture: Fixture, ...answers: readonly Uint8Array[]): Promise<void> {
  await goesOnFrom(await extended(fixture), answers);
}

/** The same, of a server that has been started. */
export async function goesOnFrom(
  server: Extended,
  answers: readonly Uint8Array[],
): Promise<void> {
  server.port.attendant = (probe) => admit(probe, server.cookie, answers);
  const { user, backend } = await introduced(server, PAYLOAD);
  for (const answer of answers) await backend.send(answer);
  await arrives(backend, PAYLOAD, "the Extended ORPort");
  await backend.send(ANSWER);
  await arrives(user, ANSWER, "the user");
}

/** A server and a connection of it to the Extended ORPort. */
export async function connected(
  fixture: Fixture,
): Promise<Extended & { user: Probe; backend: Probe }> {
  const server = await extended(fixture);
  return { ...server, ...await server.tunnel.openSaying(EARLY) };
}

/** A user who says something at once. */
export async function nextUser(tunnel: TestTunnel): Promise<Probe> {
  const user = await tunnel.dial();
  await user.send(EARLY);
  return user;
}
