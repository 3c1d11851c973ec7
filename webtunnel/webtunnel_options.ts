/**
 * What a program says that has WebTunnel.
 *
 * @module
 */

import type { Severity } from "../grammar.ts";

/**
 * The options of `webtunnel()`.
 *
 * @example
 * ```ts
 * import { log } from "@ptlib/ptlib/messages";
 * import { webtunnel, type WebTunnelOptions } from "@ptlib/ptlib/webtunnel";
 *
 * const options: WebTunnelOptions = { log };
 * const _transport = webtunnel(options);
 * ```
 */
export interface WebTunnelOptions {
  /**
   * Certificates in PEM that a client trusts besides the default ones. A bridge line by which another
   * name is verified than is sent then needs `--allow-sys=ca`.
   */
  caCerts?: readonly string[] | undefined;
  /**
   * Is told what its operator should know, such as an argument of a bridge line that has no effect:
   * `log` of `./messages` in a program that tor starts. Default: nothing is.
   */
  log?: ((severity: Severity, text: string) => void) | undefined;
  /**
   * The web site of a server, in the same program, as `Deno.serve()` takes it: everybody sees it who
   * does not ask for the tunnel. `fallback=` goes before it. It is served on a port of 127.0.0.1.
   */
  site?: ((request: Request) => Response | Promise<Response>) | undefined;
}
