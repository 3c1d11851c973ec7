import { assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { stub } from "@std/testing/mock";
import {
  launchAll,
  listen,
  named,
  Outage,
  reason,
  shortage,
  surviveUncaught,
} from "../../run/program.ts";
import { asMainModule } from "../main_module.ts";
import { captureStdout, printedBy } from "../stdout.ts";

/** Lets a test say what time it is. */
function clock(): { time: number } & Disposable {
  const { now } = performance;
  const clock = { time: 0, [Symbol.dispose]: () => void (performance.now = now) };
  performance.now = () => clock.time;
  return clock;
}

Deno.test("Outage says once that something fails, and once that it is over", () => {
  using at = clock();
  const outage = new Outage("It works again");
  const lines = printedBy(() => {
    outage.works();
    for (let i = 0; i < 1_000; i++) {
      outage.failed(`failure ${i}`);
      at.time += 9_999; // What works now and then is not over.
      outage.works();
    }
    at.time += 1;
    outage.works();
    outage.works();
    outage.failed("another one");
  });
  assertEquals(lines.trimEnd().split("\n"), [
    'LOG SEVERITY=warning MESSAGE="failure 0"',
    'LOG SEVERITY=notice MESSAGE="It works again, after it failed 1000 times"',
    'LOG SEVERITY=warning MESSAGE="another one"',
  ]);
});

Deno.test("reason() scrubs secrets, and survives what cannot be put into words", () => {
  assertEquals(
    reason(new Error("no way to front.example"), "front.example"),
    "no way to [scrubbed]",
  );
  assertEquals(reason("192.0.2.7 said no"), "[scrubbed] said no");
  assertMatch(reason(Object.create(null)), /cannot be put into words/);
});

Deno.test("listen() says what is in the way, with our own address", () => {
  const rows: [failure: Error, words: string][] = [
    [
      new Deno.errors.NotCapable(),
      "Deno was not granted to listen on 192.0.2.7:80: add --allow-net=192.0.2.7:80",
    ],
    [new Deno.errors.AddrInUse(), "192.0.2.7:80 is in use: another program listens there"],
    [
      new Deno.errors.PermissionDenied(),
      "the system does not let this user listen on 192.0.2.7:80: take a port from 1024 on",
    ],
    [new Error("Address not available"), "cannot listen on 192.0.2.7:80: Address not available"],
  ];
  for (const [failure, words] of rows) {
    using _ = stub(Deno, "listen", () => {
      throw failure;
    });
    const error = assertThrows(() => listen(["192.0.2.7", 80]), Error);
    assertStrictEquals(error.cause, failure);
    assertEquals(reason(error), words);
  }
});

Deno.test("named() takes the name of the file without its ending", () => {
  using _ = asMainModule("file:///opt/tor/my.transport.ts");
  assertEquals(named({}).name, "my.transport");
  assertEquals(named({ name: "mine" }).name, "mine");
});

/** What would be called for events of the process, by their names; nobody is while it is in use. */
function interceptListeners(): Map<string, (event: unknown) => void> & Disposable {
  const listeners = new Map<string, (event: unknown) => void>();
  const { addEventListener } = globalThis;
  Object.assign(globalThis, {
    addEventListener(name: string, listener: (event: unknown) => void) {
      if (listeners.has(name)) throw new Error(`There is a listener for ${name}`);
      listeners.set(name, listener);
    },
  });
  return Object.assign(listeners, {
    [Symbol.dispose]: () => void Object.assign(globalThis, { addEventListener }),
  });
}

Deno.test("surviveUncaught() logs without addresses what nobody caught, and goes on", async () => {
  using listeners = interceptListeners();
  surviveUncaught();
  surviveUncaught();
  const rows = [
    ["unhandledrejection", "reason", "An error was not handled: no way to [scrubbed]"],
    ["error", "error", "An error was not caught: no way to [scrubbed]"],
  ] as const;
  assertEquals([...listeners.keys()], rows.map(([name]) => name));
  for (const [name, field, words] of rows) {
    let prevented = 0;
    const event = {
      [field]: new Error("no way to 192.0.2.7"),
      preventDefault: () => prevented++,
    };
    const line = printedBy(() => listeners.get(name)?.(event));
    assertEquals(line, `LOG SEVERITY=warning MESSAGE="${words}"\n`);
    assertEquals(prevented, 1);
  }
  // It has been said once for this process.
  using stdout = captureStdout();
  const calls: string[] = [];
  const reporter = {
    reportFailure: (name: string, message: string) => void calls.push(`${name}: ${message}`),
    reportEnd: () => void calls.push("end"),
  };
  await launchAll(reporter, ["good", "bad", "late"], (name) => {
    if (name === "bad") throw new Error("no port");
    const serve = () => Promise.resolve(void calls.push(`serves ${name}`));
    return name === "late" ? Promise.resolve(serve) : serve;
  }, { name: "mine", reportVersion: true });
  assertEquals(calls, ["bad: no port", "end", "serves good", "serves late"]);
  assertEquals(
    stdout.text(),
    'STATUS TYPE=version IMPLEMENTATION="mine" VERSION="unknown"\n',
  );
  assertEquals(listeners.size, 2);
});

Deno.test("a shortage is named when it is over", () => {
  using at = clock();
  const lines = printedBy(() => {
    shortage.failed("none left");
    at.time += 10_000;
    shortage.works();
  });
  assertEquals(lines.trimEnd().split("\n"), [
    'LOG SEVERITY=warning MESSAGE="none left"',
    'LOG SEVERITY=notice MESSAGE="There are file descriptors and memory again, after it failed once"',
  ]);
});
