/**
 * A certificate as large as those of ordinary sites, for the HTTPS that goes through a transport. It
 * signs itself (RFC 5280), and its key lives no longer than the process.
 *
 * @module
 */

import { concat } from "../net/conn.ts";

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Further names fill the certificate up to some 3 KiB, as a chain of two has. */
const FURTHER_NAMES = 60;

const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
} as const;

/** Tags of DER (X.690). */
const [INTEGER, BITS, OCTETS, NULL, OBJECT, UTF8] = [0x02, 0x03, 0x04, 0x05, 0x06, 0x0c];
const [TIME, SEQUENCE, SET, DNS_NAME] = [0x18, 0x30, 0x31, 0x82];
const [VERSION, EXTENSIONS] = [0xa0, 0xa3];

type Bytes = Uint8Array<ArrayBuffer>;

function element(tag: number, ...contents: readonly Uint8Array[]): Bytes {
  const content = concat(...contents);
  const { length } = content;
  const size = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...size), content);
}

function text(tag: number, value: string): Bytes {
  return element(tag, new TextEncoder().encode(value));
}

function object(...bytes: readonly number[]): Bytes {
  return element(OBJECT, Uint8Array.from(bytes));
}

/** sha256WithRSAEncryption, commonName and subjectAltName, by their numbers. */
const SIGNATURE = element(
  SEQUENCE,
  object(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b),
  element(NULL),
);
const COMMON_NAME = object(0x55, 0x04, 0x03);
const ALTERNATIVE_NAME = object(0x55, 0x1d, 0x11);

function nameOf(site: string): Bytes {
  return element(SEQUENCE, element(SET, element(SEQUENCE, COMMON_NAME, text(UTF8, site))));
}

function extensions(site: string): Bytes {
  const names = Array.from(
    { length: FURTHER_NAMES },
    (_, index) => `another-name-${index}.${site}`,
  );
  const all = element(SEQUENCE, ...[site, ...names].map((name) => text(DNS_NAME, name)));
  const extension = element(SEQUENCE, ALTERNATIVE_NAME, element(OCTETS, all));
  return element(EXTENSIONS, element(SEQUENCE, extension));
}

function pem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Makes a certificate for a site. */
export async function makeCertificate(site: string): Promise<Certificate> {
  const keys = await crypto.subtle.generateKey(RSA, true, ["sign", "verify"]);
  const name = nameOf(site);
  const validity = element(SEQUENCE, text(TIME, "20200101000000Z"), text(TIME, "21200101000000Z"));
  const tbs = element(
    SEQUENCE,
    element(VERSION, element(INTEGER, Uint8Array.of(2))),
    element(INTEGER, Uint8Array.of(1)),
    SIGNATURE,
    name,
    validity,
    name,
    new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey)),
    extensions(site),
  );
  const signature = new Uint8Array(await crypto.subtle.sign(RSA.name, keys.privateKey, tbs));
  const der = element(SEQUENCE, tbs, SIGNATURE, element(BITS, Uint8Array.of(0), signature));
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { cert: pem("CERTIFICATE", der), key: pem("PRIVATE KEY", key) };
}
