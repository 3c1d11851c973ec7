/**
 * Has peers vanish, and says on stdout what became of the connections to them. Made for a network
 * namespace with nothing in it but these addresses; `keep_alive_test.ts` runs it there.
 */

import { acceptAll, dial, type StreamConn } from "../../net/mod.ts";
import { FAR, NEAR } from "./bind_namespace.ts";

function ip(...args: string[]): void {
  const { success } = new Deno.Command("ip", { args }).outputSync();
  if (!success) throw new Error(`ip ${args.join(" ")} failed`);
}

/** What a read of a connection comes to. */
async function ending(conn: StreamConn): Promise<string> {
  try {
    return String(await conn.read(new Uint8Array(1)));
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function accepted(conns: AsyncIterator<Deno.TcpConn>): Promise<Deno.TcpConn> {
  return (await conns.next()).value!;
}

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const { port } = listener.addr;
  const conns = acceptAll(listener);
  const dialled = await dial([FAR.v4, port]);
  const fromDialled = await accepted(conns);
  const bound = await dial([FAR.v4, port], { outboundBindAddress: { v4: NEAR.v4, v6: null } });
  const fromBound = await accepted(conns);
  const living = await dial([NEAR.v4, port]);
  const fromLiving = await accepted(conns);

  const atRest = ending(living);
  ip("address", "delete", `${FAR.v4}/32`, "dev", "lo");
  const seen = {
    dialled: await ending(dialled),
    fromDialled: await ending(fromDialled),
    bound: await ending(bound),
    fromBound: await ending(fromBound),
  };
  await fromLiving.write(Uint8Array.of(1));
  console.log(JSON.stringify({ ...seen, living: await atRest }));
  Deno.exit(0);
}
