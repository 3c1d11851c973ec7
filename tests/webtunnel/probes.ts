/** What somebody sends who looks for bridges: one of each kind after the other. */

import { type StreamConn, writeAll } from "../../net/mod.ts";
import { startTls } from "../../net/tls.ts";
import { connectResettable } from "../../testing/mod.ts";
import { bytes } from "../net/scripted_peer.ts";
import { TEST_AUTHORITY } from "../net/test_certificates.ts";

/** How a probe ends. */
type End = "wait" | "half-close" | "close" | "reset";

const UPGRADE = "Connection: upgrade\r\nUpgrade: websocket\r\n";

/** What is sent, inside TLS where there is some. */
const SENT: readonly (Uint8Array | string)[] = [
  "",
  "G",
  "GET /secret HTTP/1.1\r\nHost: a\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  `GET /secret HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`,
  `GET /secret HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\ngarbage behind the head`,
  `GET /secre HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`,
  `gEt /secret hTTp/1.1\r\nhOsT: a\r\n${UPGRADE}\r\n`,
  "GET /secret HTTP/1.1\r\nHost: a\r\nConnection:\r\n upgrade\r\nUpgrade:\r\n\twebsocket\r\n\r\n",
  `GET /secret HTTP/1.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
  "SSH-2.0-OpenSSH_9.2\r\n",
  "\x05\x01\x00",
  Uint8Array.of(22, 3, 1, 0, 165, 1, 0, 0, 161, 3, 3),
  Uint8Array.from({ length: 1000 }, (_, index) => index * 7),
  "\r\n".repeat(100),
];

const ENDS: readonly End[] = ["wait", "half-close", "close", "reset"];

/** How many kinds there are for one port. */
export const KINDS = SENT.length * ENDS.length;

/** Waits for an answer or the end, and no longer than the peer does. */
async function listen(conn: StreamConn): Promise<void> {
  await conn.read(new Uint8Array(1024)).catch(() => null);
}

/**
 * Sends one of them.
 *
 * @param port Where, on 127.0.0.1.
 * @param kind Which, from 0 on.
 * @param tls Whether inside TLS.
 */
export async function probe(port: number, kind: number, tls: boolean): Promise<void> {
  const raw = await connectResettable(port);
  try {
    const text = SENT[kind % SENT.length]!;
    const end = ENDS[Math.floor(kind / SENT.length) % ENDS.length]!;
    const conn = tls
      ? await startTls(raw, { hostname: "pt.example", caCerts: [TEST_AUTHORITY] })
      : raw;
    await writeAll(conn, typeof text === "string" ? bytes(text) : text).catch(() => {});
    if (end === "half-close") {
      await conn.closeWrite().catch(() => {});
      await listen(conn);
    } else if (end === "wait" && typeof text === "string" && text.endsWith("\r\n\r\n")) {
      await listen(conn);
    }
    if (end === "reset") raw.reset();
    else conn.close();
  } finally {
    raw.close();
  }
}
