/** What a programmer got wrong is said in words that name it. */

import { assertEquals, assertThrows } from "@std/assert";
import { client, log, server, status } from "../mod.ts";
import { CLIENT, SERVER, setEnvironment } from "./environment.ts";
import { captureStdout } from "./stdout.ts";

const ANY: [string, number] = ["127.0.0.1", 1];
const NO_NAME = "is not a transport name: only letters, digits and _, no digit first";
const PROXY = { ...CLIENT, PROXY: "socks5://127.0.0.1:1080" };

/** Calls, the last of which is wrong, and what is said of it. */
const ROWS: [variables: Record<string, string>, calls: (() => void)[], message: string][] = [
  [CLIENT, [() => client.init(["rot 13"])], `"rot 13" ${NO_NAME}`],
  [
    CLIENT,
    [() => client.init(["a"]), () => client.reportSuccess("1a", 5, ANY)],
    `"1a" ${NO_NAME}`,
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => client.reportSuccess("a", 6 as 5, ANY)],
    "There is no SOCKS version 6: it is 4 or 5",
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => client.reportSuccess("a", 5, ["127.0.0.1", 0])],
    "A method is reported with the port that was really bound, not 0",
  ],
  [
    SERVER,
    [() => server.init(["a"]), () => server.reportSuccess("a", ANY, [["k", "a b"]])],
    "Arguments of an SMETHOD line must be printable ASCII without spaces",
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => log("loud" as "error", "x")],
    '"loud" is none of error, warning, notice, info, debug',
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => status("a", [["a b", "v"]])],
    '"a b" is not a key: only letters, digits, - and _',
  ],
  [CLIENT, [() => client.init(["a"]), () => status("a", [])], "A status needs at least one value"],
  [
    CLIENT,
    [() => client.init(["a"]), () => server.reportEnd()],
    "Nothing can be reported before server.init() has succeeded",
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => client.reportEnd(), () => client.reportFailure("a", "x")],
    "Nothing can be reported after client.reportEnd()",
  ],
  [
    PROXY,
    [() => client.init(["a"]), () => client.reportProxyError("x"), () => client.reportEnd()],
    "Nothing can be reported after client.reportProxyError()",
  ],
  [
    CLIENT,
    [() => client.init(["a"]), () => client.reportProxySuccess()],
    "There is no upstream proxy to answer for, or it has been answered for",
  ],
  [
    PROXY,
    [
      () => client.init(["a"]),
      () => client.reportFailure("a", "x"),
      () => client.reportProxySuccess(),
    ],
    "The upstream proxy is answered for before the first method is reported",
  ],
];

for (const [variables, calls, message] of ROWS) {
  Deno.test(`the error says: ${message}`, () => {
    using _env = setEnvironment(variables);
    using _stdout = captureStdout();
    const wrong = calls.at(-1)!;
    calls.slice(0, -1).forEach((call) => call());
    assertEquals(assertThrows(wrong, Error).message, message);
  });
}
