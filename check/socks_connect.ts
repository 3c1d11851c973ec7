/**
 * A whole SOCKS5 handshake with a client transport, as tor does it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { argumentFields, greeting, NO_AUTH, PASSWORD, request } from "./socks_message.ts";
import { receiveReply } from "./socks_reply.ts";
import { precondition, Skipped } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

/** Where a client transport is asked to connect, and with which arguments. */
export interface Target {
  readonly address: Address;
  readonly args: string;
}

/**
 * Goes through a SOCKS handshake.
 *
 * @returns The whole reply.
 * @throws {Failed} When there is no whole reply.
 * @throws {Skipped} When the handshake does not get as far as the request.
 */
export async function socksReply(
  probe: Probe,
  target: Target,
): Promise<Uint8Array<ArrayBuffer>> {
  const method = target.args === "" ? NO_AUTH : PASSWORD;
  await probe.send(greeting(method));
  const choice = await precondition(probe.receive(2, "a choice of method"));
  if (choice[1] !== method) throw new Skipped(`needs the method ${method}, not ${hex(choice)}`);
  if (method === PASSWORD) {
    await probe.send(argumentFields(target.args));
    const answer = await precondition(probe.receive(2, "an answer to the arguments"));
    if (answer[1] !== 0) throw new Skipped(`needs arguments to be taken, not ${hex(answer)}`);
  }
  await probe.send(request(target.address));
  return await receiveReply(probe);
}

/** The same; resolves to the reply's code. */
export async function socksConnect(probe: Probe, target: Target): Promise<number> {
  return (await socksReply(probe, target))[1] ?? 0xff;
}
