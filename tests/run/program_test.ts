import { assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { stub } from "@std/testing/mock";
import { listen, named, Outage, reason } from "../../run/program.ts";
import { printedBy } from "../stdout.ts";

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
    'LOG SEVERITY=notice MESSAGE="It works again, after 1000 failures"',
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
  const mainModule = Object.getOwnPropertyDescriptor(Deno, "mainModule")!;
  try {
    Object.defineProperty(Deno, "mainModule", {
      ...mainModule,
      get: () => "file:///opt/tor/my.transport.ts",
    });
    assertEquals(named({}).name, "my.transport");
    assertEquals(named({ name: "mine" }).name, "mine");
  } finally {
    Object.defineProperty(Deno, "mainModule", mainModule);
  }
});
