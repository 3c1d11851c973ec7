/**
 * Teaches frames with a handshake: messages sealed by AES-GCM with random padding, under keys that
 * come from an argument; whoever has another key is rejected.
 *
 * **This is a demonstration and no circumvention tool.** The lengths of the frames travel in the
 * clear, and a censor recognises them.
 *
 * The bridge takes its key from `ServerTransportOptions sealed key=...`: 32 bytes in hexadecimal,
 * made for instance by `openssl rand -hex 32`. It does not publish the key; a bridge line ends with
 * `key=...`.
 *
 * tor starts it. As a client, with the address of the bridge:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 frames.ts
 *
 * As a server, with the address it binds, that of tor's ORPorts and the cookie's file:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie frames.ts
 *
 * @module
 */

import { type FrameConn, frames, fromFrames, type StreamConn } from "@ptlib/ptlib/net";
import { run, type Transport } from "@ptlib/ptlib/run";

/** How many bytes of a frame are not the user's: two of a length, and the tag of AES-GCM. */
const OVERHEAD = 2 + 16;
const LIMIT = 16_384;
const MOST_PADDING = 255;

type Role = "client" | "server";

/** The key of an argument, checked. */
function readKey(args: URLSearchParams): Uint8Array<ArrayBuffer> {
  const hex = args.get("key") ?? "";
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error("There is no key=... of 64 hexadecimal digits");
  return Uint8Array.fromHex(hex);
}

/** The key for what one side sends; the nonces of both make it new for each connection. */
async function deriveKey(secret: Uint8Array<ArrayBuffer>, salt: Uint8Array, sender: Role) {
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(sender);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: Uint8Array.from(salt), info };
  const aes = { name: "AES-GCM", length: 256 };
  return await crypto.subtle.deriveKey(hkdf, base, aes, false, ["encrypt", "decrypt"]);
}

/** Counts the messages of one direction: none can be left out, repeated or moved. */
function counter() {
  const iv = new DataView(new ArrayBuffer(12));
  let count = 0n;
  return () => {
    iv.setBigUint64(4, count++);
    return { name: "AES-GCM", iv: iv.buffer.slice(0) };
  };
}

/** Seals what goes out and opens what comes in. A message of no bytes is the end of the stream. */
function sealed(conn: FrameConn, sent: CryptoKey, received: CryptoKey): FrameConn {
  const [nextSent, nextReceived] = [counter(), counter()];
  const limit = conn.limit - OVERHEAD - MOST_PADDING;
  let ended = false;
  const write = async (message: Uint8Array) => {
    const [padding = 0] = crypto.getRandomValues(new Uint8Array(1));
    const plain = new Uint8Array(2 + message.length + padding);
    new DataView(plain.buffer).setUint16(0, message.length);
    plain.set(message, 2);
    await conn.write(new Uint8Array(await crypto.subtle.encrypt(nextSent(), sent, plain)));
  };
  return {
    limit,
    write,
    async read() {
      if (ended) return null;
      const message = await conn.read();
      // Whoever cuts the connection cannot make a message of no bytes.
      if (message === null) throw new Deno.errors.UnexpectedEof("The connection was cut");
      const plain = new Uint8Array(
        await crypto.subtle.decrypt(nextReceived(), received, message).catch(() => {
          throw new Deno.errors.PermissionDenied("The other end does not know the key");
        }),
      );
      const length = new DataView(plain.buffer).getUint16(0);
      ended = length === 0;
      return ended ? null : plain.subarray(2, 2 + length);
    },
    async closeWrite() {
      await write(new Uint8Array());
      await conn.closeWrite();
    },
    close: () => conn.close(),
  };
}

const HELLO = new TextEncoder().encode("hello");

/** Both send a nonce, then a sealed greeting. No byte of the user's goes before it was opened. */
async function shakeHands(conn: StreamConn, role: Role, secret: Uint8Array<ArrayBuffer>) {
  const framed = frames(conn, { limit: LIMIT });
  const ours = crypto.getRandomValues(new Uint8Array(32));
  await framed.write(ours);
  const theirs = await framed.read();
  if (theirs?.length !== 32) throw new Error("The other end speaks another protocol");
  const nonces = role === "client" ? [...ours, ...theirs] : [...theirs, ...ours];
  const [client, server] = await Promise.all([
    deriveKey(secret, Uint8Array.from(nonces), "client"),
    deriveKey(secret, Uint8Array.from(nonces), "server"),
  ]);
  const messages = role === "client"
    ? sealed(framed, client, server)
    : sealed(framed, server, client);
  await messages.write(HELLO);
  await messages.read();
  return fromFrames(messages);
}

/** The transport, for `run()` and for programs that use it themselves. */
export const transport: Transport = {
  async client({ args, dial }) {
    const key = readKey(args);
    return await shakeHands(await dial(), "client", key);
  },
  // It returns nothing to be published: the key is a secret.
  publish({ options }) {
    readKey(options);
    return [];
  },
  server: (conn, { options }) => shakeHands(conn, "server", readKey(options)),
};

if (import.meta.main) await run({ sealed: transport }, { name: "frames", version: "0.1.0" });
