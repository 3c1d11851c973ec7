/** Opening a connection through a transport, in the way that its script needs. */

import { closeQuietly, writeAll } from "@ptlib/ptlib/net";
import { dialTransport } from "@ptlib/ptlib/parent";
import type { Way } from "../../bench/load_process.ts";
import { connectSocks5 } from "../../net/proxy.ts";
import { connectResettable, type ResettableConn } from "../../testing/mod.ts";
import type { End } from "./end.ts";
import { encodeScript, type Script } from "./script.ts";

async function dialResettable({ socks: [host, port], bridge }: Way): Promise<ResettableConn> {
  const conn = await connectResettable(port, host);
  try {
    await connectSocks5(conn, bridge, undefined);
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Opens a connection, and sends its script ahead. */
export async function dialByScript(way: Way, script: Script): Promise<End> {
  const conn = script.user.end === "reset"
    ? await dialResettable(way)
    : await dialTransport({ socksVersion: 5, address: way.socks }, way.bridge);
  try {
    await writeAll(conn, encodeScript(script));
    return conn;
  } catch (error) {
    closeQuietly(conn);
    throw error;
  }
}
