/** The upstream proxies that `TOR_PT_PROXY` can name. */

import type { ProxyInfo } from "../../config.ts";
import { type Scheme, SCHEMES } from "../net/upstream_proxy.ts";

/** A kind of proxy. */
export interface ProxyKind {
  scheme: Scheme;
  /** Whether it is told who asks. */
  credentials: boolean;
  /** Where it listens. */
  host: string;
}

/** A proxy of a kind, as a client takes it. */
export function proxyInfo({ scheme, credentials, host }: ProxyKind, port: number): ProxyInfo {
  if (!credentials) return { scheme, host, port };
  if (scheme === "socks4a") return { scheme, host, port, user: "me" };
  return { scheme, host, port, user: "me", password: "p@ss:w" };
}

/** A kind in words. */
export function describe({ scheme, credentials, host }: ProxyKind): string {
  const family = host.includes(":") ? "IPv6" : "IPv4";
  return `${scheme}${credentials ? " with credentials" : ""}, ${family}`;
}

/** Every kind at some addresses. */
export function proxyKinds(hosts: readonly string[]): ProxyKind[] {
  return SCHEMES.flatMap((scheme) =>
    [false, true].flatMap((credentials) => hosts.map((host) => ({ scheme, credentials, host })))
  );
}
