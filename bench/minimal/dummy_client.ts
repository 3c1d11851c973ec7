/**
 * The least that a client of the transport dummy can be in Deno, and the limit of what a library can
 * reach. It takes each message of SOCKS for whole and right, has no deadline, and knows no proxy.
 */

import { relay } from "./relay.ts";

async function serve(user: Deno.TcpConn): Promise<void> {
  const message = new Uint8Array(512);
  await user.read(message);
  await user.write(Uint8Array.of(5, 0));
  await user.read(message);
  const hostname = message.subarray(4, 8).join(".");
  const bridge = await Deno.connect({ hostname, port: message[8]! << 8 | message[9]! });
  await user.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  await relay(user, bridge);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log("VERSION 1");
console.log(`CMETHOD dummy socks5 127.0.0.1:${listener.addr.port}`);
console.log("CMETHODS DONE");
for await (const user of listener) serve(user);
