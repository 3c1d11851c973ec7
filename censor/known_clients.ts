/**
 * Whose ClientHello it is, as far as that is written down here: measured, with versions.
 *
 * @module
 */

/**
 * The second and third part of a JA4, which the name of the server and its protocols do not change,
 * and the program that has it.
 */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ["61a7ad8aa9b6_f9531d972513", "Deno 2.9.6 (rustls)"],
  ["f57a46bbacb6_ab7e3b40a677", "Go 1.26.8 (crypto/tls)"],
  ["e8f1e7e78f70_1f22a2ca17c4", "openssl s_client (OpenSSL 3.0.22)"],
  ["e8f1e7e78f70_b26ce05bbdd6", "curl 7.88.1 (OpenSSL 3.0.22)"],
  ["85036bcba153_d339722ba4af", "Python 3.11.7 (OpenSSL 3.0)"],
  ["796efca44d18_d41ae481755e", "tor 0.4.9.11 (OpenSSL 3.0.19)"],
]);

/** Names the programs with a JA4; `null` where none is known. */
export function knownClient(ja4: string): string | null {
  return KNOWN.get(ja4.split("_").slice(1).join("_")) ?? null;
}
