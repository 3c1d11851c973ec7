/**
 * The URL of an upstream proxy, as a person writes it.
 *
 * @module
 */

import { type ProxyInfo, readProxy } from "../config.ts";
import { isName } from "./places.ts";

/** The address of a proxy's name: programs are told a numeric one. */
async function lookUp(name: string): Promise<string> {
  const { lookup } = await import("node:dns/promises");
  const addresses = await lookup(name, { all: true }).catch((cause) => {
    throw new SyntaxError("its host is not found: there is no such name", { cause });
  });
  // Many a proxy listens on 127.0.0.1 and not on ::1, the other address of localhost.
  const { address } = addresses.find(({ family }) => family === 4) ?? addresses[0]!;
  return address.includes(":") ? `[${address}]` : address;
}

/** Checks what the URL begins with: here it may be one more than a transport knows. */
function checkScheme(text: string): void {
  const schemes = "http://, socks4a://, socks5:// or socks5h://";
  if (text === "" || /^(?:http|socks4a|socks5h?):\/\//i.test(text)) return;
  throw new SyntaxError(
    text.includes("://")
      ? `the scheme is not ${schemes}`
      : `there is no scheme before it: ${schemes}`,
  );
}

/**
 * Reads the URL of a proxy: as a transport reads `TOR_PT_PROXY`, but also with a name, with
 * `socks5h`, which is what `socks5` means here, and with a slash at the end.
 *
 * @param text The URL.
 * @returns The proxy, by its numeric address.
 * @throws {SyntaxError} When it is no such URL, or its name is not found.
 */
export async function readProxyUrl(text: string): Promise<ProxyInfo> {
  checkScheme(text);
  const url = text.replace(/^socks5h:/i, "socks5:").replace(/\/$/, "");
  const [, before = "", host = "", port = ""] = /^(\w+:\/\/(?:.*@)?)(.*)(:.*)$/s.exec(url) ?? [];
  const numeric = isName(host) ? `${before}${await lookUp(host)}${port}` : url;
  try {
    const proxy = readProxy(() => numeric);
    if (proxy === null) throw new SyntaxError("it is empty");
    return proxy;
  } catch (error) {
    // The variable that the message names is not what the user wrote.
    throw error instanceof Error && error.cause instanceof SyntaxError ? error.cause : error;
  }
}
