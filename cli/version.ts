/**
 * Which ptlib this is.
 *
 * @module
 */

/** The version in deno.json, which is not published as a module. */
export const VERSION = "0.1.0";
