/**
 * A whole SOCKS5 handshake with a client transport, as tor does it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ClientMethod, ServerMethod } from "../parent/line.ts";
import {
  argumentFields,
  greeting,
  NO_AUTH,
  PASSWORD,
  request,
  SOCKS4_GRANTED,
  socks4Request,
} from "./socks_message.ts";
import { receiveReply } from "./socks_reply.ts";
import { Failed, precondition, Skipped } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

/** Where a client transport is asked to connect, and with which arguments. */
export interface Target {
  readonly address: Address;
  readonly args: string;
}

/** Why a handshake cannot go on, after the choice of method. */
function whyNotTaken(method: number, choice: Uint8Array): string {
  return method === NO_AUTH
    ? `needs a client that takes a user without arguments, but it says ${hex(choice)}. ` +
      "It may need them: give them by --args"
    : `needs a client that takes arguments, but it says ${hex(choice)}`;
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
  if (choice[1] !== method) throw new Skipped(whyNotTaken(method, choice));
  if (method === PASSWORD) {
    await probe.send(argumentFields(target.args));
    const answer = await precondition(probe.receive(2, "an answer to the arguments"));
    if (answer[1] !== 0) {
      throw new Skipped(`needs a client that takes the arguments, but it says ${hex(answer)}`);
    }
  }
  await probe.send(request(target.address));
  return await receiveReply(probe);
}

/**
 * Makes a SOCKS4 request.
 *
 * @returns The reply of 8 bytes.
 * @throws {Failed} When it does not come whole.
 */
export async function socks4Reply(
  probe: Probe,
  { address, args }: Target,
): Promise<Uint8Array<ArrayBuffer>> {
  await probe.send(socks4Request(address, args));
  return await probe.receive(8, "a whole SOCKS4 reply of 8 bytes");
}

/** Why a connection is not there that a client has not granted. */
export function refusal(reply: number, { args }: Target): string {
  const hint = args === "" ? ". It may need arguments: give them by --args" : "";
  return `needs a granted connection, but the client refuses it with reply ${reply}${hint}`;
}

/** Goes through the handshake of a listener; resolves to 0 when it grants, else to another code. */
export async function socksConnect(
  probe: Probe,
  target: Target,
  method?: Readonly<ClientMethod | ServerMethod>,
): Promise<number> {
  if (method?.kind !== "cmethod" || method.socksVersion === 5) {
    return (await socksReply(probe, target))[1] ?? 0xff;
  }
  const code = (await socks4Reply(probe, target))[1] ?? 0xff;
  return code === SOCKS4_GRANTED ? 0 : code;
}

/**
 * Asks for a connection and says something on it. A transport may grant it without one, and dial
 * with the first byte of its user: what counts is where it dials to.
 */
export async function askAndSpeak(
  user: Probe,
  target: Target,
  method: Readonly<ClientMethod | ServerMethod>,
): Promise<void> {
  const outcome = await socksConnect(user, target, method).catch((error) => {
    if (error instanceof Failed) return null;
    throw error;
  });
  if (outcome === 0) await user.send(new TextEncoder().encode("a user's first bytes"));
}
