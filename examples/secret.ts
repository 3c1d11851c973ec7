/**
 * Teaches arguments, options, what a server publishes, and the state directory: whoever does not
 * know the bridge's secret is turned away, and the rest is encrypted.
 *
 * **This is a demonstration and no circumvention tool.** A censor recognises its
 * handshake by its lengths, nothing detects bytes that were changed on the way, and tor may publish
 * the secret with the bridge.
 *
 * The bridge takes its secret from `ServerTransportOptions secret secret=...`, or makes one up and
 * keeps it in its state directory. A bridge line ends with `secret=...`.
 *
 * tor starts it. As a client, with the address of the bridge:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 secret.ts
 *
 * As a server, with the address it binds, that of tor's ORPorts, the cookie's file and the state
 * directory:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie,/var/lib/tor/pt_state \
 *       --allow-write=/var/lib/tor/pt_state secret.ts
 *
 * Without tor, `ptlib` (`cli.ts`) starts it in front of any TCP service. The first command prints
 * the second, with the secret in it; behind `--` stand the commands from above, the server's with
 * the directory of `--state` and without a cookie.
 *
 *     ptlib server --transport secret --listen 0.0.0.0:4443 --forward 127.0.0.1:22 \
 *       --state /home/me/secret -- deno run ... secret.ts
 *     ptlib client --transport secret --listen 127.0.0.1:2222 --bridge 192.0.2.1:4443 \
 *       --args secret=... -- deno run ... secret.ts
 *
 * @module
 */

import { readFull, type StreamConn, writeAll } from "@ptlib/ptlib/net";
import { type PublishContext, run } from "@ptlib/ptlib/run";

const NONCE_LENGTH = 32;
const TAG_LENGTH = 32;
const BLOCK_LENGTH = 16;
const HMAC = { name: "HMAC", hash: "SHA-256", length: 256 } as const;
const AES = { name: "AES-CTR", length: 256 } as const;

const utf8 = new TextEncoder();

/** Encrypts or decrypts one direction of a connection, whatever pieces its bytes come in. */
class Keystream {
  readonly #key: CryptoKey;
  #position = 0;

  constructor(key: CryptoKey) {
    this.#key = key;
  }

  async apply(bytes: Uint8Array): Promise<Uint8Array> {
    // WebCrypto starts at a whole block, so what is used up of the first one is skipped.
    const skipped = this.#position % BLOCK_LENGTH;
    const counter = new DataView(new ArrayBuffer(BLOCK_LENGTH));
    counter.setBigUint64(8, BigInt((this.#position - skipped) / BLOCK_LENGTH));
    this.#position += bytes.length;
    const padded = new Uint8Array(skipped + bytes.length);
    padded.set(bytes, skipped);
    const algorithm = { name: AES.name, counter, length: 64 };
    const result = await crypto.subtle.encrypt(algorithm, this.#key, padded);
    return new Uint8Array(result, skipped);
  }
}

/** The keys of one direction. */
interface Direction {
  /** Proves to the receiver that the sender knows the secret. */
  proof: CryptoKey;
  encryption: CryptoKey;
}

type Sender = "client" | "server";

/** Derives the keys of what `sender` sends; the nonces make them new for each connection. */
async function deriveDirection(
  secret: string,
  nonces: Uint8Array<ArrayBuffer>,
  sender: Sender,
): Promise<Direction> {
  const hkdf = (info: string) => ({
    name: "HKDF",
    hash: "SHA-256",
    salt: nonces,
    info: utf8.encode(info),
  });
  const raw = utf8.encode(secret);
  const base = await crypto.subtle.importKey("raw", raw, "HKDF", false, ["deriveKey"]);
  const [proof, encryption] = await Promise.all([
    crypto.subtle.deriveKey(hkdf(`${sender} proof`), base, HMAC, false, ["sign", "verify"]),
    crypto.subtle.deriveKey(hkdf(`${sender} encryption`), base, AES, false, ["encrypt"]),
  ]);
  return { proof, encryption };
}

function nonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(NONCE_LENGTH));
}

async function prove(conn: StreamConn, { proof }: Direction): Promise<void> {
  await writeAll(conn, new Uint8Array(await crypto.subtle.sign(HMAC, proof, new Uint8Array())));
}

async function checkProof(conn: StreamConn, { proof }: Direction): Promise<void> {
  const tag = await readFull(conn, new Uint8Array(TAG_LENGTH));
  // `verify` compares in constant time.
  if (await crypto.subtle.verify(HMAC, proof, tag, new Uint8Array())) return;
  throw new Deno.errors.PermissionDenied("The other end does not know the secret");
}

function encrypted(conn: StreamConn, sent: Direction, received: Direction): StreamConn {
  const outgoing = new Keystream(sent.encryption);
  const incoming = new Keystream(received.encryption);
  return {
    async read(p) {
      const count = await conn.read(p);
      if (count !== null) p.set(await incoming.apply(p.subarray(0, count)));
      return count;
    },
    async write(p) {
      // Encrypted only once, so a part written would not do.
      await writeAll(conn, await outgoing.apply(p));
      return p.length;
    },
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

/** Client: nonce. Server: nonce, proof. Client: proof. No byte of the user's goes before. */
async function secure(conn: StreamConn, role: Sender, secret: string): Promise<StreamConn> {
  const ours = nonce();
  await writeAll(conn, ours);
  const theirs = await readFull(conn, new Uint8Array(NONCE_LENGTH));
  const nonces = Uint8Array.of(...role === "client" ? [...ours, ...theirs] : [...theirs, ...ours]);
  const [client, server] = await Promise.all([
    deriveDirection(secret, nonces, "client"),
    deriveDirection(secret, nonces, "server"),
  ]);
  if (role === "client") {
    await checkProof(conn, server);
    await prove(conn, client);
    return encrypted(conn, client, server);
  }
  await prove(conn, server);
  await checkProof(conn, client);
  return encrypted(conn, server, client);
}

/** The secret that is kept; empty where there is none yet. */
async function keptSecret(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The secret of this bridge, made up the first time. */
async function storedSecret(stateDirectory: string): Promise<string> {
  const path = `${stateDirectory}/secret`;
  const kept = await keptSecret(path);
  if (kept !== "") return kept;
  const secret = nonce().toHex();
  // It is there whole or not at all: on a full disk a file stays empty.
  await Deno.writeTextFile(`${path}.new`, secret, { mode: 0o600 });
  await Deno.rename(`${path}.new`, path);
  return secret;
}

function knownSecret(args: URLSearchParams): string {
  const secret = args.get("secret");
  if (!secret) throw new Error("There is no secret=...: it stands at the end of the bridge line");
  return secret;
}

await run({
  secret: {
    async publish({ options, stateDirectory }: PublishContext) {
      return [["secret", options.get("secret") || await storedSecret(await stateDirectory())]];
    },
    async client({ args, dial }) {
      const secret = knownSecret(args);
      return await secure(await dial(), "client", secret);
    },
    server: (conn, { args }) => secure(conn, "server", knownSecret(args)),
  },
}, {
  name: "secret",
  version: "0.1.0",
  permissions: { server: ["--allow-write"] },
  narrowed: {
    server: [
      "--allow-net=BIND:PORT,127.0.0.1 --allow-read=COOKIE_FILE,STATE --allow-write=STATE",
    ],
  },
});
