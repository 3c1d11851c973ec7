/** The steps of tor's Extended ORPort, to be played right, wrong or not at all (ext-orport-spec). */

import { readFull, type StreamConn, writeAll } from "../../net/conn.ts";
import { bytes, take, takeText } from "./scripted_peer.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" };

/** What a server transport says about a connection: the codes and bodies of its commands. */
export type Commands = [code: number, body: string][];

/** The cookie file of tor, in a directory of its own. */
export class CookieFile implements AsyncDisposable {
  readonly directory: string;
  readonly path: string;
  /** The secret that the file holds. */
  cookie = new Uint8Array(32);

  private constructor(directory: string) {
    this.directory = directory;
    this.path = `${directory}/extended_orport_auth_cookie`;
  }

  static async create(): Promise<CookieFile> {
    const file = new CookieFile(await Deno.realPath(await Deno.makeTempDir()));
    await file.renew();
    return file;
  }

  /** Writes another cookie, as tor does when it starts. */
  async renew(): Promise<void> {
    crypto.getRandomValues(this.cookie);
    await this.write(...bytes("! Extended ORPort Auth Cookie !\n"), ...this.cookie);
  }

  /** Writes what may be no cookie. */
  async write(...content: number[]): Promise<void> {
    await Deno.writeFile(this.path, Uint8Array.from(content));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Offers authentication types and gives the one that is chosen. */
export async function offer(conn: StreamConn, types: readonly number[] = [1]): Promise<number> {
  await writeAll(conn, Uint8Array.of(...types, 0));
  return (await take(conn, 1))[0]!;
}

function said(direction: string, ...nonces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const text = bytes(`ExtORPort authentication ${direction} hash`);
  return Uint8Array.of(...text, ...nonces.flatMap((nonce) => [...nonce]));
}

/** Proves that it knows the cookie, and tells whether the other side has proved it, too. */
export async function authenticate(
  conn: StreamConn,
  cookie: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = await crypto.subtle.importKey("raw", cookie, HMAC, false, ["sign", "verify"]);
  const clientNonce = await take(conn, 32);
  const serverNonce = crypto.getRandomValues(new Uint8Array(32));
  const hash = await crypto.subtle.sign(
    HMAC,
    key,
    said("server-to-client", clientNonce, serverNonce),
  );
  await writeAll(conn, Uint8Array.of(...new Uint8Array(hash), ...serverNonce));
  const clientHash = await take(conn, 32);
  return await crypto.subtle.verify(
    HMAC,
    key,
    clientHash,
    said("client-to-server", clientNonce, serverNonce),
  );
}

/** Reads the commands up to DONE. */
export async function readCommands(conn: StreamConn): Promise<Commands> {
  const commands: Commands = [];
  for (;;) {
    const header = new DataView((await readFull(conn, new Uint8Array(4))).buffer);
    const code = header.getUint16(0);
    const body = await takeText(conn, header.getUint16(2));
    commands.push([code, body]);
    if (code === 0) return commands;
  }
}

/** Takes a connection up to DONE as tor does, and gives the commands. */
export async function receive(
  conn: StreamConn,
  cookie: Uint8Array<ArrayBuffer>,
): Promise<Commands> {
  await offer(conn);
  await authenticate(conn, cookie);
  await writeAll(conn, Uint8Array.of(1));
  return await readCommands(conn);
}

/** A reply: OKAY, DENY or another one. */
export function reply(code: number, body = ""): number[] {
  const content = bytes(body);
  return [code >> 8, code & 255, content.length >> 8, content.length & 255, ...content];
}

/** The code of OKAY. */
export const OKAY = 0x1000;

/** The code of DENY. */
export const DENY = 0x1001;

/** The code of CONTROL, which nobody implements. */
export const CONTROL = 0x1002;
