/** Where the programs are asked to connect: places that are nobody's. */

import type { Address } from "../../address.ts";

/** A part of the name that is found in a request to a resolver, too, where dots are no dots. */
export const LABEL = "ptlib-trace-target";

/** The targets, by what they are. */
export const TARGETS = {
  "IPv4": ["198.51.100.7", 443],
  "IPv6": ["2001:db8:7::7", 443],
  "name": [`${LABEL}.invalid`, 443],
} as const satisfies Record<string, Address>;

/** What a target is. */
export type Target = keyof typeof TARGETS;

export const ALL_TARGETS = Object.keys(TARGETS) as Target[];
