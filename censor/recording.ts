/**
 * The connections by which a transport is judged, by what went through them.
 *
 * @module
 */

import type { Flow } from "./flow.ts";

/**
 * What goes through a connection: short messages of random bytes or of English words, in turns; a
 * page by HTTPS; many random bytes both ways at once; or what a tor says while it bootstraps.
 *
 * @example
 * ```ts
 * import type { Load } from "@ptlib/ptlib/censor";
 *
 * const structured: Load[] = ["text", "https"];
 * if (structured.length !== 2) throw new Error();
 * ```
 */
export type Load = "random" | "text" | "https" | "bulk" | "tor";

/**
 * Connections by their loads. A load that was not tried is left out. Of those in a capture it is not
 * known what goes through them: they are `captured`, and stand alone.
 *
 * @example
 * ```ts
 * import type { Recording } from "@ptlib/ptlib/censor";
 *
 * const count = (recording: Recording) => recording.text?.length ?? 0;
 * if (count({}) !== 0) throw new Error();
 * ```
 */
export type Recording = Readonly<Partial<Record<Load | "captured", readonly Flow[]>>>;

/** The name of the site that is asked for where HTTPS is inside. */
export const SITE = "www.example.com";
