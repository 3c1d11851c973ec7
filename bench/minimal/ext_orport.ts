/**
 * The least that tells tor's Extended ORPort about a client. It takes each message for whole and
 * right, and does not ask tor to prove that it knows the cookie.
 */

const encoder = new TextEncoder();
const title = encoder.encode("ExtORPort authentication client-to-server hash");

/** The key that the cookie is, behind the 32 bytes that every such file begins with. */
export function cookieKey(file: string): Promise<CryptoKey> {
  const cookie = Deno.readFileSync(file).subarray(32);
  return crypto.subtle.importKey("raw", cookie, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

function message(code: number, body: string): number[] {
  return [0, code, body.length >> 8, body.length & 255, ...encoder.encode(body)];
}

/** Introduces a client of the transport dummy on a new connection to tor. */
export async function introduce(tor: Deno.TcpConn, key: CryptoKey, client: string): Promise<void> {
  const answer = new Uint8Array(64);
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  await tor.read(answer);
  await tor.write(Uint8Array.of(1, ...nonce));
  await tor.read(answer);
  const signed = Uint8Array.of(...title, ...nonce, ...answer.subarray(32));
  await tor.write(new Uint8Array(await crypto.subtle.sign("HMAC", key, signed)));
  await tor.read(answer);
  const messages = [...message(1, client), ...message(2, "dummy"), ...message(0, "")];
  await tor.write(Uint8Array.from(messages));
  await tor.read(answer);
}
