/**
 * Unix sockets, beside TCP: where a tunnel listens, and where its service is.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { StreamConn } from "../net/conn.ts";

/**
 * A Unix socket. Whoever may write to its file may connect.
 *
 * @example
 * ```ts
 * import type { UnixSocket } from "@ptlib/ptlib/parent";
 *
 * const service: UnixSocket = { path: "/run/my-service.sock" };
 * ```
 */
export interface UnixSocket {
  /** The path of its file. */
  readonly path: string;
}

/** Whether something is a Unix socket and not an address. */
export function isUnixSocket(place: Readonly<Address> | UnixSocket): place is UnixSocket {
  return "path" in place;
}

/** Whether a file is a socket on which nobody listens any more, such as one that a crash has left. */
async function isAbandoned(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused && Deno.statSync(path).isSocket === true;
  }
}

/**
 * Listens on a Unix socket. One that nobody listens on is replaced. Deno removes the file when the
 * listener is closed.
 */
export async function listenUnix({ path }: UnixSocket): Promise<Deno.UnixListener> {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse) || !await isAbandoned(path)) throw error;
    await Deno.remove(path);
    return Deno.listen({ transport: "unix", path });
  }
}

/** Connects to a Unix socket, which is at once or not at all. */
export async function connectUnix({ path }: UnixSocket): Promise<StreamConn> {
  return await Deno.connect({ transport: "unix", path });
}
