/**
 * The destination, a process of its own: tor's Extended ORPort behind a transport's server. It plays
 * its end of every connection by the script that comes first on it.
 */

import { closeQuietly, handleEach, readFullOrEnd, writeAll } from "@ptlib/ptlib/net";
import { listenExtOrPort } from "@ptlib/ptlib/parent";
import { bytesOf, findFault } from "./pattern.ts";
import { readScript, type Script } from "./script.ts";
import { playAndCount, say, sayFault, sayTally, tally } from "./tally.ts";

/** How many bytes go there and back at a time on a connection that is held. */
export const PING = 16;

/** The ids of all connections so far: each comes once. */
const known = new Set<number>();

/** Answers each piece with another one, until the user's stream ends. */
async function answerPings(conn: Deno.TcpConn, { id }: Script): Promise<void> {
  try {
    for (let position = 0;; position += PING) {
      const ping = await readFullOrEnd(conn, new Uint8Array(PING));
      if (ping === null) break;
      const fault = findFault(id, "up", position, ping);
      if (fault !== null) sayFault(`held connection ${id}, the destination: ${fault}`);
      await writeAll(conn, bytesOf(id, "down", position, PING));
    }
    await conn.closeWrite();
  } catch (error) {
    sayFault(`held connection ${id}, the destination: ${error}`);
  }
}

/** The script of a connection; null where its user was gone before it was sent. */
async function nextScript(conn: Deno.TcpConn): Promise<Script | null> {
  try {
    return await readScript(conn);
  } catch (error) {
    if (error instanceof SyntaxError) sayFault(`a script that nobody sent: ${error.message}`);
    return null;
  }
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  const script = await nextScript(conn);
  if (script === null) {
    tally.handshakes++;
    return;
  }
  if (known.has(script.id)) sayFault(`connection ${script.id} has come twice`);
  known.add(script.id);
  if (script.kind === "held") await answerPings(conn, script);
  else await playAndCount(conn, script, "destination");
}

if (import.meta.main) {
  await using orport = await listenExtOrPort();
  say({ kind: "ready", orport: orport.address, cookieFile: orport.cookieFile });
  sayTally();
  const serving = handleEach(orport, async ({ conn }) => {
    tally.open++;
    try {
      await serve(conn);
    } catch (error) {
      sayFault(`the destination itself: ${error}`);
    } finally {
      tally.open--;
      closeQuietly(conn);
    }
  });
  serving.catch((error) => sayFault(`the destination itself: ${error}`));
  for await (const _ of Deno.stdin.readable); // It ends with its parent.
  await orport.close();
  Deno.exit(0);
}
