/**
 * The transports that `ptlib new` writes.
 *
 * @module
 */

/** Each byte by itself. */
const BYTES = `/**
 * A transport that changes each byte by itself. It hides nothing from anybody
 * who looks: change what becomes of the bytes.
 *
 * @module
 */

import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
import { run, type Transport } from "@ptlib/ptlib/run";

/** What becomes of each byte; doing it twice gives the byte again. */
const masked = Uint8Array.from({ length: 256 }, (_, byte) => byte ^ 0x5a);

/** Wraps a connection; both halves do the same. */
export function wrap(conn: StreamConn): StreamConn {
  return mapBytes(conn, { read: masked, write: masked });
}

/** Both halves. */
export const transport: Transport = {
  client: async ({ dial }) => wrap(await dial()),
  server: (conn) => wrap(conn),
};
`;

/** Messages with padding. */
const FRAMES = `/**
 * A transport that sends messages, each with padding of a random length. It
 * encrypts nothing: change what becomes of the messages.
 *
 * @module
 */

import {
  type FrameConn,
  frames,
  fromFrames,
  type StreamConn,
} from "@ptlib/ptlib/net";
import { run, type Transport } from "@ptlib/ptlib/run";

/** How many bytes a message may have, padding and all. */
const LIMIT = 16_384;

/** What stands before the user's bytes: how many they are. */
const HEADER = 2;
const MOST_PADDING = 255;

/** Puts padding behind what goes out, and takes it from what comes in. */
function padded(conn: FrameConn): FrameConn {
  const limit = conn.limit - HEADER - MOST_PADDING;
  return {
    limit,
    async read() {
      const message = await conn.read();
      if (message === null) return null;
      if (message.length < HEADER) throw new Error("A message has no header");
      const view = new DataView(message.buffer, message.byteOffset);
      const end = HEADER + view.getUint16(0);
      if (end > message.length) throw new Error("A message is too short");
      return message.subarray(HEADER, end);
    },
    async write(bytes) {
      const [padding = 0] = crypto.getRandomValues(new Uint8Array(1));
      const message = new Uint8Array(HEADER + bytes.length + padding);
      new DataView(message.buffer).setUint16(0, bytes.length);
      message.set(bytes, HEADER);
      await conn.write(message);
    },
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

/** Wraps a connection; both halves do the same. */
export function wrap(conn: StreamConn): StreamConn {
  return fromFrames(padded(frames(conn, { limit: LIMIT })));
}

/** Both halves. */
export const transport: Transport = {
  client: async ({ dial }) => wrap(await dial()),
  server: (conn) => wrap(conn),
};
`;

/** TLS with a pin. */
const TLS = `/**
 * A transport that is TLS, with a certificate that nobody has to have signed:
 * the bridge publishes its pin. A censor sees that it is TLS without a server's
 * name: change that.
 *
 * The bridge's certificate and key are cert.pem and key.pem beside this file, or
 * where ServerTransportOptions says: cert=/.../cert.pem key=/.../key.pem
 *
 * @module
 */

import { run, type Transport } from "@ptlib/ptlib/run";
import { acceptTls, certificatePin, startTls } from "@ptlib/ptlib/tls";

/** Reads one of the two files. */
async function readPem(options: URLSearchParams, name: string) {
  const beside = new URL(\`\${name}.pem\`, import.meta.url);
  return await Deno.readTextFile(options.get(name) ?? beside);
}

/** Both halves. */
export const transport: Transport = {
  async client({ args, dial, signal }) {
    const pin = args.get("pin");
    if (!pin) throw new Error("There is no pin=... in the bridge line");
    // The name counts for nothing where the certificate is pinned.
    const options = { hostname: "bridge.invalid", sni: null, pins: [pin] };
    return await startTls(await dial(), { ...options, signal });
  },
  async publish({ options }) {
    await readPem(options, "key"); // Better said now than to a client.
    return [["pin", await certificatePin(await readPem(options, "cert"))]];
  },
  async server(conn, { options, signal }) {
    const cert = await readPem(options, "cert");
    const key = await readPem(options, "key");
    return await acceptTls(conn, { cert, key, signal });
  },
};
`;

/** The sources of the transports, by kind. */
export const TRANSPORTS = { bytes: BYTES, frames: FRAMES, tls: TLS } as const;

/** What a transport's file ends with. */
export function runLines(name: string): string {
  return `
if (import.meta.main) {
  await run({
    ${name}: transport,
  }, {
    name: "${name}",
    version: "0.1.0",
  });
}
`;
}
