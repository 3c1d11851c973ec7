/**
 * WebTunnel as a transport for `run()` and `connectThrough()`.
 *
 * @module
 */

import type { Transport } from "../run/transport.ts";
import { clientHalf } from "./client_half.ts";
import type { ServerHalf } from "./server_half.ts";
import type { WebTunnelOptions } from "./webtunnel_options.ts";

/**
 * WebTunnel: a tunnel that begins as a request to a web site, as lyrebird, webtunnel-client and
 * webtunnel-server make it.
 *
 * A bridge line ends with the client's arguments:
 *
 * - `url`: the bridge's, `https://HOST[:PORT]/PATH`, or `http://` without TLS. Required. The target
 *   of the request is not looked at.
 * - `addr`: `HOST:PORT` to connect to in place of the URL's.
 * - `servername`: the name that is sent in TLS (SNI) and verified; `Host` stays the URL's. Of several
 *   names, with commas between, one is taken and kept, and the next one when it fails.
 * - `sni-imitation`: the name that is sent, where there is no `servername`; with it the URL's is
 *   verified.
 * - `cert-domain`: the name that is verified in place of the others.
 * - `cert`: the pin of the server's certificate, as `certificatePin()` of `./tls` writes it. No name
 *   and no issuer is verified then.
 *
 * The certificates that Deno trusts are trusted: those of Mozilla, and with `DENO_TLS_CA_STORE=system`
 * the system's. The ClientHello is that of rustls programs and of no browser, and a censor can recognise it: `utls`
 * has no effect.
 *
 * With an upstream proxy, the names go to the proxy. What came instead of the tunnel becomes a
 * {@linkcode WebTunnelError}.
 *
 * A server has its options from `ServerTransportOptions`:
 *
 * - `url`: as clients have it. Required.
 * - `cert`, `key`: files in PEM, with which it speaks TLS itself. They are read again when they have
 *   been renewed. `cert` without `key` is a pin for clients.
 * - `fallback`: `HOST:PORT` of a web site in plain HTTP. Whoever does not ask for the tunnel, by the
 *   path of `url` and with the right upgrade, is connected to it from the first byte on.
 * - `trusted-hops`: how many reverse proxies say in `X-Forwarded-For` who is there. Default:
 *   `WEBTUNNEL_TRUSTED_REVERSE_PROXY_HOPS`, otherwise 1, and none with `cert` and `key`.
 *
 * With none but `url` it runs behind a reverse proxy, which speaks TLS and knows the path, as the
 * official server does. The client's arguments are published as they are, with the official
 * placeholder for an address; any other option, and one that comes twice, is refused, because it
 * would be published too. The bridge line comes into the log and into `webtunnel_bridgeline.txt` in
 * the state directory.
 *
 * @param options Further certificates, a web site, and where to tell what an operator should know.
 * @returns The transport, for one `run()`. It remembers which server names work.
 *
 * @example A program that tor starts
 * ```ts
 * import { log } from "@ptlib/ptlib/messages";
 * import { run } from "@ptlib/ptlib/run";
 * import { webtunnel } from "@ptlib/ptlib/webtunnel";
 *
 * async function main(): Promise<void> {
 *   await run({ webtunnel: webtunnel({ log }) });
 * }
 * ```
 *
 * @example In a program's own process
 * ```ts
 * import type { StreamConn } from "@ptlib/ptlib/net";
 * import { connectThrough } from "@ptlib/ptlib/run";
 * import { webtunnel } from "@ptlib/ptlib/webtunnel";
 *
 * async function connect(url: string): Promise<StreamConn> {
 *   return await connectThrough(webtunnel(), ["192.0.2.7", 443], { args: [["url", url]] });
 * }
 * ```
 */
export function webtunnel(options: Readonly<WebTunnelOptions> = {}): Transport {
  const { caCerts = [], log = () => {}, site } = options;
  let half: ServerHalf | undefined;
  return {
    client: clientHalf(caCerts, (text) => log("notice", text)),
    async publish(context) {
      const { ServerHalf } = await import("./server_half.ts"); // Clients do not load it.
      half = await ServerHalf.start(context, site, log);
      return half.published;
    },
    server: (conn, context) => half!.serve(conn, context),
  };
}
