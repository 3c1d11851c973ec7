/**
 * Checks of the negotiation with the SOCKS5 listener of a client, up to the arguments (RFC 1928
 * section 3, RFC 1929, pt-spec section 3.5).
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import type { Check } from "./definition.ts";
import {
  argumentFields,
  credentials,
  joinArguments,
  KEY,
  NO_AUTH,
  PASSWORD,
  SECOND_KEY,
} from "./socks_message.ts";
import { expect, precondition, type Role, Skipped } from "./verdict.ts";
import { hex } from "./probe.ts";
import { atArguments, choice, dial, NONE, takes } from "./socks_steps.ts";

const CLIENT: readonly Role[] = ["client"];
/** A method that IANA has given to nobody. GSSAPI and private ones a program may know. */
const UNASSIGNED = 0x7e;
const utf8 = new TextEncoder();

/** What the first field holds. */
const FIRST_FIELD = 255;

/** Arguments of which the first field ends with the backslash of an escape. */
function long({ subject }: Fixture): string {
  const before = joinArguments(subject.args, `${KEY}=`).length;
  return `${KEY}=${"x".repeat(FIRST_FIELD - 1 - before)}\\;${"y".repeat(40)}`;
}

async function chooses(fixture: Fixture, expected: number, ...methods: readonly number[]) {
  const got = await choice(await dial(fixture), ...methods);
  expect(got === expected, `method ${expected}`, `method ${got}`);
}

/** Expects odd arguments to be accepted; plain ones have to be, too. */
async function takesAlso(fixture: Fixture, args: string): Promise<void> {
  await precondition(takes(fixture, `${KEY}=value;${SECOND_KEY}=one`));
  await takes(fixture, args);
}

/** Expects the RFC 1929 fields to be refused, by a status or by the end of the connection. */
async function refusesFields(fixture: Fixture, why: string, fields: Uint8Array): Promise<void> {
  const probe = await atArguments(fixture);
  await probe.send(fields);
  const expected = `a status other than 0, because ${why}`;
  const arrival = await probe.peek();
  if (arrival === "end" || arrival === "reset") return;
  const status = await probe.receive(2, expected);
  expect(status[1] !== 0, expected, hex(status));
}

/** The handshake up to the request. */
const negotiationChecks: readonly Check[] = [
  {
    id: "socks-no-auth",
    roles: CLIENT,
    title: "takes a client without authentication, or says that it cannot",
    section: "RFC 1928 3",
    level: "MUST",
    hand: "send 05 01 00",
    async run(fixture) {
      const got = await choice(await dial(fixture), NO_AUTH);
      expect(got === NO_AUTH || got === NONE, "05 00, or 05 ff", `05 ${got}`);
    },
  },
  {
    id: "socks-password",
    roles: CLIENT,
    title: "takes user name and password, in which the arguments travel",
    section: "pt-spec 3.5",
    // Where there are no arguments, tor does not offer it.
    level: "robustness",
    hand: "send 05 01 02",
    run: (fixture) => chooses(fixture, PASSWORD, PASSWORD),
  },
  {
    id: "socks-password-preferred",
    roles: CLIENT,
    // Else the arguments that it has for the transport are lost.
    title: "prefers user name and password to nothing, as tor offers both",
    section: "tor connection_proxy_connect()",
    level: "MUST",
    hand: "send 05 02 00 02",
    async run(fixture) {
      const alone = await precondition(choice(await dial(fixture), PASSWORD));
      if (alone === NONE) {
        throw new Skipped(
          "needs a client with arguments to lose: it takes none, 05 01 02 gets 05 ff",
        );
      }
      await chooses(fixture, PASSWORD, NO_AUTH, PASSWORD);
    },
  },
  {
    id: "socks-unacceptable",
    roles: CLIENT,
    title: "says 05 FF when no offered method will do",
    section: "RFC 1928 3",
    level: "MUST",
    hand: "send 05 01 7e",
    run: (fixture) => chooses(fixture, NONE, UNASSIGNED),
  },
  {
    id: "socks-methods-many",
    roles: CLIENT,
    title: "finds its method among 255",
    section: "RFC 1928 3",
    level: "MUST",
    async run(fixture) {
      await atArguments(fixture);
      const methods = [...Array.from({ length: 254 }, () => UNASSIGNED), PASSWORD];
      await chooses(fixture, PASSWORD, ...methods);
    },
  },
  {
    id: "socks-version-4",
    roles: CLIENT,
    title: "ends a SOCKS4 connection to a SOCKS5 listener",
    section: "RFC 1928 3",
    level: "robustness",
    hand: "send 04 01 00 09 7f 00 00 01 00",
    async run(fixture) {
      const probe = await dial(fixture);
      await probe.send(Uint8Array.of(4, 1, 0, 9, 127, 0, 0, 1, 0));
      const got = await probe.ended("the end of the connection");
      expect(got[0] !== 5 && got[1] !== 90, "no answer, or a refusal", hex(got));
    },
  },
  {
    id: "socks-auth-version",
    roles: CLIENT,
    title: "refuses another version of user name and password",
    section: "RFC 1929 2",
    level: "robustness",
    hand: "send 05 01 02, then 05 ...",
    async run(fixture) {
      const fields = argumentFields(`${KEY}=value`);
      fields[0] = 5;
      await refusesFields(fixture, "the version is 5", fields);
    },
  },
];

/** The arguments in the RFC 1929 fields. */
const argumentChecks: readonly Check[] = [
  {
    id: "socks-args",
    roles: CLIENT,
    title: "takes arguments",
    section: "pt-spec 3.5",
    level: "SHOULD",
    async run(fixture) {
      // A transport may refuse arguments that it does not know.
      await precondition(takes(fixture, `${KEY}=value`));
      await takes(fixture, `${KEY}=value;${SECOND_KEY}=one`);
    },
  },
  {
    id: "socks-args-equals",
    roles: CLIENT,
    title: "takes an = in a value, which tor does not escape",
    section: "tor pt_stringify_socks_args()",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a=b`),
  },
  {
    id: "socks-args-semicolon",
    roles: CLIENT,
    title: "does not split arguments at a ; that is escaped",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a\\;b;${SECOND_KEY}=c`),
  },
  {
    id: "socks-args-escaped",
    roles: CLIENT,
    title: "understands the escapes in arguments",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a\\;b\\=c\\\\`),
  },
  {
    id: "socks-args-split",
    roles: CLIENT,
    title: "joins the two fields before it looks for escapes",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, long(fixture)),
  },
  {
    id: "socks-args-empty-value",
    roles: CLIENT,
    title: "takes an empty value",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => takesAlso(fixture, `${KEY}=`),
  },
  {
    id: "socks-args-no-equals",
    roles: CLIENT,
    title: "refuses an argument without =",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => refusesFields(fixture, "there is no =", argumentFields(`${KEY}=value;word`)),
  },
  {
    id: "socks-args-backslash",
    roles: CLIENT,
    title: "refuses a backslash that escapes nothing",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) =>
      refusesFields(fixture, "a backslash is last", argumentFields(`${KEY}=value\\`)),
  },
  {
    id: "socks-args-empty-key",
    roles: CLIENT,
    title: "refuses an empty key",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => refusesFields(fixture, "the key is empty", argumentFields("=value")),
  },
  {
    id: "socks-user-empty",
    roles: CLIENT,
    title: "refuses an empty user name",
    section: "RFC 1929 2",
    level: "robustness",
    run: (fixture) =>
      refusesFields(
        fixture,
        "ULEN is 1 to 255",
        credentials(new Uint8Array(), utf8.encode(`${KEY}=value`)),
      ),
  },
  {
    id: "socks-password-empty",
    roles: CLIENT,
    title: "refuses an empty password",
    section: "RFC 1929 2",
    level: "robustness",
    run: (fixture) =>
      refusesFields(
        fixture,
        "PLEN is 1 to 255",
        credentials(utf8.encode(`${KEY}=value`), new Uint8Array()),
      ),
  },
];

/** The checks of the negotiation. */
export const socksNegotiationChecks: readonly Check[] = [...negotiationChecks, ...argumentChecks];
