/**
 * The keys of a directory authority and the line that makes others trust it.
 *
 * @module
 */

import { allEnded } from "./all_ended.ts";

/** A directory authority of the private network. */
export interface Authority {
  nickname: string;
  dataDirectory: string;
  /** Fingerprint of the key that signs consensuses. */
  v3ident: string;
  /** Fingerprint of the key it has as a relay. */
  fingerprint: string;
}

/** Makes the keys of an authority in a new data directory. */
export async function createAuthority(
  nickname: string,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<Authority> {
  const keys = `${dataDirectory}/keys`;
  await Deno.mkdir(keys, { recursive: true, mode: 0o700 });
  const [v3ident, fingerprint] = await allEnded([
    createSigningKeys(keys, signal),
    createRelayKeys(nickname, dataDirectory, signal),
  ]);
  return { nickname, dataDirectory, v3ident, fingerprint };
}

/** The torrc line that tells a tor of this authority. */
export function dirAuthorityLine(authority: Authority, orPort: number, dirPort: number): string {
  const { nickname, v3ident, fingerprint } = authority;
  return `DirAuthority ${nickname} orport=${orPort} v3ident=${v3ident} ` +
    `127.0.0.1:${dirPort} ${fingerprint}`;
}

async function createSigningKeys(keys: string, signal: AbortSignal): Promise<string> {
  const certificate = `${keys}/authority_certificate`;
  await run(
    "tor-gencert",
    [
      "--create-identity-key",
      ...["-i", `${keys}/authority_identity_key`],
      ...["-s", `${keys}/authority_signing_key`],
      ...["-c", certificate],
      ...["--passphrase-fd", "0"],
    ],
    `${crypto.randomUUID()}\n`,
    signal,
  );
  const v3ident = /^fingerprint ([0-9A-F]{40})$/m.exec(await Deno.readTextFile(certificate))?.[1];
  if (v3ident === undefined) throw new Error("tor-gencert wrote a certificate without fingerprint");
  return v3ident;
}

/**
 * Makes the keys of a relay in a data directory: those of its identity, and its onion keys.
 *
 * @returns The fingerprint, without spaces.
 */
export async function createRelayKeys(
  nickname: string,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<string> {
  const none = `${dataDirectory}/no_torrc`;
  const printed = await run(
    "tor",
    [
      ...["--ignore-missing-torrc", "--defaults-torrc", none, "-f", none, "--hush"],
      ...["--DataDirectory", dataDirectory],
      ...["--Nickname", nickname],
      ...["--ORPort", "127.0.0.1:1"],
      "--list-fingerprint",
    ],
    "",
    signal,
  );
  const fingerprint = /([0-9A-F]{4}( [0-9A-F]{4}){9})/.exec(printed)?.[1];
  if (fingerprint === undefined) {
    throw new Error(`tor --list-fingerprint printed no fingerprint: ${printed}`);
  }
  return fingerprint.replaceAll(" ", "");
}

async function run(
  program: string,
  args: string[],
  input: string,
  signal: AbortSignal,
): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  const output = child.output();
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // A program that has ended reads nothing; how it ended is said below.
  }
  const { success, code, signal: ended, stdout, stderr } = await output;
  signal.throwIfAborted();
  const printed = new TextDecoder().decode(stdout);
  if (!success) {
    const how = ended === null ? `ended with status ${code}` : `was ended by ${ended}`;
    throw new Error(`${program} ${how}: ${new TextDecoder().decode(stderr)}${printed}`);
  }
  return printed;
}
