/**
 * Checks of the lines that a transport says, and of the names it answers to (pt-spec sections
 * 3.1 and 3.3).
 *
 * @module
 */

import { formatAddress, isLoopback, unmappedIp } from "../address.ts";
import { formatSocksArgs } from "../args.ts";
import { type Fixture, isDone, methodOf, outputOf, quoted, type Transcript } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { isAside, type Line, type Program } from "./checked_program.ts";
import type { Variables } from "./program_environment.ts";
import { refuses } from "./listener.ts";
import { expect, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const METHOD_SECTION = { client: "pt-spec 3.3.2", server: "pt-spec 3.3.3" };
/** What fits into the two fields of RFC 1929. */
const MOST_ARGUMENTS = 510;
const UNKNOWN = "no_such_transport_exists";

/** The keyword of the half's METHOD lines. */
function keyword(role: Role): string {
  return role === "client" ? "CMETHOD" : "SMETHOD";
}

/** Whether a line says that a transport has not been started. */
function isMethodError({ message }: Line): boolean {
  return message?.kind === "cmethod-error" || message?.kind === "smethod-error";
}

/** Starts the half with a list of names, and waits for the end of its start. */
async function startWith(fixture: Fixture, names: string): Promise<Program> {
  const list = fixture.role === "client" ? "TOR_PT_CLIENT_TRANSPORTS" : "TOR_PT_SERVER_TRANSPORTS";
  const bind = [...new Set(names.split(","))].map((name) => `${name}-127.0.0.1:0`);
  const addresses: Variables = fixture.role === "server"
    ? { TOR_PT_SERVER_BINDADDR: bind.join() }
    : {};
  const program = await fixture.start({ [list]: names, ...addresses });
  await program.line(({ message }) => isDone(fixture.role, message));
  return program;
}

/** The lines of a whole life, of a program that has started. */
async function life(fixture: Fixture): Promise<Transcript> {
  const transcript = await fixture.transcript();
  if (transcript.done) return transcript;
  throw new Skipped(`needs a running ${fixture.role}: ${outputOf(transcript.program)}`);
}

/** Expects no line to be wrong. */
function none(wrong: readonly Line[], expected: string): void {
  expect(wrong.length === 0, expected, quoted(wrong));
}

/** The METHOD and METHOD-ERROR lines of one name. */
function about(program: Program, name: string): Line[] {
  return program.lines.filter(({ text }) =>
    /^[CS]METHOD/.test(text) && text.split(/ +/)[1] === name
  );
}

/** Whether a client's listener is at loopback, but also at an address that it does not name. */
async function listensElsewhere(fixture: Fixture): Promise<boolean> {
  const { method: { address: [host, port] }, program } = await fixture.running();
  expect(isLoopback(host), "a loopback address", outputOf(program));
  // Where there is a whole network of loopback addresses, who listens at one does not listen at
  // another, unless it listens everywhere. IPv6 has no such network, but its everywhere is IPv4's.
  const named = ["127.0.0.1", "::1"].includes(unmappedIp(host) ?? "");
  return named && !await refuses(["127.0.0.2", port]);
}

/** The lines of a kind, all of which have to be well-formed. */
async function wellFormed(fixture: Fixture, kind: string): Promise<void> {
  const lines = (await life(fixture)).program.lines.filter(({ text }) =>
    text.split(" ")[0] === kind
  );
  if (lines.length === 0) throw new Skipped(`needs a ${kind} line: the program says none`);
  none(lines.filter(({ message }) => message === null), `well-formed ${kind} lines`);
}

const KEYWORDS =
  /^(?:VERSION|VERSION-ERROR|ENV-ERROR|PROXY|PROXY-ERROR|LOG|STATUS|[CS]METHOD(?:S|-ERROR)?)(?: |$)/;

/** What tor, which compares beginnings, takes for a line of the negotiation; some of it aborts tor. */
const LIKE_METHOD = /^(?:VERSION|[CS]METHOD)/;

/** The checks of lines and names. */
export const lineChecks: readonly Check[] = [
  {
    id: "line-grammar",
    roles: BOTH,
    title: "says whole lines of US-ASCII, each starting with a keyword",
    section: "pt-spec 3.3",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      // deno-lint-ignore no-control-regex -- any ASCII character but NUL and LF may follow
      const bad = program.lines.filter(({ text }) => !/^[\w-]+(?: [\x01-\x7f]*)?$/.test(text));
      none(bad, "lines of a keyword and ASCII arguments");
      expect(program.rest === "", "a line end after the last line", JSON.stringify(program.rest));
    },
  },
  {
    id: "line-keywords",
    roles: BOTH,
    title: "says nothing on stdout but the lines of the protocol",
    section: "pt-spec 3.3",
    level: "robustness",
    async run(fixture) {
      const { program } = await life(fixture);
      // What breaks the grammar of lines is another check's.
      const other = program.lines.filter(({ text }) =>
        /^[\w-]+(?: |$)/.test(text) && !LIKE_METHOD.test(text)
      );
      none(other.filter(({ text }) => !KEYWORDS.test(text)), "keywords of the protocol only");
    },
  },
  {
    id: "line-like-method",
    roles: BOTH,
    title: "says no words that only begin like VERSION, CMETHOD or SMETHOD",
    section: "tor handle_proxy_line()",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const alike = program.lines.filter(({ text }) => LIKE_METHOD.test(text));
      none(alike.filter(({ text }) => !KEYWORDS.test(text)), "none that tor takes for such a line");
    },
  },
  {
    id: "line-version-once",
    roles: BOTH,
    title: "says its VERSION once, before any other answer",
    section: "pt-spec 3.3.1",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const answers = program.lines.filter(({ text }) =>
        /^(?:VERSION|PROXY|[CS]METHOD)/.test(text)
      );
      const versions = answers.filter(({ text }) => text.startsWith("VERSION"));
      const first = answers[0]?.text.startsWith("VERSION") ?? false;
      expect(first && versions.length === 1, "one VERSION, at the start", outputOf(program));
    },
  },
  {
    id: "done-said",
    roles: BOTH,
    title: "says that its start is over",
    section: METHOD_SECTION,
    level: "MUST",
    async run(fixture) {
      const { program, done } = await fixture.transcript();
      if (program.lines.every(({ message }) => message?.kind !== "version")) {
        throw new Skipped(`needs a program that says VERSION 1: ${outputOf(program)}`);
      }
      expect(done, `${keyword(fixture.role)}S DONE`, outputOf(program));
    },
  },
  {
    id: "done-last",
    roles: BOTH,
    title: "says that its start is over once, and then nothing of methods any more",
    section: METHOD_SECTION,
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const end = program.lines.findIndex(({ message }) => isDone(fixture.role, message));
      const late = program.lines.slice(end + 1).filter(({ text }) =>
        /^(?:VERSION|ENV|PROXY|[CS]METHOD)/.test(text)
      );
      none(late, `only LOG and STATUS lines after ${keyword(fixture.role)}S DONE`);
    },
  },
  {
    id: "method-line",
    roles: BOTH,
    title: "says where the transport listens in one well-formed line",
    section: METHOD_SECTION,
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const lines = about(program, fixture.subject.transport);
      if (lines.some(isMethodError)) {
        throw new Skipped(`needs a transport that starts: ${outputOf(program)}`);
      }
      const expected = fixture.role === "client"
        ? `CMETHOD ${fixture.subject.transport} socks5 ip:port`
        : `SMETHOD ${fixture.subject.transport} ip:port [ARGS:k=v,k=v]`;
      const good = lines.length === 1 && lines.every(({ message }) => message !== null);
      expect(good, `one line ${expected}`, outputOf(program));
    },
  },
  {
    id: "method-listens",
    // The line of a server names the address that clients should use, which can be another's.
    roles: ["client"],
    title: "listens where it says as soon as its start is over",
    section: "pt-spec 3.3.2",
    level: "MUST",
    hand: "connect to the address of the CMETHOD line",
    async run(fixture) {
      const { method } = await fixture.running();
      expect(!await refuses(method.address), "a listener at the address", "nobody listens there");
    },
  },
  {
    id: "method-loopback",
    roles: ["client"],
    title: "listens for its user on loopback only",
    section: "pt-spec 2",
    level: "robustness",
    async run(fixture) {
      // Somebody else may have the same port of IPv4, but not twice.
      const everywhere = await listensElsewhere(fixture) && await listensElsewhere(fixture);
      expect(!everywhere, "a listener where it says, alone", "it listens at 127.0.0.2, too");
    },
  },
  {
    id: "method-socks5",
    roles: ["client"],
    title: "prefers SOCKS 5",
    section: "pt-spec 2",
    level: "SHOULD",
    async run(fixture) {
      const { method, program } = await fixture.running();
      const five = method.kind === "cmethod" && method.socksVersion === 5;
      expect(five, "socks5 in the CMETHOD line", outputOf(program));
    },
  },
  {
    id: "method-args",
    roles: ["server"],
    title: "writes ARGS as k=v,k=v with its escapes",
    section: "pt-spec 3.3.3",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const lines = program.lines.filter(({ text }) => / ARGS:/.test(text));
      if (lines.length === 0) throw new Skipped("needs an SMETHOD line with ARGS");
      const form = /^(?:[^\\=,\s]|\\[\\=,])+=(?:[^\\=,\s]|\\[\\=,])*$/;
      const wrong = lines.filter(({ text }) => {
        const args = text.slice(text.indexOf(" ARGS:") + 6).split(" ")[0] ?? "";
        return !args.split(/(?<!\\)(?:\\\\)*,/).every((pair) => form.test(pair));
      });
      none(wrong, "ARGS of key=value, with = and , escaped inside of them");
    },
  },
  {
    id: "method-args-long",
    roles: ["server"],
    title: "publishes no more arguments than a client can be given: 510 bytes",
    section: "tor connection_proxy_connect()",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const method = methodOf(program, fixture.subject.transport);
      if (method?.kind !== "smethod" || method.args.size === 0) {
        throw new Skipped("needs an SMETHOD line with ARGS");
      }
      const { length } = new TextEncoder().encode(formatSocksArgs(method.args));
      expect(length <= MOST_ARGUMENTS, `at most ${MOST_ARGUMENTS} bytes`, String(length));
    },
  },
  {
    id: "method-own-half",
    roles: BOTH,
    title: "says only the lines of its own half",
    section: "pt-spec 2",
    level: "MUST",
    async run(fixture) {
      const { program } = await life(fixture);
      const other = fixture.role === "client" ? /^SMETHOD/ : /^(?:CMETHOD|PROXY)/;
      none(program.lines.filter(({ text }) => other.test(text)), `lines of a ${fixture.role} only`);
    },
  },
  {
    id: "method-asked",
    roles: BOTH,
    title: "reports only transports that were asked for",
    section: METHOD_SECTION,
    level: "SHOULD",
    async run(fixture) {
      const { program } = await life(fixture);
      const methods = program.lines.filter(({ text }) => /^[CS]METHOD(?:-ERROR)? /.test(text));
      const { transport } = fixture.subject;
      const others = methods.filter(({ text }) => text.split(/ +/)[1] !== transport);
      none(others, `nothing but ${transport}`);
    },
  },
  {
    id: "name-twice",
    roles: BOTH,
    title: "starts a transport once that is named twice",
    section: "pt-spec 3.1",
    level: "extra",
    async run(fixture) {
      fixture.needsPlain("started");
      const { transport } = fixture.subject;
      const program = await startWith(fixture, `${transport},${transport}`);
      expect(
        about(program, transport).length === 1,
        `one ${keyword(fixture.role)} line`,
        outputOf(program),
      );
    },
  },
  {
    id: "name-several",
    roles: BOTH,
    title: "starts two transports that are asked for together, a client's at two places",
    section: METHOD_SECTION,
    level: "MUST",
    async run(fixture) {
      fixture.needsPlain("started");
      const { transport, beside } = fixture.subject;
      if (beside === null) {
        throw new Skipped("needs the name of another transport of the program (--beside)");
      }
      const alone = methodOf(await startWith(fixture, beside), beside);
      if (alone === null) throw new Skipped(`needs a program that starts ${beside} alone`);
      const program = await startWith(fixture, `${transport},${beside}`);
      const [one, other] = [methodOf(program, transport), methodOf(program, beside)];
      const expected = `${keyword(fixture.role)} lines for ${transport} and ${beside}`;
      expect(one !== null && other !== null, expected, outputOf(program));
      // What clients of a server connect to may be one web server in front of both.
      const apart = formatAddress(one.address) !== formatAddress(other.address);
      expect(
        apart || fixture.role === "server",
        `${expected} with two addresses`,
        outputOf(program),
      );
    },
  },
  {
    id: "name-similar",
    roles: BOTH,
    title: "does not take a similar name for its own",
    section: "pt-spec 3.1",
    level: "MUST",
    async run(fixture) {
      const { transport } = fixture.subject;
      // No program has transports of these names.
      const longer = [`${transport}_ptlib_check`, `ptlib_check_${transport}`];
      // It may have one of this name, which then is no other's.
      const shorter = transport.slice(0, -1) || "_";
      const asked = [...longer, shorter].join();
      const program = await startWith(fixture, asked);
      const lines = [transport, ...longer].flatMap((name) => about(program, name));
      // To answer an unknown name with an error is another check's.
      const started = lines.filter(({ text }) => /^[CS]METHOD /.test(text));
      none(started, `no ${transport}, nor any of ${longer.join()}, for ${asked}`);
    },
  },
  {
    id: "name-unknown-silent",
    roles: BOTH,
    title: "says nothing of a transport it does not know",
    section: { client: "pt-spec 3.3.2", server: "pt-spec 3.2.3" },
    level: { client: "MUST", server: "SHOULD" },
    async run(fixture) {
      const program = await startWith(fixture, UNKNOWN);
      none(about(program, UNKNOWN), `no line about ${UNKNOWN}`);
    },
  },
  {
    id: "name-unknown-done",
    roles: BOTH,
    title: "says that its start is over when it knows none of the transports",
    section: METHOD_SECTION,
    level: "MUST",
    async run(fixture) {
      const program = await startWith(fixture, UNKNOWN);
      const done = program.lines.some(({ message }) => isDone(fixture.role, message));
      expect(done, `${keyword(fixture.role)}S DONE`, outputOf(program));
    },
  },
  {
    id: "name-unknown-beside",
    roles: BOTH,
    title: "starts the transport it knows beside one it does not know",
    section: { client: "pt-spec 3.2.2", server: "pt-spec 3.2.3" },
    level: "SHOULD",
    async run(fixture) {
      fixture.needsPlain("started");
      const { transport } = fixture.subject;
      const program = await startWith(fixture, `${UNKNOWN},${transport}`);
      const started = about(program, transport).some(({ text }) => /^[CS]METHOD /.test(text));
      expect(started, `a ${keyword(fixture.role)} line for ${transport}`, outputOf(program));
    },
  },
  {
    id: "log-grammar",
    roles: BOTH,
    title: "writes LOG lines with one of five severities and a message",
    section: "pt-spec 3.3.4",
    level: "MUST",
    run: (fixture) => wellFormed(fixture, "LOG"),
  },
  {
    id: "log-addresses",
    roles: BOTH,
    title: "names nobody's address in LOG and STATUS: no bridge's, no user's",
    section: "pt-spec 4",
    level: "robustness",
    async run(fixture) {
      const { program, secret } = await life(fixture);
      const said = program.lines.filter(({ message }) => isAside(message));
      if (said.length === 0) throw new Skipped("needs a LOG or STATUS line: the program says none");
      const address = formatAddress(secret);
      const found = said.filter(({ text }) => `${text} `.match(/[\d.:]+\d/g)?.includes(address));
      const whose = fixture.role === "client" ? "it was asked to connect to" : "is its user's";
      none(found, `no ${address}, which ${whose}`);
    },
  },
  {
    id: "status-grammar",
    roles: BOTH,
    title: "writes STATUS lines with a transport and at least one value",
    section: "pt-spec 3.3.5",
    level: "MUST",
    run: (fixture) => wellFormed(fixture, "STATUS"),
  },
];
