/**
 * A certificate that signs itself (RFC 5280), with a key of P-256.
 *
 * @module
 */

const DAY = 24 * 60 * 60 * 1000;

/** RFC 5280 has no longer serial numbers; one byte less is positive for sure. */
const SERIAL_BYTES = 16;

const [INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8, UTC_TIME] = [2, 3, 4, 6, 12, 23];
const [SEQUENCE, SET, VERSION, EXTENSIONS, DNS_NAME] = [0x30, 0x31, 0xa0, 0xa3, 0x82];

const COMMON_NAME = [0x55, 4, 3];
const SUBJECT_ALT_NAME = [0x55, 29, 17];
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/** One value of DER: a tag, a length and the content. */
function der(tag: number, ...parts: readonly Iterable<number>[]): number[] {
  const content = parts.flatMap((part) => [...part]);
  const { length } = content;
  if (length < 0x80) return [tag, length, ...content];
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return [tag, ...size, ...content];
}

/** A positive whole number, without zeros that it does not need. */
function integer(bytes: Iterable<number>): number[] {
  const digits = [...bytes];
  while (digits.length > 1 && digits[0] === 0) digits.shift();
  return der(INTEGER, (digits[0] ?? 0) >= 0x80 ? [0] : [], digits);
}

function text(tag: number, text: string): number[] {
  return der(tag, new TextEncoder().encode(text));
}

/** A time before 2050. */
function time(milliseconds: number): number[] {
  const digits = new Date(milliseconds).toISOString().replace(/\.\d+|[-:T]/g, "");
  return text(UTC_TIME, digits.slice(2));
}

function pem(label: string, bytes: Iterable<number>): string {
  const lines = Uint8Array.from(bytes).toBase64().replace(/.{1,64}/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

/**
 * Makes a certificate and its key. It is valid for ten years, as far as anybody asks who has its
 * pin.
 *
 * @param name The DNS name that it is for.
 * @returns Both in PEM.
 */
export async function selfSigned(name: string): Promise<{ cert: string; key: string }> {
  const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const algorithm = der(SEQUENCE, der(OID, ECDSA_WITH_SHA256));
  const named = der(SEQUENCE, der(SET, der(SEQUENCE, der(OID, COMMON_NAME), text(UTF8, name))));
  const names = der(OCTET_STRING, der(SEQUENCE, text(DNS_NAME, name)));
  const now = Date.now();
  const body = der(
    SEQUENCE,
    der(VERSION, integer([2])),
    integer(crypto.getRandomValues(new Uint8Array(SERIAL_BYTES))),
    algorithm,
    named,
    der(SEQUENCE, time(now - DAY), time(now + 3650 * DAY)),
    named,
    publicKey,
    der(EXTENSIONS, der(SEQUENCE, der(SEQUENCE, der(OID, SUBJECT_ALT_NAME), names))),
  );
  const signed = await crypto.subtle.sign(ecdsa, keys.privateKey, Uint8Array.from(body));
  const [r, s] = [new Uint8Array(signed, 0, 32), new Uint8Array(signed, 32)];
  const signature = der(BIT_STRING, [0], der(SEQUENCE, integer(r), integer(s)));
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    cert: pem("CERTIFICATE", der(SEQUENCE, body, algorithm, signature)),
    key: pem("PRIVATE KEY", privateKey),
  };
}
