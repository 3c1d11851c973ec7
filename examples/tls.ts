/**
 * Teaches TLS in both directions, with a certificate that is pinned: nobody has to have signed it.
 *
 * **This is a demonstration and no circumvention tool.** A censor sees that it is TLS without a
 * server name, and whose ClientHello it is.
 *
 * The bridge has a certificate and its key, made for instance by
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
 *       -subj /CN=bridge -keyout key.pem -out cert.pem
 *
 * and is told where they are: `ServerTransportOptions pinned cert=/.../cert.pem key=/.../key.pem`.
 * It publishes the certificate's pin, with which a bridge line ends: `pin=...`.
 *
 * tor starts it. As a client, with the address of the bridge:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 tls.ts
 *
 * As a server, with the address it binds, that of tor's ORPorts, the cookie's file and the two of
 * TLS:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie,/etc/pinned tls.ts
 *
 * @module
 */

import { run, type Transport } from "@ptlib/ptlib/run";
import { acceptTls, certificatePin, startTls } from "@ptlib/ptlib/tls";

/** A file that an option names. It is read for each connection, so that it can be renewed. */
async function readOption(options: URLSearchParams, name: string): Promise<string> {
  const path = options.get(name);
  if (!path) throw new Error(`There is no ${name}=/path/to/${name}.pem in ServerTransportOptions`);
  return await Deno.readTextFile(path);
}

/** The transport, for `run()` and for programs that use it themselves. */
export const transport: Transport = {
  async client({ args, dial, signal }) {
    const pin = args.get("pin");
    if (!pin) throw new Error("There is no pin=...: it stands at the end of the bridge line");
    // The name is of no account where the certificate is pinned, and is not sent.
    const options = { hostname: "bridge.invalid", sni: null, pins: [pin], signal };
    return await startTls(await dial(), options);
  },
  async publish({ options }) {
    await readOption(options, "key"); // Better said now than to the first client.
    return [["pin", await certificatePin(await readOption(options, "cert"))]];
  },
  async server(conn, { options, signal }) {
    const [cert, key] = [await readOption(options, "cert"), await readOption(options, "key")];
    return await acceptTls(conn, { cert, key, signal });
  },
};

if (import.meta.main) await run({ pinned: transport }, { name: "tls", version: "0.1.0" });
