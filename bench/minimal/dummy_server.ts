/** The least that a server of the transport dummy can be in Deno, with tor's ORPort of either kind. */

import { cookieKey, introduce } from "./ext_orport.ts";
import { relay } from "./relay.ts";

const extended = Deno.env.get("TOR_PT_EXTENDED_SERVER_PORT");
const [hostname = "", port] = (extended || Deno.env.get("TOR_PT_ORPORT")!).split(":");
const orport = { hostname, port: Number(port) };
const key = extended ? await cookieKey(Deno.env.get("TOR_PT_AUTH_COOKIE_FILE")!) : null;

async function serve(client: Deno.TcpConn): Promise<void> {
  const tor = await Deno.connect(orport);
  const { hostname, port } = client.remoteAddr;
  if (key !== null) await introduce(tor, key, `${hostname}:${port}`);
  await relay(client, tor);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log("VERSION 1");
console.log(`SMETHOD dummy 127.0.0.1:${listener.addr.port}`);
console.log("SMETHODS DONE");
for await (const client of listener) serve(client);
