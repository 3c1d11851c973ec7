/** The least that moves bytes both ways. */

const LARGE = 256 * 1024;

async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  let buffer = new Uint8Array(2048);
  for (;;) {
    const length = await from.read(buffer);
    if (length === null) break;
    for (let sent = 0; sent < length;) sent += await to.write(buffer.subarray(sent, length));
    if (length === buffer.length && length < LARGE) buffer = new Uint8Array(LARGE);
  }
  await to.closeWrite();
}

/** Moves bytes both ways until both streams have ended. */
export async function relay(a: Deno.TcpConn, b: Deno.TcpConn): Promise<void> {
  try {
    await Promise.all([pump(a, b), pump(b, a)]);
  } catch {
    // A reset ends both.
  }
  a.close();
  b.close();
}
