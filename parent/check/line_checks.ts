/**
 * Checks of the lines that a transport says, and of the names it answers to (pt-spec sections
 * 3.1 and 3.3).
 *
 * @module
 */

import { isLoopback } from "../../address.ts";
import { type Bench, isDone, quoted, said, type Transcript } from "./bench.ts";
import type { Check } from "./check.ts";
import type { Child, Line } from "./child.ts";
import { refuses } from "./far.ts";
import { expect, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const METHOD_SECTION = { client: "pt-spec 3.3.2", server: "pt-spec 3.3.3" };
const UNKNOWN = "no_such_transport_exists";

/** The keyword of the half's METHOD lines. */
function keyword(role: Role): string {
  return role === "client" ? "CMETHOD" : "SMETHOD";
}

/** Starts the half with a list of names, and waits for the end of its start. */
async function startWith(bench: Bench, names: string): Promise<Child> {
  const list = bench.role === "client" ? "TOR_PT_CLIENT_TRANSPORTS" : "TOR_PT_SERVER_TRANSPORTS";
  const bind = [...new Set(names.split(","))].map((name) => `${name}-127.0.0.1:0`);
  const addresses = bench.role === "server" ? { TOR_PT_SERVER_BINDADDR: bind.join() } : {};
  const child = await bench.start({ [list]: names, ...addresses });
  await child.line(({ message }) => isDone(bench.role, message));
  return child;
}

/** The lines of a whole life, of a program that has started. */
async function life(bench: Bench): Promise<Transcript> {
  const transcript = await bench.transcript();
  if (transcript.done) return transcript;
  throw new Skipped(`needs a running ${bench.role}: ${said(transcript.child)}`);
}

/** Expects no line to be wrong. */
function none(wrong: readonly Line[], expected: string): void {
  expect(wrong.length === 0, expected, quoted(wrong));
}

/** The METHOD and METHOD-ERROR lines of one name. */
function about(child: Child, name: string): Line[] {
  return child.lines.filter(({ text }) => /^[CS]METHOD/.test(text) && text.split(" ")[1] === name);
}

/** The lines of a kind, all of which have to be well-formed. */
async function wellFormed(bench: Bench, kind: string): Promise<void> {
  const lines = (await life(bench)).child.lines.filter(({ text }) => text.split(" ")[0] === kind);
  if (lines.length === 0) throw new Skipped(`needs a ${kind} line: the program says none`);
  none(lines.filter(({ message }) => message === null), `well-formed ${kind} lines`);
}

const KEYWORDS =
  /^(?:VERSION|VERSION-ERROR|ENV-ERROR|PROXY|PROXY-ERROR|LOG|STATUS|[CS]METHOD(?:S|-ERROR)?)(?: |$)/;

/** The checks of lines and names. */
export const lineChecks: readonly Check[] = [
  {
    id: "line-grammar",
    roles: BOTH,
    title: "says whole lines of US-ASCII, each starting with a keyword",
    section: "pt-spec 3.3",
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      // deno-lint-ignore no-control-regex -- any ASCII character but NUL and LF may follow
      const bad = child.lines.filter(({ text }) => !/^[\w-]+(?: [\x01-\x7f]*)?$/.test(text));
      none(bad, "lines of a keyword and ASCII arguments");
      expect(child.rest === "", "a line end behind the last line", JSON.stringify(child.rest));
    },
  },
  {
    id: "line-keywords",
    roles: BOTH,
    title: "says nothing on stdout but the lines of the protocol",
    section: "pt-spec 3.3",
    grade: "robustness",
    async run(bench) {
      const { child } = await life(bench);
      // What breaks the grammar of lines is another check's.
      const other = child.lines.filter(({ text }) => /^[\w-]+(?: |$)/.test(text));
      none(other.filter(({ text }) => !KEYWORDS.test(text)), "keywords of the protocol only");
    },
  },
  {
    id: "line-version-once",
    roles: BOTH,
    title: "says its VERSION once, before any other answer",
    section: "pt-spec 3.3.1",
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const answers = child.lines.filter(({ text }) => /^(?:VERSION|PROXY|[CS]METHOD)/.test(text));
      const versions = answers.filter(({ text }) => text.startsWith("VERSION"));
      const first = answers[0]?.text.startsWith("VERSION") ?? false;
      expect(first && versions.length === 1, "one VERSION, at the start", said(child));
    },
  },
  {
    id: "done-said",
    roles: BOTH,
    title: "says that its start is over",
    section: METHOD_SECTION,
    grade: "MUST",
    async run(bench) {
      const { child, done } = await bench.transcript();
      if (child.lines.every(({ message }) => message?.kind !== "version")) {
        throw new Skipped(`needs a program that says VERSION 1: ${said(child)}`);
      }
      expect(done, `${keyword(bench.role)}S DONE`, said(child));
    },
  },
  {
    id: "done-last",
    roles: BOTH,
    title: "says that its start is over once, and then nothing of methods any more",
    section: METHOD_SECTION,
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const end = child.lines.findIndex(({ message }) => isDone(bench.role, message));
      const late = child.lines.slice(end + 1).filter(({ text }) =>
        /^(?:VERSION|ENV|PROXY|[CS]METHOD)/.test(text)
      );
      none(late, `only LOG and STATUS lines behind ${keyword(bench.role)}S DONE`);
    },
  },
  {
    id: "method-line",
    roles: BOTH,
    title: "says where the transport listens in one well-formed line",
    section: METHOD_SECTION,
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const lines = about(child, bench.subject.transport);
      const expected = bench.role === "client"
        ? `CMETHOD ${bench.subject.transport} socks5 ip:port`
        : `SMETHOD ${bench.subject.transport} ip:port [ARGS:k=v,k=v]`;
      const form = bench.role === "client"
        ? /^CMETHOD \w+ socks[45] [\d.:[\]a-f]+$/
        : /^SMETHOD \w+ [\d.:[\]a-f]+(?: \S+)*$/;
      const [line] = lines;
      const good = lines.length === 1 && line !== undefined && line.message !== null &&
        form.test(line.text);
      expect(good, `one line ${expected}`, said(child));
    },
  },
  {
    id: "method-listens",
    roles: BOTH,
    title: "listens where it says as soon as its start is over",
    section: METHOD_SECTION,
    grade: "MUST",
    hand: "connect to the address of the METHOD line",
    async run(bench) {
      const { method } = await bench.running();
      expect(!await refuses(method.address), "a listener at the address", "nobody listens there");
    },
  },
  {
    id: "method-loopback",
    roles: ["client"],
    title: "listens for its user on loopback only",
    section: "pt-spec 2",
    grade: "robustness",
    async run(bench) {
      const { method, child } = await bench.running();
      expect(isLoopback(method.address[0]), "a loopback address", said(child));
    },
  },
  {
    id: "method-socks5",
    roles: ["client"],
    title: "prefers SOCKS 5",
    section: "pt-spec 2",
    grade: "SHOULD",
    async run(bench) {
      const { method, child } = await bench.running();
      const five = method.kind === "cmethod" && method.socksVersion === 5;
      expect(five, "socks5 in the CMETHOD line", said(child));
    },
  },
  {
    id: "method-args",
    roles: ["server"],
    title: "writes ARGS as k=v,k=v with its escapes",
    section: "pt-spec 3.3.3",
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const lines = child.lines.filter(({ text }) => / ARGS:/.test(text));
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
    id: "method-own-half",
    roles: BOTH,
    title: "says only the lines of its own half",
    section: "pt-spec 2",
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const other = bench.role === "client" ? /^SMETHOD/ : /^(?:CMETHOD|PROXY)/;
      none(child.lines.filter(({ text }) => other.test(text)), `lines of a ${bench.role} only`);
    },
  },
  {
    id: "method-asked",
    roles: BOTH,
    title: "reports only transports that were asked for",
    section: METHOD_SECTION,
    grade: "MUST",
    async run(bench) {
      const { child } = await life(bench);
      const methods = child.lines.filter(({ text }) => /^[CS]METHOD(?:-ERROR)? /.test(text));
      const others = methods.filter(({ text }) => text.split(" ")[1] !== bench.subject.transport);
      none(others, `nothing but ${bench.subject.transport}`);
    },
  },
  {
    id: "name-twice",
    roles: BOTH,
    title: "starts a transport once that is named twice",
    section: "pt-spec 3.1",
    grade: "robustness",
    async run(bench) {
      const { transport } = bench.subject;
      const child = await startWith(bench, `${transport},${transport}`);
      expect(
        about(child, transport).length === 1,
        `one ${keyword(bench.role)} line`,
        said(child),
      );
    },
  },
  {
    id: "name-similar",
    roles: BOTH,
    title: "does not take a similar name for its own",
    section: "pt-spec 3.1",
    grade: "MUST",
    async run(bench) {
      const { transport } = bench.subject;
      const similar = [`${transport}x`, `_${transport}`, transport.slice(0, -1) || "_"];
      const child = await startWith(bench, similar.join());
      const lines = [transport, ...similar].flatMap((name) => about(child, name));
      // To answer an unknown name with an error is another check's.
      const started = lines.filter(({ text }) => /^[CS]METHOD /.test(text));
      none(started, `no transport for ${similar.join()}`);
    },
  },
  {
    id: "name-unknown-silent",
    roles: BOTH,
    title: "says nothing of a transport it does not know",
    section: { client: "pt-spec 3.3.2", server: "pt-spec 3.2.3" },
    grade: { client: "MUST", server: "SHOULD" },
    async run(bench) {
      const child = await startWith(bench, UNKNOWN);
      none(about(child, UNKNOWN), `no line about ${UNKNOWN}`);
    },
  },
  {
    id: "name-unknown-done",
    roles: BOTH,
    title: "says that its start is over when it knows none of the transports",
    section: METHOD_SECTION,
    grade: "MUST",
    async run(bench) {
      const child = await startWith(bench, UNKNOWN);
      const done = child.lines.some(({ message }) => isDone(bench.role, message));
      expect(done, `${keyword(bench.role)}S DONE`, said(child));
    },
  },
  {
    id: "name-unknown-beside",
    roles: BOTH,
    title: "starts the transport it knows beside one it does not know",
    section: { client: "pt-spec 3.2.2", server: "pt-spec 3.2.3" },
    grade: "SHOULD",
    async run(bench) {
      const { transport } = bench.subject;
      const child = await startWith(bench, `${UNKNOWN},${transport}`);
      const started = about(child, transport).some(({ text }) => /^[CS]METHOD /.test(text));
      expect(started, `a ${keyword(bench.role)} line for ${transport}`, said(child));
    },
  },
  {
    id: "log-grammar",
    roles: BOTH,
    title: "writes LOG lines with one of five severities and a message",
    section: "pt-spec 3.3.4",
    grade: "MUST",
    run: (bench) => wellFormed(bench, "LOG"),
  },
  {
    id: "status-grammar",
    roles: BOTH,
    title: "writes STATUS lines with a transport and at least one value",
    section: "pt-spec 3.3.5",
    grade: "MUST",
    run: (bench) => wellFormed(bench, "STATUS"),
  },
];
