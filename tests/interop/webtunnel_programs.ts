/** WebTunnel's program as the interop tests start it, and what a bridge with TLS is told. */

import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";

/** The command of our program, as a client and as a server. */
export const PROGRAM = [
  ...[Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*,WEBTUNNEL_*", "--allow-net"],
  ...["--allow-read", "--allow-write"],
  new URL("../../webtunnel/main.ts", import.meta.url).pathname,
];

/**
 * The options of a bridge that speaks TLS itself, with its files in a directory.
 *
 * @param directory The directory.
 * @param url Its URL.
 * @param fallback Where its web site is.
 */
export async function bridgeOptions(
  directory: string,
  url: string,
  fallback: string,
): Promise<[string, string][]> {
  const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  await Deno.writeTextFile(cert, TEST_CERTIFICATE);
  await Deno.writeTextFile(key, TEST_KEY);
  return [["url", url], ["cert", cert], ["key", key], ["fallback", fallback]];
}
