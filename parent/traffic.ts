/**
 * Counting what goes through a tunnel while it does.
 *
 * @module
 */

import type { StreamConn } from "../net/conn.ts";

/**
 * What has gone through a tunnel so far.
 *
 * @example
 * ```ts
 * import type { TunnelTraffic } from "@ptlib/ptlib/parent";
 *
 * const isIdle = ({ open }: TunnelTraffic) => open === 0;
 * ```
 */
export interface TunnelTraffic {
  /** How many connections there are at this moment. */
  readonly open: number;
  /** How many there have been, these included. */
  readonly connections: number;
  /** Bytes that went into the transport. */
  readonly sent: number;
  /** Bytes that came out of it. */
  readonly received: number;
}

/** Counts the traffic of one tunnel. */
export class Traffic implements TunnelTraffic {
  open = 0;
  connections = 0;
  sent = 0;
  received = 0;

  /** Counts a connection for as long as it is carried. */
  async during<T>(carry: () => Promise<T>): Promise<T> {
    this.open++;
    this.connections++;
    try {
      return await carry();
    } finally {
      this.open--;
    }
  }

  /** A connection to the transport whose bytes are counted. */
  counted(conn: StreamConn): StreamConn {
    return {
      read: async (p) => {
        const count = await conn.read(p);
        this.received += count ?? 0;
        return count;
      },
      write: async (p) => {
        const count = await conn.write(p);
        this.sent += count;
        return count;
      },
      closeWrite: () => conn.closeWrite(),
      close: () => conn.close(),
    };
  }
}
