/** The parent's half of the negotiation (`parent/negotiation.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { LaunchError } from "../../parent/launch_error.ts";
import { type Message, parseLine } from "../../parent/line.ts";
import { CLIENT, Negotiation, SERVER } from "../../parent/negotiation.ts";
import { rarely, transportName } from "./arbitraries.ts";
import { anyLine, plain, saidAbout } from "./line_properties.ts";
import { attempt, forAll, type NamedProperty } from "./property.ts";

type Role = "client" | "server";

/** One program's start: what it was asked for, and what it says. */
interface Start {
  role: Role;
  transports: string[];
  withProxy: boolean;
  lines: (string | null)[];
}

/** A line that may be right somewhere, about transports of these names. */
const lineAbout = (transports: readonly string[]) =>
  fc.oneof(
    { arbitrary: saidAbout(fc.constantFrom(...transports)).map(([line]) => line), weight: 12 },
    { arbitrary: anyLine, weight: 2 },
    { arbitrary: fc.constant(null), weight: 1 },
  );

/** What a program says that does as it should. */
function rightLines(role: Role, transports: readonly string[], withProxy: boolean) {
  const half = role === "client" ? "C" : "S";
  const answer = (name: string) =>
    fc.constantFrom(
      `${half}METHOD ${name} ${role === "client" ? "socks5 " : ""}127.0.0.1:1`,
      `${half}METHOD-ERROR ${name} no port is free`,
    );
  return fc.tuple(fc.shuffledSubarray([...transports]), fc.tuple(...transports.map(answer))).map(
    ([spokenOf, answers]) => [
      "VERSION 1",
      ...withProxy ? ["PROXY DONE"] : [],
      ...spokenOf.map((name) => answers[transports.indexOf(name)] ?? null),
      `${half}METHODS DONE`,
    ],
  );
}

/** Lines with others among them, and perhaps without one of their own. */
function disturbed(lines: fc.Arbitrary<(string | null)[]>, other: fc.Arbitrary<string | null>) {
  const extra = fc.array(fc.tuple(fc.nat(20), other), { maxLength: 3 });
  return fc.tuple(lines, extra, rarely(fc.nat(20), 4)).map(([lines, extra, lost]) => {
    const all = lines.filter((_, index) => index !== lost);
    for (const [at, line] of extra) all.splice(at % (all.length + 1), 0, line);
    return all;
  });
}

const start: fc.Arbitrary<Start> = fc.tuple(
  fc.constantFrom<Role[]>("client", "server"),
  fc.uniqueArray(transportName, { minLength: 1, maxLength: 4 }),
  fc.boolean(),
).chain(([role, transports, asksProxy]) => {
  const withProxy = asksProxy && role === "client";
  const other = lineAbout(transports);
  const lines = fc.oneof(
    { arbitrary: disturbed(rightLines(role, transports, withProxy), other), weight: 3 },
    { arbitrary: fc.array(other, { maxLength: 12 }), weight: 1 },
  );
  return lines.map((lines) => ({ role, transports, withProxy, lines }));
});

/** The keywords of a malformed line that harm the negotiation; tor ignores the others. */
const FATAL = ["VERSION", "VERSION-ERROR", "ENV-ERROR", "PROXY", "PROXY-ERROR"].concat(
  ["C", "S"].flatMap((half) =>
    ["METHOD", "METHODS", "METHOD-ERROR", "METHODS-ERROR"].map((word) => half + word)
  ),
);

/** The state of the program's start as PROTOCOL.md says in its section 3, once more. */
interface Model {
  stage: "start" | "methods" | "done";
  proxyDue: boolean;
  started: Set<string>;
  failed: Set<string>;
}

/** Whether a line is allowed now; it changes the model. */
function allows(model: Model, start: Start, line: string | null): boolean {
  if (line === null) return model.stage === "done";
  const message = attempt(() => parseLine(line), SyntaxError);
  if (message === null) return !FATAL.includes(line.split(" ")[0] ?? "");
  const own = start.role === "client" ? "c" : "s";
  switch (message.kind) {
    case "unknown":
    case "log":
    case "status":
    case "status-version":
      return true;
    case "version":
      if (model.stage !== "start" || message.version !== "1") return false;
      model.stage = "methods";
      return true;
  }
  if (model.stage !== "methods") return false;
  return allowsBetween(model, start, message, own);
}

function allowsBetween(model: Model, start: Start, message: Message, own: string): boolean {
  switch (message.kind) {
    case "proxy-done": {
      const due = model.proxyDue;
      model.proxyDue = false;
      return due;
    }
    case `${own}method`:
    case `${own}method-error`: {
      const name = "transport" in message ? message.transport : "";
      const first = !model.started.has(name) && !model.failed.has(name);
      (message.kind.endsWith("error") ? model.failed : model.started).add(name);
      return first && start.transports.includes(name);
    }
    case `${own}methods-done`:
      model.stage = "done";
      return !model.proxyDue && model.started.size > 0;
    default:
      return false;
  }
}

function negotiation({ role, transports, withProxy }: Start) {
  return role === "client"
    ? new Negotiation(CLIENT, transports, withProxy)
    : new Negotiation(SERVER, transports, withProxy);
}

/** The properties of `parent/negotiation.ts`. */
export const negotiationProperties: NamedProperty[] = [
  forAll(
    "Negotiation takes the lines that PROTOCOL.md allows, and throws a LaunchError for others",
    start,
    (start) => {
      const { transports, lines } = start;
      const subject = negotiation(start);
      const model: Model = {
        stage: "start",
        proxyDue: start.withProxy,
        started: new Set(),
        failed: new Set(),
      };
      for (const line of lines) {
        const allowed = allows(model, start, line);
        let received;
        try {
          received = subject.receive(line);
        } catch (error) {
          if (!(error instanceof LaunchError)) throw error;
          assert(/^[ -~]*$/.test(error.message), error.message);
          return assert(!allowed, `${line}: ${error.message}`);
        }
        assert(allowed, `${line} was taken`);
        assertEquals(subject.done, model.stage === "done");
        assertEquals(new Set(Object.keys(subject.methods)), model.started);
        if (received !== null) {
          assertEquals(plain(received), plain(parseLine(line ?? "")));
          assert(["log", "status", "status-version"].includes(received.kind), received.kind);
        }
        const failed = Object.keys(subject.failures);
        // What was never spoken of has failed at the end.
        const silent = subject.done
          ? transports.filter((name) => !model.started.has(name) && !model.failed.has(name))
          : [];
        assertEquals(new Set(failed), new Set([...model.failed, ...silent]));
        for (const words of Object.values(subject.failures)) assert(/^[ -~]*$/.test(words), words);
        for (const [name, method] of Object.entries(subject.methods)) {
          assertEquals(method.transport, name);
        }
      }
    },
  ),
  forAll(
    "Negotiation throws nothing but a LaunchError, whatever it is told",
    fc.tuple(start, fc.array(fc.option(anyLine))),
    ([start, garbage]) => {
      const subject = negotiation(start);
      const told = [...start.lines, ...garbage].map((line) =>
        attempt(() => {
          subject.receive(line);
          return line;
        }, LaunchError)
      );
      const methods = Object.keys(subject.methods);
      assert(methods.every((name) => start.transports.includes(name)), methods.join());
      if (subject.done) assert(methods.length > 0 && told.includes("VERSION 1"));
    },
  ),
];
