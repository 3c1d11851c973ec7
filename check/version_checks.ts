/**
 * Checks of the version negotiation (pt-spec sections 3.2.1 and 3.3.1).
 *
 * @module
 */

import { endWords, type Fixture, isDone, outputOf } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { isAside, type Program } from "./checked_program.ts";
import type { Variables } from "./program_environment.ts";
import { expect, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const VERSION = "TOR_PT_MANAGED_TRANSPORT_VER";
/** A version that no program has: a real one may know 2. */
const NO_VERSION = "nobodys";

/** Waits for the program's word about the version, and whether it is the one wanted. */
async function answers(fixture: Fixture, changes: Variables): Promise<Program> {
  const program = await fixture.start(changes);
  await program.line(({ message }) =>
    message !== null &&
    (["version", "version-error", "env-error"].includes(message.kind) ||
      isDone(fixture.role, message))
  );
  return program;
}

/** Expects 1 for an offer, which is the plain one where none is given. */
async function accepts(fixture: Fixture, offer?: string): Promise<void> {
  const program = await answers(fixture, offer === undefined ? {} : { [VERSION]: offer });
  const accepted = program.lines.some(({ text }) => text === "VERSION 1");
  expect(accepted, `VERSION 1 for an offer of ${offer ?? "1"}`, outputOf(program));
}

async function refuses(fixture: Fixture, offer: string): Promise<void> {
  const program = await answers(fixture, { [VERSION]: offer });
  const refused = program.lines.some(({ message }) => message?.kind === "version-error");
  expect(refused, `VERSION-ERROR for an offer of ${offer}`, outputOf(program));
}

/** A program that has said VERSION-ERROR. */
async function refusing(fixture: Fixture): Promise<Program> {
  const program = await answers(fixture, { [VERSION]: NO_VERSION });
  if (program.lines.some(({ message }) => message?.kind === "version-error")) return program;
  throw new Skipped(`needs a VERSION-ERROR for an offer of ${NO_VERSION}: ${outputOf(program)}`);
}

async function wantsVersion(fixture: Fixture, offer: string | null): Promise<void> {
  const program = await answers(fixture, { [VERSION]: offer });
  const kinds = program.lines.map(({ message }) => message?.kind);
  const refused = kinds.some((kind) => kind === "env-error" || kind === "version-error");
  expect(refused, "ENV-ERROR, because there is no offer", outputOf(program));
}

/** The checks of the version negotiation. */
export const versionChecks: readonly Check[] = [
  {
    id: "version-offered",
    roles: BOTH,
    title: "says VERSION 1 when 1 is offered",
    section: "pt-spec 3.3.1",
    level: "MUST",
    run: (fixture) => accepts(fixture),
  },
  {
    id: "version-list",
    roles: BOTH,
    title: "accepts any well-formed list of versions with 1 in it",
    section: "pt-spec 3.2.1",
    level: "MUST",
    run: (fixture) => accepts(fixture, "1,1a,2b,this_is_a_valid_ver"),
  },
  {
    id: "version-not-first",
    roles: BOTH,
    title: "finds 1 after other versions",
    section: "pt-spec 3.2.1",
    level: "MUST",
    run: (fixture) => accepts(fixture, `${NO_VERSION},1`),
  },
  {
    id: "version-unsupported",
    roles: BOTH,
    title: "says VERSION-ERROR when no offered version is known",
    section: "pt-spec 3.3.1",
    level: "MUST",
    run: (fixture) => refuses(fixture, NO_VERSION),
  },
  {
    id: "version-substring",
    roles: BOTH,
    title: "does not take 11 or 1x for 1",
    section: "pt-spec 3.3.1",
    level: "MUST",
    run: (fixture) => refuses(fixture, "11,1x"),
  },
  {
    id: "version-error-ends",
    roles: BOTH,
    title: "ends after VERSION-ERROR and says nothing more",
    section: "pt-spec 3.3.1",
    level: "MUST",
    async run(fixture) {
      const program = await refusing(fixture);
      const status = await program.ended();
      expect(status !== null, "the program's end after VERSION-ERROR", endWords(status));
      const last = program.lines.findLast(({ message }) => !isAside(message));
      expect(
        last?.message?.kind === "version-error",
        "VERSION-ERROR as the last word",
        outputOf(program),
      );
    },
  },
  {
    id: "version-error-status",
    roles: BOTH,
    title: "ends with a status other than 0 after VERSION-ERROR",
    section: "pt-spec 3.3.1",
    level: "robustness",
    hand: "look at $?",
    async run(fixture) {
      const status = await (await refusing(fixture)).ended();
      if (status === null) throw new Skipped("needs a program that ends after VERSION-ERROR");
      expect(!status.success, "a status other than 0", endWords(status));
    },
  },
  {
    id: "version-error-text",
    roles: BOTH,
    title: "says no-version in VERSION-ERROR",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    async run(fixture) {
      const program = await refusing(fixture);
      const exact = program.lines.some(({ text }) => text === "VERSION-ERROR no-version");
      expect(exact, "VERSION-ERROR no-version", outputOf(program));
    },
  },
  {
    id: "version-unset",
    roles: BOTH,
    title: "refuses to start when no version is offered at all",
    section: "pt-spec 3.2.1",
    level: "SHOULD",
    run: (fixture) => wantsVersion(fixture, null),
  },
  {
    id: "version-empty",
    roles: BOTH,
    title: "refuses to start when the offer is empty",
    section: "pt-spec 3.2.1",
    level: "robustness",
    run: (fixture) => wantsVersion(fixture, ""),
  },
];
