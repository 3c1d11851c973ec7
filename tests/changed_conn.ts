/** Connections that do some things otherwise. */

import type { StreamConn } from "../net/mod.ts";

/** A connection that does what another one does, but for what is given. */
export function changedConn(conn: StreamConn, changes: Partial<StreamConn>): StreamConn {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    ...changes,
  };
}
