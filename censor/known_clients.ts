/**
 * Whose ClientHello it is, as far as that is written down here: measured, with versions, where no
 * other source stands beside it.
 *
 * @module
 */

/** Who sends it. */
interface KnownClient {
  readonly name: string;
  readonly isBrowser: boolean;
}

/**
 * The second and third part of a JA4, which the name of the server and its protocols do not change,
 * and the browser that has it.
 */
const BROWSERS: ReadonlyMap<string, string> = new Map([
  ["8daaf6152771_cb7bf5808d99", "Chromium 156"],
  ["8daaf6152771_e5627efa2ab1", "Chrome of 2023 (by FoxIO's description of JA4)"],
  ["5b57614c22b0_3d5424432f57", "Firefox of 2023 (by FoxIO's captures)"],
  ["a09f3c656075_14788d8d241b", "Safari 17 (as others have measured it)"],
]);

/** The same of programs and libraries. */
const PROGRAMS: ReadonlyMap<string, string> = new Map([
  ["61a7ad8aa9b6_f9531d972513", "Deno 2.9.6 (rustls)"],
  ["f57a46bbacb6_ab7e3b40a677", "Go 1.26.8 (crypto/tls)"],
  ["e8f1e7e78f70_1f22a2ca17c4", "openssl s_client (OpenSSL 3.0.22)"],
  ["e8f1e7e78f70_b26ce05bbdd6", "curl 7.88.1 (OpenSSL 3.0.22)"],
  ["85036bcba153_d339722ba4af", "Python 3.11.7 (OpenSSL 3.0)"],
  ["796efca44d18_d41ae481755e", "tor 0.4.9.11 (OpenSSL 3.0.19)"],
]);

/** Who has a JA4; `null` where that is not known. */
export function knownClient(ja4: string): KnownClient | null {
  const key = ja4.split("_").slice(1).join("_");
  const browser = BROWSERS.get(key);
  const name = browser ?? PROGRAMS.get(key);
  return name === undefined ? null : { name, isBrowser: browser !== undefined };
}
