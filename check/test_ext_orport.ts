/**
 * The parent's side of the Extended ORPort, one message at a time, so that each can be wrong
 * (ext-orport-spec).
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { concat } from "../net/conn.ts";
import {
  CODES,
  COOKIE_HEADER,
  cookieKey,
  formatMessage,
  prove,
  SAFE_COOKIE,
} from "../net/ext_orport.ts";
import { type Fixture, freshPath } from "./fixture.ts";
import type { Variables } from "./program_environment.ts";
import type { TestListener } from "./listener.ts";
import { EARLY, type TestTunnel, testTunnel } from "./test_tunnel.ts";
import { Failed, precondition } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

const MOST_COMMANDS = 100;

/** A server whose parent has an Extended ORPort. */
export interface Extended {
  readonly tunnel: TestTunnel;
  /** The Extended ORPort. */
  readonly port: TestListener;
  /** The secret in the cookie file. */
  readonly cookie: Uint8Array<ArrayBuffer>;
  /** Where the cookie file is. */
  readonly path: string;
}

/** A command of the transport, or a reply to it. */
export interface Command {
  readonly code: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A secret for a cookie file. */
export function freshCookie(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(32));
}

/** What may be different about an Extended ORPort. */
interface ExtendedOptions {
  /** What is in the cookie file. */
  readonly file?: Uint8Array<ArrayBuffer>;
  readonly port?: TestListener;
}

/** Opens an Extended ORPort, with the variables that tell a server of it. */
export async function openExtended(
  fixture: Fixture,
  options: ExtendedOptions = {},
): Promise<Omit<Extended, "tunnel"> & { variables: Variables }> {
  const cookie = freshCookie();
  const { file = concat(COOKIE_HEADER, cookie), port = fixture.listen() } = options;
  const path = freshPath(fixture.subject, "cookie");
  await Deno.writeFile(path, file, { mode: 0o600 });
  port.attendant = (probe) => admit(probe, cookie);
  const variables = {
    TOR_PT_EXTENDED_SERVER_PORT: formatAddress(port.address),
    TOR_PT_AUTH_COOKIE_FILE: path,
  };
  return { port, cookie, path, variables };
}

/** Starts a server with an Extended ORPort, and no other. */
export async function extended(
  fixture: Fixture,
  options: ExtendedOptions & { readonly changes?: Variables } = {},
): Promise<Extended> {
  const { variables, ...opened } = await openExtended(fixture, options);
  const tunnel = await testTunnel(fixture, {
    backend: opened.port,
    changes: { ...variables, TOR_PT_ORPORT: null, ...options.changes },
  });
  return { tunnel, ...opened };
}

/** The nonces of an authentication. */
export interface Nonces {
  readonly client: Uint8Array<ArrayBuffer>;
  readonly server: Uint8Array<ArrayBuffer>;
}

/** What the parent proves with. */
export async function serverHash(cookie: Uint8Array<ArrayBuffer>, { client, server }: Nonces) {
  return await prove(await cookieKey(cookie), "server-to-client", concat(client, server));
}

/** What the transport proves with. */
export async function clientHash(cookie: Uint8Array<ArrayBuffer>, { client, server }: Nonces) {
  return await prove(await cookieKey(cookie), "client-to-server", concat(client, server));
}

/** Offers types of authentication and takes the choice. */
export async function offer(probe: Probe, ...types: readonly number[]): Promise<number> {
  await probe.send(Uint8Array.of(...types, 0));
  return (await probe.receive(1, "a choice of authentication, 1 byte"))[0] ?? 0;
}

/** Takes the transport's nonce and gives ours. */
export async function exchangeNonces(probe: Probe): Promise<Nonces> {
  const client = await probe.receive(32, "a nonce of 32 bytes");
  return { client, server: freshCookie() };
}

/** Goes through the whole authentication; resolves to the hash that the transport sent. */
export async function authenticate(
  probe: Probe,
  cookie: Uint8Array<ArrayBuffer>,
): Promise<{ nonces: Nonces; hash: Uint8Array<ArrayBuffer> }> {
  const type = await offer(probe, SAFE_COOKIE);
  if (type !== SAFE_COOKIE) {
    throw new Failed("the choice of 01, SAFE_COOKIE", hex(Uint8Array.of(type)));
  }
  const nonces = await exchangeNonces(probe);
  await probe.send(concat(await serverHash(cookie, nonces), nonces.server));
  const hash = await probe.receive(32, "a hash of 32 bytes");
  return { nonces, hash };
}

/** Takes one command. */
async function readCommand(probe: Probe): Promise<Command> {
  const header = new DataView((await probe.receive(4, "a command and its length, 4 bytes")).buffer);
  const body = await probe.receive(header.getUint16(2), "the body of a command");
  return { code: header.getUint16(0), body };
}

/** Takes the commands up to DONE. */
export async function readCommands(probe: Probe): Promise<Command[]> {
  const commands: Command[] = [];
  while (commands.at(-1)?.code !== CODES.DONE) {
    if (commands.length === MOST_COMMANDS) throw new Failed("DONE", `${MOST_COMMANDS} others`);
    commands.push(await readCommand(probe));
  }
  return commands;
}

/** Takes a connection up to DONE and answers it. */
export async function admit(
  probe: Probe,
  cookie: Uint8Array<ArrayBuffer>,
  answers: readonly Uint8Array[] = [formatMessage(CODES.OKAY)],
): Promise<void> {
  await authenticate(probe, cookie);
  await probe.send(Uint8Array.of(1));
  await readCommands(probe);
  for (const answer of answers) await probe.send(answer);
}

/** A connection that has come as far as DONE. */
export interface Introduced {
  readonly user: Probe;
  readonly backend: Probe;
  readonly commands: readonly Command[];
}

/** Takes one connection up to DONE, without an answer yet. */
export async function introduced(
  { tunnel, cookie }: Extended,
  early: Uint8Array = EARLY,
): Promise<Introduced> {
  const { user, backend } = await tunnel.openSaying(early);
  const commands = await precondition((async () => {
    await authenticate(backend, cookie);
    await backend.send(Uint8Array.of(1));
    return await readCommands(backend);
  })());
  return { user, backend, commands };
}
