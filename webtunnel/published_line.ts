/**
 * The bridge line of a server, for its operator to hand out.
 *
 * @module
 */

import { type Address, bytesToIp } from "../address.ts";
import { formatBridgeLine } from "../bridge_line.ts";

/**
 * The address that is published: made of the URL, in the network for documentation (RFC 3849), and the
 * same as the official server's. Nothing is there, and no client looks at it: tor has to publish one,
 * and the real one may be that of a web server or of a content network.
 *
 * @param url The URL as it was given.
 * @returns The address.
 */
export async function placeholder(url: string): Promise<Address> {
  const text = new TextEncoder().encode(`WEBTUNNEL+${url}`);
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).subarray(0, 16);
  bytes.set([0x20, 0x01, 0x0d, 0xb8]);
  return [bytesToIp(bytes), 443];
}

/** Finds the fingerprint of the tor that has this state directory; null where it is unknown. */
async function fingerprint(stateDirectory: string): Promise<string | null> {
  try {
    const text = await Deno.readTextFile(`${stateDirectory}/../fingerprint`);
    return /^\S+ ([0-9A-F]{40})\s*$/.exec(text)?.[1] ?? null;
  } catch {
    return null; // Without `--allow-read` for it, or below another parent than tor.
  }
}

/**
 * Makes the bridge line.
 *
 * @param address The published address.
 * @param args What is published with it.
 * @param stateDirectory The state directory. tor's, which has its fingerprint, is above it.
 * @returns The line.
 * @throws {TypeError} When the arguments are more than a client can send.
 */
export async function bridgeLine(
  address: Readonly<Address>,
  args: URLSearchParams,
  stateDirectory: string,
): Promise<string> {
  const parts = { transport: "webtunnel", address, fingerprint: await fingerprint(stateDirectory) };
  return `Bridge ${formatBridgeLine({ ...parts, args })}`;
}

/**
 * Keeps the bridge line in a file, for this user alone.
 *
 * @param line The line.
 * @param stateDirectory The state directory, which exists.
 * @throws {Deno.errors.NotCapable} Without `--allow-write` for it.
 */
export async function writeBridgeLine(line: string, stateDirectory: string): Promise<void> {
  const file = `${stateDirectory}/webtunnel_bridgeline.txt`;
  await Deno.writeTextFile(file, `${line}\n`, { mode: 0o600 });
}
