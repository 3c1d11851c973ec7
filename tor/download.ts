/**
 * A download of random bytes from a web server of ours, checked by SHA-256.
 *
 * @module
 */

/** What came through. */
export interface Download {
  bytes: number;
  seconds: number;
  /** The SHA-256 of the bytes, the same at both ends, in hexadecimal. */
  sha256: string;
}

/**
 * Serves random bytes on loopback and downloads them through a SOCKS proxy.
 *
 * @param size How many bytes.
 * @param socksPort The port of the SOCKS proxy on 127.0.0.1.
 * @throws {Error} When other bytes arrive than were sent.
 */
export async function downloadThrough(
  socksPort: number,
  size: number,
  signal: AbortSignal,
): Promise<Download> {
  const sent = randomBytes(size);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(sent),
  );
  // "socks5h" leaves the address to the proxy, as a browser with Tor does.
  const client = Deno.createHttpClient({ proxy: { url: `socks5h://127.0.0.1:${socksPort}` } });
  try {
    const start = performance.now();
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, { client, signal });
    const received = await response.bytes();
    const seconds = (performance.now() - start) / 1000;
    return { bytes: received.length, seconds, sha256: await sameHash(sent, received) };
  } finally {
    client.close();
    await server.shutdown();
  }
}

/** The SHA-256 that both have. */
async function sameHash(
  sent: Uint8Array<ArrayBuffer>,
  received: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const [expected, sha256] = await Promise.all([sha256Hex(sent), sha256Hex(received)]);
  if (sha256 === expected) return sha256;
  throw new Error(
    `The download arrived damaged: ${received.length} bytes with SHA-256 ${sha256}, ` +
      `but ${sent.length} bytes with ${expected} were sent`,
  );
}

function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  const most = 65_536; // of one call
  for (let start = 0; start < size; start += most) {
    crypto.getRandomValues(bytes.subarray(start, start + most));
  }
  return bytes;
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
