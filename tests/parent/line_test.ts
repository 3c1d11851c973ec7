import { assertEquals, assertThrows } from "@std/assert";
import { type Message, parseLine } from "../../parent/line.ts";

/** A message with its multimaps as rows, so that it can be compared. */
function plain(message: Message): unknown {
  return Object.fromEntries(
    Object.entries(message).map((
      [key, value],
    ) => [key, value instanceof URLSearchParams ? [...value] : value]),
  );
}

Deno.test("parseLine() reads every line of the protocol", () => {
  const rows: [string, Record<string, unknown>][] = [
    ["VERSION 1", { kind: "version", version: "1" }],
    ["VERSION-ERROR no-version", { kind: "version-error", message: "no-version" }],
    ["ENV-ERROR no state directory", { kind: "env-error", message: "no state directory" }],
    ["ENV-ERROR", { kind: "env-error", message: "" }],
    ["PROXY DONE", { kind: "proxy-done" }],
    ["PROXY-ERROR no  socks4", { kind: "proxy-error", message: "no  socks4" }],
    ["CMETHOD a socks5 127.0.0.1:80", {
      kind: "cmethod",
      transport: "a",
      socksVersion: 5,
      address: ["127.0.0.1", 80],
    }],
    ["CMETHOD  _b9   socks4 [::1]:65535 ARGS=old words", {
      kind: "cmethod",
      transport: "_b9",
      socksVersion: 4,
      address: ["::1", 65535],
    }],
    ["CMETHOD-ERROR a no port", { kind: "cmethod-error", transport: "a", message: "no port" }],
    ["CMETHOD-ERROR a", { kind: "cmethod-error", transport: "a", message: "" }],
    ["CMETHODS DONE", { kind: "cmethods-done" }],
    ["SMETHOD a 0.0.0.0:1", {
      kind: "smethod",
      transport: "a",
      address: ["0.0.0.0", 1],
      args: [],
    }],
    ["SMETHOD a 192.0.2.7:1 OTHER:x ARGS:cert=a+b/c,k=x\\,y,k=", {
      kind: "smethod",
      transport: "a",
      address: ["192.0.2.7", 1],
      args: [["cert", "a+b/c"], ["k", "x,y"], ["k", ""]],
    }],
    ["SMETHOD-ERROR a why", { kind: "smethod-error", transport: "a", message: "why" }],
    ["SMETHODS DONE", { kind: "smethods-done" }],
    ['LOG SEVERITY=debug MESSAGE="a \\"b\\"\\n\\303\\251"', {
      kind: "log",
      severity: "debug",
      message: 'a "b"\né',
    }],
    ["LOG MESSAGE=bare SEVERITY=error", { kind: "log", severity: "error", message: "bare" }],
    ['LOG SEVERITY=info MESSAGE=""', { kind: "log", severity: "info", message: "" }],
    ['STATUS TRANSPORT=a CONNECT=Success  N="x y" N=', {
      kind: "status",
      transport: "a",
      values: [["CONNECT", "Success"], ["N", "x y"], ["N", ""]],
    }],
    ["STATUS TRANSPORT=my-transport N=", {
      kind: "status",
      transport: "my-transport",
      values: [["N", ""]],
    }],
    ['STATUS TRANSPORT="rot 13" N=1', {
      kind: "status",
      transport: "rot 13",
      values: [["N", "1"]],
    }],
    ['STATUS TYPE=version IMPLEMENTATION=x VERSION="1 2"', {
      kind: "status-version",
      implementation: "x",
      version: "1 2",
    }],
    ["STATUS TYPE=weather SKY=blue", {
      kind: "unknown",
      keyword: "STATUS",
      rest: "TYPE=weather SKY=blue",
    }],
    ["NEW-WORD  a b", { kind: "unknown", keyword: "NEW-WORD", rest: " a b" }],
    ["version 1", { kind: "unknown", keyword: "version", rest: "1" }],
    ["constructor", { kind: "unknown", keyword: "constructor", rest: "" }],
  ];
  for (const [line, message] of rows) assertEquals(plain(parseLine(line)), message, line);
});

Deno.test("parseLine() throws a SyntaxError that says what is wrong with a known line", () => {
  const rows: [string, string][] = [
    ["VERSION", "VERSION is malformed: it names no single version"],
    ["VERSION 1 2", "no single version"],
    ["PROXY", "not DONE"],
    ["PROXY done", "not DONE"],
    ["CMETHODS", "not DONE"],
    ["SMETHODS DONE NOW", "not DONE"],
    ["CMETHOD", "no valid transport name"],
    ["CMETHOD 4a socks5 127.0.0.1:80", "no valid transport name"],
    ["CMETHOD a-b socks5 127.0.0.1:80", "no valid transport name"],
    ["CMETHOD a socks5", "no address"],
    ["CMETHOD a socks5 127.0.0.1:0", "port is 0"],
    ["CMETHOD a socks5 127.0.0.1:65536", "port is not a number"],
    ["CMETHOD a socks5 localhost:80", "not a numeric IP address"],
    ["CMETHOD a socks5 ::1:80", "not a numeric IP address"],
    ["CMETHOD a socks6 127.0.0.1:80", "neither socks4 nor socks5"],
    ["CMETHOD a 127.0.0.1:80", "neither socks4 nor socks5"],
    ["CMETHOD-ERROR", "no valid transport name"],
    ["SMETHOD a", "no address"],
    ["SMETHOD a [::]:0", "port is 0"],
    ["SMETHOD a 127.0.0.1:80 ARGS:k", "no ="],
    ["SMETHOD a 127.0.0.1:80 ARGS:k=v,", "empty"],
    ["SMETHOD-ERROR 1 why", "no valid transport name"],
    ["LOG", "none of the five values of SEVERITY"],
    ["LOG SEVERITY=fatal MESSAGE=x", "none of the five values of SEVERITY"],
    ["LOG SEVERITY=info", "no MESSAGE"],
    ['LOG SEVERITY=info MESSAGE="a', "not a row of KEY=VALUE"],
    ['LOG SEVERITY=info MESSAGE="a"b', "not a row of KEY=VALUE"],
    ["LOG SEVERITY=info MESSAGE=a b", "not a row of KEY=VALUE"],
    ["LOG SEVERITY=info MESSAGE=\0", "NUL"],
    ["STATUS", "no TRANSPORT"],
    ["STATUS TRANSPORT=a", "nothing but TRANSPORT"],
    ["STATUS TYPE=version VERSION=1", "no IMPLEMENTATION"],
    ["STATUS TYPE=version IMPLEMENTATION=a", "no VERSION"],
    ["", "does not begin with a keyword"],
    [" VERSION 1", "does not begin with a keyword"],
    ["\ufeffVERSION 1", "does not begin with a keyword"],
    ["VERSION\t1", "does not begin with a keyword"],
  ];
  for (const [line, message] of rows) {
    assertThrows(() => parseLine(line), SyntaxError, message, line);
  }
});

Deno.test("parseLine() does not repeat an address in its error", () => {
  const error = assertThrows(() => parseLine("SMETHOD a 203.0.113.7:0"), SyntaxError);
  assertEquals(`${error.message} ${error.cause}`.includes("203"), false);
});
