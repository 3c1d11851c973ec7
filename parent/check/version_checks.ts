/**
 * Checks of the version negotiation (pt-spec sections 3.2.1 and 3.3.1).
 *
 * @module
 */

import { type Bench, endWords, isDone, said } from "./bench.ts";
import type { Check } from "./check.ts";
import type { Child } from "./child.ts";
import { expect, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const VERSION = "TOR_PT_MANAGED_TRANSPORT_VER";

/** Waits for the program's word about the version, and whether it is the one wanted. */
async function answers(bench: Bench, offer: string | null): Promise<Child> {
  const child = await bench.start({ [VERSION]: offer });
  await child.line(({ message }) =>
    message !== null &&
    (["version", "version-error", "env-error"].includes(message.kind) ||
      isDone(bench.role, message))
  );
  return child;
}

async function accepts(bench: Bench, offer: string): Promise<void> {
  const child = await answers(bench, offer);
  const accepted = child.lines.some(({ text }) => text === "VERSION 1");
  expect(accepted, `VERSION 1 for an offer of ${offer}`, said(child));
}

async function refuses(bench: Bench, offer: string): Promise<void> {
  const child = await answers(bench, offer);
  const refused = child.lines.some(({ message }) => message?.kind === "version-error");
  expect(refused, `VERSION-ERROR for an offer of ${offer}`, said(child));
}

/** A program that has said VERSION-ERROR. */
async function refusing(bench: Bench): Promise<Child> {
  const child = await answers(bench, "3");
  if (child.lines.some(({ message }) => message?.kind === "version-error")) return child;
  throw new Skipped(`needs a VERSION-ERROR for an offer of 3: ${said(child)}`);
}

async function wantsVersion(bench: Bench, offer: string | null): Promise<void> {
  const child = await answers(bench, offer);
  const kinds = child.lines.map(({ message }) => message?.kind);
  const refused = kinds.some((kind) => kind === "env-error" || kind === "version-error");
  expect(refused, "ENV-ERROR, because there is no offer", said(child));
}

/** The checks of the version negotiation. */
export const versionChecks: readonly Check[] = [
  {
    id: "version-offered",
    roles: BOTH,
    title: "says VERSION 1 when 1 is offered",
    section: "pt-spec 3.3.1",
    grade: "MUST",
    run: (bench) => accepts(bench, "1"),
  },
  {
    id: "version-list",
    roles: BOTH,
    title: "accepts any well-formed list of versions with 1 in it",
    section: "pt-spec 3.2.1",
    grade: "MUST",
    run: (bench) => accepts(bench, "1,1a,2b,this_is_a_valid_ver"),
  },
  {
    id: "version-not-first",
    roles: BOTH,
    title: "finds 1 behind other versions",
    section: "pt-spec 3.2.1",
    grade: "MUST",
    run: (bench) => accepts(bench, "2,1"),
  },
  {
    id: "version-unsupported",
    roles: BOTH,
    title: "says VERSION-ERROR when no offered version is known",
    section: "pt-spec 3.3.1",
    grade: "MUST",
    run: (bench) => refuses(bench, "2"),
  },
  {
    id: "version-substring",
    roles: BOTH,
    title: "does not take 11 or 1x for 1",
    section: "pt-spec 3.3.1",
    grade: "MUST",
    run: (bench) => refuses(bench, "11,1x"),
  },
  {
    id: "version-error-ends",
    roles: BOTH,
    title: "ends behind VERSION-ERROR and says nothing more",
    section: "pt-spec 3.3.1",
    grade: "MUST",
    async run(bench) {
      const child = await refusing(bench);
      const status = await child.ended();
      expect(status !== null, "the program's end behind VERSION-ERROR", endWords(status));
      const last = child.lines.findLast(({ message }) => message?.kind !== "log");
      expect(
        last?.message?.kind === "version-error",
        "VERSION-ERROR as the last word",
        said(child),
      );
    },
  },
  {
    id: "version-error-status",
    roles: BOTH,
    title: "ends with a status other than 0 behind VERSION-ERROR",
    section: "pt-spec 3.3.1",
    grade: "robustness",
    hand: "look at $?",
    async run(bench) {
      const status = await (await refusing(bench)).ended();
      if (status === null) throw new Skipped("needs a program that ends behind VERSION-ERROR");
      expect(!status.success, "a status other than 0", endWords(status));
    },
  },
  {
    id: "version-error-text",
    roles: BOTH,
    title: "says no-version in VERSION-ERROR",
    section: "pt-spec 3.3.1",
    grade: "SHOULD",
    async run(bench) {
      const child = await refusing(bench);
      const exact = child.lines.some(({ text }) => text === "VERSION-ERROR no-version");
      expect(exact, "VERSION-ERROR no-version", said(child));
    },
  },
  {
    id: "version-unset",
    roles: BOTH,
    title: "refuses to start when no version is offered at all",
    section: "pt-spec 3.2.1",
    grade: "SHOULD",
    run: (bench) => wantsVersion(bench, null),
  },
  {
    id: "version-empty",
    roles: BOTH,
    title: "refuses to start when the offer is empty",
    section: "pt-spec 3.2.1",
    grade: "robustness",
    run: (bench) => wantsVersion(bench, ""),
  },
];
