/**
 * Ports for programs that cannot be given port 0, because something else has to know it beforehand.
 *
 * @module
 */

/** Ports that nobody listens on at this moment, each another one. */
export function freePorts(count: number, hostname = "127.0.0.1"): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname, port: 0 }));
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** One of them. */
export function freePort(hostname = "127.0.0.1"): number {
  return freePorts(1, hostname)[0]!;
}
