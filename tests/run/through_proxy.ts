/**
 * A program that is no pluggable transport and has one in it: it sends a text through `sealed` of
 * `examples/frames.ts` and through an upstream proxy, and says what comes back.
 */

import { parseAddress } from "../../address.ts";
import { readProxy } from "../../config.ts";
import { transport } from "../../examples/frames.ts";
import { connectThrough } from "../../run/run.ts";
import { writeAll } from "../../net/mod.ts";

const [target = "", key = "", proxy = ""] = Deno.args;
const conn = await connectThrough(transport, parseAddress(target), {
  args: [["key", key]],
  proxy: readProxy(() => proxy),
});
await writeAll(conn, new TextEncoder().encode("there and back"));
await conn.closeWrite();
const buffer = new Uint8Array(64);
for (let count; (count = await conn.read(buffer)) !== null;) {
  Deno.stdout.writeSync(buffer.subarray(0, count));
}
conn.close();
