/**
 * What the operator of a server has set.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { type Bridge, readAuthority, readBridge } from "./arguments.ts";
import type { Files } from "./certificate_files.ts";

/** The official server's variable for how many reverse proxies there are. */
const HOPS_VARIABLE = "WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS";

/** The release of the official server whose clients are served; no client looks at it. */
const VERSION = "0.0.7";

/** What a server is. */
export interface ServerOptions {
  /** The URL, as it was given. */
  url: string;
  /** The path that clients ask for, escaped. */
  path: string;
  /** The files of the certificate, where the server speaks TLS itself. */
  certificate: Files | null;
  /** Where the web site listens. */
  fallback: Address | null;
  /** How many reverse proxies say in `X-Forwarded-For` who is there. */
  hops: number;
  /** What is published, but for the pin. */
  published: URLSearchParams;
}

/** Reads something as clients do, and blames the operator's options for it. */
function readAsClient<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(message.replace(/^The bridge line is/, "ServerTransportOptions are"), {
      cause,
    });
  }
}

/** Reads what clients are told. */
function readPublished(published: URLSearchParams): Bridge {
  if (published.get("url")) return readAsClient(() => readBridge(published));
  throw new Error("ServerTransportOptions have no url=https://..., which clients need");
}

/** The official server's variable, where it may be read. */
function hopsVariable(): string | undefined {
  try {
    return Deno.env.get(HOPS_VARIABLE);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Reads how many reverse proxies there are: usually the one that speaks TLS, if not we do. */
function readHops(option: string | null, speaksTls: boolean): number {
  const [name, text] = option === null
    ? [HOPS_VARIABLE, hopsVariable() || (speaksTls ? "0" : "1")]
    : ["trusted-hops=", option];
  if (/^\d{1,2}$/.test(text)) return Number(text);
  throw new Error(`${name} is not the number of reverse proxies, from 0 to 99`);
}

/** The options that are the server's own, and not published. */
const OWN = ["cert", "key", "fallback", "trusted-hops"];

/** What clients are told: those that one of the official clients knows, and ours. */
const CLIENTS = [
  "url",
  "addr",
  "servername",
  "sni-imitation",
  "cert-domain",
  "cert",
  "utls",
  "ver",
];

/**
 * Checks that there are only options that somebody knows, each once: what is published goes to every
 * client, and a misspelt one would give away what it says, such as the path of a file.
 */
function checkKeys(options: URLSearchParams): void {
  const known = [...new Set([...CLIENTS, ...OWN])];
  const seen = new Set<string>();
  for (const key of options.keys()) {
    if (seen.has(key)) {
      throw new Error(`ServerTransportOptions have ${key}= twice; it may come once`);
    }
    seen.add(key);
    if (known.includes(key)) continue;
    const meant = key.toLowerCase().replaceAll("_", "-");
    if (known.includes(meant)) {
      throw new Error(`ServerTransportOptions have ${key}=, which is written ${meant}=`);
    }
    const all = known.toSorted().map((word) => `${word}=`).join(", ");
    throw new Error(`ServerTransportOptions have ${key}=, which nobody knows; there are ${all}`);
  }
}

/** Takes the two files out of what is published; `cert=` without `key=` is a pin for clients. */
function takeFiles(published: URLSearchParams): Files | null {
  const cert = published.get("cert");
  const key = published.get("key");
  if (key === null) {
    if (cert === null || /^[A-Za-z0-9+/]{43}=$/.test(cert)) return null;
    throw new Error("cert= is the file of a certificate and needs key=, or a pin for clients");
  }
  if (!cert) throw new Error("key= needs cert=, the file of the certificate");
  published.delete("cert");
  published.delete("key");
  return [cert, key];
}

/**
 * Reads the options of a server.
 *
 * @param options What torrc has as `ServerTransportOptions`.
 * @returns What they say.
 * @throws {Error} When one is missing or wrong; it names the option.
 */
export function readServerOptions(options: URLSearchParams): ServerOptions {
  checkKeys(options);
  const published = new URLSearchParams(options);
  const certificate = takeFiles(published);
  const fallback = published.get("fallback");
  const hops = published.get("trusted-hops");
  published.delete("fallback");
  published.delete("trusted-hops");
  published.set("ver", VERSION);
  const { path, tls } = readPublished(published);
  if (certificate !== null && tls === null) {
    throw new Error("url= begins with http://, and with cert= and key= it is https://");
  }
  return {
    url: published.get("url")!,
    path,
    certificate,
    fallback: fallback === null
      ? null
      : readAsClient(() => readAuthority(fallback, "fallback=", null)),
    hops: readHops(hops, certificate !== null),
    published,
  };
}
