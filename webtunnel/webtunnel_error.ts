/**
 * Why a WebTunnel bridge could not be used, in words that help, and as the SOCKS reply that fits.
 *
 * @module
 */

/**
 * What a connection to a bridge failed of.
 *
 * - `bridge-line`: the arguments of the bridge line are wrong.
 * - `certificate-expired`, `-name`, `-pin`, `-untrusted`: the server is not who it shall be.
 * - `tls-refused`, `no-tls`: the server broke the TLS handshake off, or speaks something else.
 * - `wrong-path`: the web site has nothing there.
 * - `no-webtunnel`: somebody else answered, such as a web site.
 * - `not-allowed`: the web site lets nobody in there.
 * - `unavailable`: the web site is there, and the WebTunnel server behind it is not.
 * - `no-http`: the answer is not one of HTTP/1.1.
 * - `hung-up`, `silent`: there was no answer.
 *
 * @example
 * ```ts
 * import type { WebTunnelFailure } from "@ptlib/ptlib/webtunnel";
 *
 * const mayPass: readonly WebTunnelFailure[] = ["unavailable", "hung-up", "silent"];
 * ```
 */
export type WebTunnelFailure =
  | "bridge-line"
  | "certificate-expired"
  | "certificate-name"
  | "certificate-pin"
  | "certificate-untrusted"
  | "tls-refused"
  | "no-tls"
  | "wrong-path"
  | "no-webtunnel"
  | "not-allowed"
  | "unavailable"
  | "no-http"
  | "hung-up"
  | "silent";

/** The SOCKS5 reply for each (RFC 1928 section 6). */
const REPLIES: Readonly<Record<WebTunnelFailure, number>> = {
  "bridge-line": 1,
  "certificate-expired": 2,
  "certificate-name": 2,
  "certificate-pin": 2,
  "certificate-untrusted": 2,
  "tls-refused": 5,
  "no-tls": 1,
  "wrong-path": 2,
  "no-webtunnel": 2,
  "not-allowed": 2,
  "unavailable": 4,
  "no-http": 1,
  "hung-up": 5,
  "silent": 6,
};

/**
 * A WebTunnel bridge could not be used. The message says why and what to do, without a name or an
 * address; `cause` is the underlying error, whose message may have some.
 *
 * @example
 * ```ts
 * import { replyFor } from "@ptlib/ptlib/net";
 * import { connectThrough } from "@ptlib/ptlib/run";
 * import { webtunnel, WebTunnelError } from "@ptlib/ptlib/webtunnel";
 *
 * let failure: unknown;
 * try {
 *   await connectThrough(webtunnel(), ["192.0.2.7", 443], { args: [["url", "ftp://x.example/"]] });
 * } catch (error) {
 *   failure = error;
 * }
 * if (!(failure instanceof WebTunnelError) || failure.failure !== "bridge-line") throw failure;
 * if (replyFor(failure) !== 1) throw failure;
 * ```
 */
export class WebTunnelError extends Error {
  /** The name of the class. */
  override readonly name: string = "WebTunnelError";
  /** What it failed of. */
  readonly failure: WebTunnelFailure;
  /** The SOCKS5 reply that says the same, from 1 to 8. */
  readonly reply: number;

  /**
   * Creates the error.
   *
   * @param failure What it failed of.
   * @param message Why, and what to do.
   * @param options The underlying error.
   */
  constructor(failure: WebTunnelFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
    this.reply = REPLIES[failure];
  }
}
