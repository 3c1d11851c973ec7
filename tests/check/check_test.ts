import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertRejects,
} from "@std/assert";
import {
  CannotCheckError,
  check,
  type CheckOptions,
  type CheckResult,
  checks,
} from "../../check/mod.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { faults, ids, program, reported, reporters, skippedHere } from "./broken_program.ts";

const NEEDS = ["net", "read", "write", "run"] as const;

/** Faults at a time: each spends most of its time waiting. */
const SIDE_BY_SIDE = 4;

const throwing = [
  ...[Deno.execPath(), "run", "-A", "--no-check"],
  new URL("./throwing_transport.ts", import.meta.url).pathname,
];

async function results(
  command: readonly string[],
  options: Partial<CheckOptions> = {},
): Promise<CheckResult[]> {
  return await Array.fromAsync(check(command, { transport: "dummy", ...options }));
}

/** The process ids of programs with a word in their command line. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.includes(word)) found.push(name);
  }
  return found;
}

Deno.test("checks has at least 60 checks, each with its own name and its section", () => {
  assertGreaterOrEqual(ids.length, 60);
  const names = checks.map(({ role, id }) => `${role}/${id}`);
  assertEquals(new Set(names).size, names.length);
  for (const { section, level } of checks) {
    assertMatch(
      section,
      /^(?:(?:pt-spec|ext-orport-spec|RFC 1928|RFC 1929) \d|proposal 180$|tor \w+\(\)$)/,
    );
    assert(["MUST", "SHOULD", "robustness", "extra"].includes(level));
  }
});

permitted(NEEDS, "check() finds nothing wrong with a good program", async () => {
  const all = await results(program(), { beside: "second" });
  assertEquals(all.filter(({ outcome }) => outcome === "failed"), []);
  const skipped = all.flatMap(({ outcome, role, id }) =>
    outcome === "skipped" ? [`${role}/${id}`] : []
  );
  // What a program may say and this one does not, and what a machine cannot try that has no IPv6, or
  // lets nobody make a network.
  assertEquals(
    skipped.filter((name) => !/ipv6/.test(name) && !skippedHere(name)),
    [
      "client/log-grammar",
      "client/log-addresses",
      "client/status-grammar",
      "client/socks4-granted",
      "client/socks4-args",
      "client/socks4-refused",
      "server/method-args",
      "server/method-args-long",
      "server/log-grammar",
      "server/log-addresses",
      "server/status-grammar",
    ],
  );
});

permitted(NEEDS, "check() finds each of the faults that a program can have", async () => {
  const missed: string[] = [];
  const queue = [...faults];
  const work = async () => {
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      const only = new RegExp(`/${fault.split(":")[0]}$`);
      const found = await reported(fault, only);
      if (found.join() !== reporters(fault).filter((name) => only.test(name)).join()) {
        missed.push(`${fault}: ${found.join() || "nothing"}`);
      }
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  assertEquals(missed, []);
});

permitted(NEEDS, "check() reports a fault by the check of its name alone", async () => {
  // One of each group, against the whole group; check_matrix.ts tries all against all.
  const groups: [fault: string, group: RegExp, as: string][] = [
    ["version-substring", /client\/version/, "client/version-substring"],
    ["state-missing", /client\/(?:state|mode|env|outbound|variables)/, "client/state-missing"],
    ["bindaddr-twice", /server\/(?:bindaddr|orport|extended|options)/, "server/bindaddr-twice"],
    ["line-keywords", /client\/(?:line|done|method|name|log|status)/, "client/line-keywords"],
    ["proxy-http", /client\/proxy/, "client/proxy-http"],
    ["socks-reply-whole", /client\/socks/, "client/socks-reply-whole"],
    ["relay-half-open-down", /client\/relay/, "client/relay-half-open-down"],
    ["ext-unknown", /server\/ext-/, "server/ext-unknown"],
    ["sigterm-status", /server\/(?:stdin|sig|parent)/, "server/sigterm-status"],
  ];
  for (const [fault, group, as] of groups) assertEquals(await reported(fault, group), [as], fault);
});

permitted(NEEDS, "check() says what was expected, what came, and how to see it", async () => {
  const [result] = await results(program("version-substring"), {
    only: /client\/version-substring/,
  });
  assert(result?.outcome === "failed");
  assertEquals(result.expected, "VERSION-ERROR for an offer of 11,1x");
  assertMatch(result.got, /^it said "VERSION 1"/);
  assertMatch(result.byHand, /^env -i PATH=.* TOR_PT_MANAGED_TRANSPORT_VER=11,1x .*broken_pt\.ts/);
});

permitted(NEEDS, "check() skips a check whose precondition does not hold", async () => {
  const [result] = await results(program("version-substring"), { only: /client\/log-grammar/ });
  assert(result?.outcome === "skipped");
  assertEquals(result.reason, "needs a LOG line: the program says none");
});

permitted(NEEDS, "check() skips the half that a program is not", async () => {
  const path = new URL("../../examples/dummy_client.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--no-check", path];
  const [half, first] = await results(command, { only: /version-offered/ });
  assert(half?.outcome === "skipped");
  assertEquals([half.role, half.id], ["server", "half"]);
  assertEquals([first?.role, first?.id, first?.outcome], ["client", "version-offered", "ok"]);
});

permitted(NEEDS, "check() needs the other half of a transport that changes the bytes", async () => {
  const path = new URL("../../examples/rot13.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--no-check", path];
  const options = { transport: "rot13", only: /relay-(?:bytes|large)/ };
  const together = await results(command, options);
  assertEquals(together.map(({ outcome }) => outcome), ["ok", "ok", "ok", "ok"]);
});

permitted(NEEDS, "check() does not blame a client that its arguments send elsewhere", async () => {
  const path = new URL("./detour_transport.ts", import.meta.url).pathname;
  const all = await results([Deno.execPath(), "run", "-A", "--no-check", path], {
    transport: "detour",
    only: /client\/(?:proxy|socks|relay-bytes)/,
  });
  assertEquals(all.filter(({ outcome }) => outcome === "failed"), []);
  const skipped = all.flatMap((result) => {
    return result.outcome === "skipped" && /where it is asked/.test(result.reason) ? result.id : [];
  });
  assertEquals(skipped, [
    "proxy-socks5",
    "proxy-socks4a",
    "proxy-http",
    "proxy-credentials",
    "proxy-credentials-raw",
    "proxy-credentials-http",
    "proxy-credentials-socks4a",
    "proxy-ipv6",
    "proxy-stalled",
    "socks-refused",
    "socks-refused-code",
    "socks-stalled",
  ]);
});

permitted(NEEDS, "check() accuses the half that keeps an end, and not the other one", async () => {
  const path = new URL("./keeping_transport.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--no-check", path];
  const options = { transport: "keeping", only: /relay-(?:bytes|eof)/, timeout: 3_000 };
  for (const keeper of ["client", "server"]) {
    const direction = keeper === "client" ? "up" : "down";
    const all = await results(command, { ...options, env: { KEEPER: keeper } });
    const failed = all.filter(({ outcome }) => outcome === "failed");
    assertEquals(failed.map(({ role, id }) => `${role}/${id}`), [
      `${keeper}/relay-eof-${direction}`,
    ]);
    assertEquals(all.length - failed.length, all.filter(({ outcome }) => outcome === "ok").length);
  }
});

permitted(NEEDS, "check() accuses no half of what its broken peer does", async () => {
  const command = (path: string) => [
    ...[Deno.execPath(), "run", "-A", "--no-check"],
    new URL(path, import.meta.url).pathname,
  ];
  const [good, peer] = [command("../../examples/rot13.ts"), command("./spoiling_peer.ts")];
  const cases: [fault: string, role: "client" | "server", only: RegExp, skipped: string[]][] = [
    ["spoils", "server", /\/(?:relay-bytes|ext-okay)$/, ["relay-bytes", "ext-okay"]],
    ["spoils", "client", /\/(?:relay-bytes|socks-early)/, ["socks-early-data", "relay-bytes"]],
    ["queues", "server", /\/ext-(?:okay|stalled|again)$/, ["ext-stalled", "ext-again"]],
    ["listens", "server", /\/ext-okay-joined$/, []], // The user has said something early.
  ];
  await Promise.all(cases.map(async ([fault, role, only, expected]) => {
    const faulty = ["env", `FAULT=${fault}`, ...peer];
    const options = { transport: "rot13", role, peer: faulty, only, timeout: 3_000 };
    const all = await results(good, options);
    const named = (outcome: string) =>
      all.filter((result) => result.outcome === outcome).map(({ id }) => id);
    assertEquals(named("failed"), [], fault);
    assertEquals(named("skipped"), expected, fault);
  }));
});

permitted(
  NEEDS,
  "check() puts nothing down to a change that an unchanged start shows",
  async () => {
    const dead = await results(program("dies-in-use"), {
      only: /stdin-(?:closed-unasked|closed-other|bytes)|socks-(?:half-open|garbage|abandoned)/,
      timeout: 3_000,
    });
    assertEquals(dead.filter(({ outcome }) => outcome !== "skipped"), []);
    const silent = await results(program("answers-nobody"), {
      only: /client\/socks-(?:half-open|garbage|abandoned)/,
      timeout: 3_000,
    });
    assertEquals(silent.filter(({ outcome }) => outcome !== "skipped"), []);
  },
);

permitted(NEEDS, "check() accuses no client of what it lacks arguments for", async () => {
  const path = new URL("../../examples/frames.ts", import.meta.url).pathname;
  const all = await results([Deno.execPath(), "run", "-A", "--no-check", path], {
    transport: "sealed",
    serverOptions: [["key", "ab".repeat(32)]],
    only: /client\/(?:proxy-(?:http|stalled|fails)|socks-(?:granted|refused|ipv6)|relay-bytes)/,
    timeout: 5_000,
  });
  assertEquals(all.filter(({ outcome }) => outcome !== "skipped"), []);
  for (const result of all) {
    assert(result.outcome === "skipped");
    assertMatch(result.reason, /refuses (?:it|a connection without arguments) with reply 1/);
    assertMatch(result.said.join(), /There is no key=/, result.id);
  }
});

permitted(NEEDS, "check() tells what the other half said of what is skipped", async () => {
  const [result] = await results(throwing, {
    transport: "greeted",
    only: /client\/relay-bytes/,
    timeout: 3_000,
  });
  assert(result?.outcome === "skipped");
  assertMatch(result.reason, /^needs a granted connection, .* with reply 1\. It may need arg/);
  assertMatch(result.otherSaid.join(), /a bug in server\(\)/);
});

permitted(NEEDS, "check() waits for no connection when the user's is over", async () => {
  // Whatever is waited for to its end takes longer than this test may.
  const all = await results(throwing, {
    transport: "throwing",
    only: /server\/(?:relay|ext-okay)/,
    timeout: 600_000,
  });
  assertEquals(all.filter(({ outcome }) => outcome === "ok"), []);
});

permitted(NEEDS, "check() fails when there is no such program", async () => {
  await assertRejects(() => results(["no-such-program-anywhere"]), Deno.errors.NotFound);
});

permitted(NEEDS, "check() leaves no process behind, whatever the program ignores", async () => {
  if (Deno.build.os !== "linux") return; // There is no /proc elsewhere.
  for (const fault of ["stdin-closed", "sigterm", "parent-gone"]) {
    const mark = crypto.randomUUID();
    const command = [...program(fault), mark];
    await results(command, { only: /client\/(?:stdin|sigterm|parent)/, timeout: 3_000 });
    assertEquals(await processesWith(mark), [], fault);
  }
});

/** Whether Go is there, which compiles what `go run` is given. */
function goMissing(): string | null {
  try {
    return new Deno.Command("go", { args: ["version"] }).outputSync().success ? null : "needs go";
  } catch {
    return "needs go";
  }
}

permitted(NEEDS, "check() ends what a wrapper has started, with the wrapper", async () => {
  if (Deno.build.os !== "linux") return;
  const mark = crypto.randomUUID();
  // Neither hands a signal on, and what they start ignores everything.
  const shell = [
    "sh",
    "-c",
    '"$@"; exit $?',
    "sh",
    ...program("stdin-closed+sigterm+sigint"),
    mark,
  ];
  const all = await results(shell, {
    only: /client\/(?:stdin-closed$|sigterm$|relay-bytes)/,
    timeout: 3_000,
  });
  assertEquals(all.find(({ id }) => id === "relay-bytes")?.outcome, "ok");
  assertEquals(await processesWith(mark), []);
});

permitted(NEEDS, "check() ends what go run has compiled and started", async () => {
  if (Deno.build.os !== "linux") return;
  const mark = crypto.randomUUID();
  const path = new URL("./lingering.go", import.meta.url).pathname;
  // What it takes from a compiler's cache is there in time.
  await new Deno.Command("go", { args: ["build", "-o", "/dev/null", path] }).output();
  const all = await results(["go", "run", path, mark], {
    role: "client",
    only: /client\/(?:method-listens|stdin-closed$|state-only)/,
    timeout: 5_000,
  });
  assertEquals(all.find(({ id }) => id === "method-listens")?.outcome, "ok");
  // What the compiler keeps for itself is not the program's.
  assertEquals(all.find(({ id }) => id === "state-only")?.outcome, "ok");
  assertEquals(all.find(({ id }) => id === "stdin-closed")?.outcome, "failed");
  assertEquals(await processesWith(mark), []);
}, granted(["run"]) ? goMissing() : null);

permitted(
  NEEDS,
  "check() ends at once when its signal aborts before the first result",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const mute = `await Deno.connect({ port: ${port} }); setInterval(() => {}, 1000);`;
    const controller = new AbortController();
    // Without an end at once this would take half an hour.
    const running = check([Deno.execPath(), "eval", "--no-config", mute], {
      transport: "dummy",
      timeout: 600_000,
      signal: controller.signal,
    });
    const first = running.next();
    using _started = await listener.accept();
    controller.abort(new Error("enough"));
    await assertRejects(() => first, Error, "enough");
  },
);

permitted(NEEDS, "check() takes a pattern with any flags", async () => {
  const only = /client\/version-(?:list|offered)/g;
  const all = await results(program(), { only, role: "client" });
  assertEquals(all.map(({ id }) => id), ["version-offered", "version-list"]);
});

permitted(
  NEEDS,
  "check() waits for a start without an end no more often than it has to",
  async () => {
    await withDirectory(async (directory) => {
      const script = `echo >> ${directory}/starts; echo VERSION 1; exec sleep 600`;
      const all = await results(["sh", "-c", script], {
        only: /client\/(?:line-|done-said|relay-bytes|version-offered)/,
        timeout: 1_000,
      });
      const skipped = all.filter(({ outcome }) => outcome === "skipped");
      assertEquals(
        all.filter((result) => !skipped.includes(result)).map(({ id, outcome }) =>
          `${id} ${outcome}`
        ),
        ["version-offered ok", "done-said failed"],
      );
      assertGreaterOrEqual(skipped.length, 4);
      // As either half at first, for its version, for what it says in its life, and by itself.
      assertEquals((await Deno.readTextFile(`${directory}/starts`)).length, 5);
    });
  },
);

permitted(
  NEEDS,
  "check() does not take a program that knows no name for one that has it",
  async () => {
    const says = program("name-unknown-silent");
    const error = await assertRejects(() => results(says, { transport: "nope" }), CannotCheckError);
    assertMatch(
      error.message,
      /^The program has no client of nope, or none that it starts: it says the same of a name that nobody has: it said "VERSION 1", .*; the program has no server of nope/,
    );
    assertEquals(error.spoke, true);
  },
);

permitted(
  NEEDS,
  "check() judges a transport that does not start, of a program that knows its name",
  async () => {
    const script = `[ -z "$TOR_PT_SERVER_TRANSPORTS" ] || { echo ENV-ERROR no server; exit 1; }
    echo VERSION 1
    case $TOR_PT_CLIENT_TRANSPORTS in
      dummy) echo CMETHOD-ERROR dummy there is no key;;
      *) echo CMETHOD-ERROR $TOR_PT_CLIENT_TRANSPORTS there is no such transport;;
    esac
    echo CMETHODS DONE; cat`;
    const all = await results(["sh", "-c", script], {
      role: "client",
      only: /version-offered|method-line/,
      timeout: 3_000,
    });
    assertEquals(all.map(({ id, outcome }) => `${id} ${outcome}`), [
      "version-offered ok",
      "method-line skipped",
    ]);
  },
);

permitted(NEEDS, "check() ends every process when its signal aborts", async () => {
  const mark = crypto.randomUUID();
  const controller = new AbortController();
  const running = check([...program("sigint"), mark], {
    transport: "dummy",
    only: /sigint|stdin/,
    signal: controller.signal,
  });
  await assertRejects(
    async () => {
      for await (const _ of running) controller.abort(new Error("enough"));
    },
    Error,
    "enough",
  );
  if (Deno.build.os === "linux") assertEquals(await processesWith(mark), []);
});

permitted(NEEDS, "check() judges a half that is a program of its own by the peer", async () => {
  const rot13 = new URL("../../examples/rot13.ts", import.meta.url).pathname;
  const both = [Deno.execPath(), "run", "--no-prompt", "--allow-all", rot13];
  const only = (half: string) => {
    const script = `[ -n "$TOR_PT_${half}_TRANSPORTS" ] || { echo ENV-ERROR no such half; exit 1; }
      exec "$@"`;
    return ["sh", "-c", script, "sh", ...both];
  };
  const options = { transport: "rot13", only: /\/relay-bytes$/ };
  for (const [half, other] of [["CLIENT", "SERVER"], ["SERVER", "CLIENT"]] as const) {
    const found = await results(only(half), { ...options, peer: only(other) });
    const judged = found.filter(({ role }) => role === half.toLowerCase());
    assertEquals(judged.map(({ outcome }) => outcome), ["ok"]);
  }
});
