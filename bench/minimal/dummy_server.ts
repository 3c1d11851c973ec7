/** The least that a server of the transport dummy can be in Deno, with tor's ORPort. */

import { relay } from "./relay.ts";

const [hostname = "", port] = Deno.env.get("TOR_PT_ORPORT")!.split(":");
const orport = { hostname, port: Number(port) };
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log("VERSION 1");
console.log(`SMETHOD dummy 127.0.0.1:${listener.addr.port}`);
console.log("SMETHODS DONE");
for await (const client of listener) Deno.connect(orport).then((tor) => relay(client, tor));
