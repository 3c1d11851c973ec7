/** What the library prints matches the grammar of PROTOCOL.md section 3, whatever it is made of. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { EnvError } from "../config.ts";
import { client, log, reportVersion, server, status } from "../mod.ts";
import { CLIENT, SERVER, setEnvironment } from "./environment.ts";
import { address, ip, nonEmpty, printableWord, text, wellFormed } from "./fuzz/arbitraries.ts";
import { attempt } from "./fuzz/property.ts";
import { captureStdout } from "./stdout.ts";

/** Checks `property` on many values of `arbitrary`. */
function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: 2000 });
}

const WORD = "[\\x21-\\x7e]+";
const NAME = "[a-zA-Z_][a-zA-Z0-9_]*";
const HOST_PORT = "(?:[0-9.]+|\\[[0-9a-fA-F:.]+\\]):[1-9][0-9]{0,4}";
const CSTRING = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\nrt])*"';

/** Every line there is, from PROTOCOL.md section 3's table. */
const LINE = new RegExp(`^(?:${
  [
    "VERSION 1",
    "VERSION-ERROR no-version",
    "(?:ENV|PROXY)-ERROR [\\x20-\\x7e]*",
    "PROXY DONE",
    `CMETHOD ${NAME} socks[45] ${HOST_PORT}`,
    `SMETHOD ${NAME} ${HOST_PORT}(?: ARGS:${WORD}=[\\x21-\\x7e]*)?`,
    `[CS]METHOD-ERROR ${NAME} [\\x20-\\x7e]*`,
    "[CS]METHODS DONE",
    `LOG SEVERITY=(?:error|warning|notice|info|debug) MESSAGE=${CSTRING}`,
    `STATUS TRANSPORT=${NAME}(?: [a-zA-Z0-9_-]+=${CSTRING})+`,
    `STATUS TYPE=version IMPLEMENTATION=${CSTRING} VERSION=${CSTRING}`,
  ].join("|")
})$`);

/** Asserts that `fn` prints lines of the grammar only, or throws and prints nothing. */
function assertGrammar(fn: () => void): void {
  using stdout = captureStdout();
  let error: unknown;
  try {
    fn();
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    error = thrown;
  }
  const lines = stdout.text();
  if (error !== undefined) return assertEquals(lines, "");
  assert(lines.endsWith("\n"), lines);
  for (const line of lines.slice(0, -1).split("\n")) assert(LINE.test(line), JSON.stringify(line));
}

const name = fc.oneof(text, fc.constant("rot13"));
const anyAddress = fc.tuple(
  fc.oneof(text, ip),
  fc.oneof(fc.integer({ min: -1, max: 65537 }), fc.double()),
);
const anyArgs = fc.array(fc.tuple(text, text), { maxLength: 3 });

Deno.test("the lines of a client match the grammar whatever they are made of", () => {
  const proxy = { PROXY: "socks5://127.0.0.1:1080" };
  using _ = setEnvironment({ ...CLIENT, ...proxy });
  check(fc.tuple(name, text, anyAddress, address), ([name, text, anyAddress, address]) => {
    assertGrammar(() => client.init(["rot13"]));
    assertGrammar(() => client.reportProxySuccess());
    assertGrammar(() => client.reportSuccess(name, 5, anyAddress));
    assertGrammar(() => client.reportSuccess("rot13", 4, address));
    assertGrammar(() => client.reportFailure(name, text));
    assertGrammar(() => client.reportEnd());
    assertGrammar(() => client.init(["rot13"]));
    assertGrammar(() => client.reportProxyError(text));
  });
});

Deno.test("the lines of a server match the grammar whatever they are made of", () => {
  using _ = setEnvironment(SERVER);
  const words = fc.array(fc.tuple(nonEmpty(printableWord), printableWord), { maxLength: 3 });
  check(
    fc.tuple(name, text, anyAddress, anyArgs, words),
    ([name, text, anyAddress, anyArgs, words]) => {
      assertGrammar(() => server.init(["rot13"]));
      assertGrammar(() => server.reportSuccess(name, anyAddress, anyArgs));
      assertGrammar(() => server.reportSuccess("rot13", ["::1", 1], anyArgs));
      assertGrammar(() => server.reportSuccess("rot13", ["::1", 1], words));
      assertGrammar(() => server.reportFailure(name, text));
      assertGrammar(() => server.reportEnd());
    },
  );
});

Deno.test("LOG and STATUS lines match the grammar whatever they are made of", () => {
  using _ = setEnvironment(SERVER);
  check(fc.tuple(name, text, text, anyArgs), ([name, text, other, anyArgs]) => {
    assertGrammar(() => server.init(["rot13"]));
    assertGrammar(() => log("notice", text));
    assertGrammar(() => status(name, anyArgs));
    assertGrammar(() => status("rot13", [["K", text], ["L", other]]));
    assertGrammar(() => reportVersion(text, other));
  });
});

Deno.test("init() answers any environment with lines of the grammar", () => {
  const environmentText = wellFormed.map((text) => text.replaceAll("\0", ""));
  const anything = fc.tuple(
    fc.constantFrom(...Object.keys({ ...CLIENT, ...SERVER }), "PROXY"),
    environmentText,
  );
  check(anything, ([name, value]) => {
    for (
      const { init, variables } of [
        { init: client.init, variables: CLIENT },
        { init: server.init, variables: SERVER },
      ]
    ) {
      using _ = setEnvironment({ ...variables, [name]: value });
      assertGrammar(() => attempt(() => init(["rot13"]), EnvError));
    }
  });
});
