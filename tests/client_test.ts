import { assertEquals, assertThrows } from "@std/assert";
import { client, config, reportVersion, server } from "../mod.ts";
import { absolute, CLIENT, setEnvironment, type Variables, without } from "./environment.ts";
import { captureStdout, printedBy } from "./stdout.ts";
import { permitted } from "./permitted.ts";
import { runProgram } from "./program.ts";

const ANY: [host: string, port: number] = ["127.0.0.1", 1];

/** Every report, in a form that could be printed. */
const REPORTS: Record<string, () => void> = {
  reportSuccess: () => client.reportSuccess("rot13", 5, ANY),
  reportFailure: () => client.reportFailure("rot13", "text"),
  reportEnd: () => client.reportEnd(),
  reportProxySuccess: () => client.reportProxySuccess(),
  reportProxyError: () => client.reportProxyError("text"),
};

/** Asserts that each of the reports throws and that nothing is printed. */
function assertRefused(reports: Record<string, () => void>, message: RegExp): void {
  using stdout = captureStdout();
  for (const [name, report] of Object.entries(reports)) {
    const error = assertThrows(report, Error, undefined, name);
    assertEquals(message.test(error.message), true, `${name}: ${error.message}`);
  }
  assertEquals(stdout.text(), "");
}

// The first test of this file, because afterwards there has been an init().
Deno.test("client reports print where there was no init(), and throw behind reportEnd()", () => {
  const { reportEnd, ...others } = REPORTS;
  const lines = printedBy(() => {
    for (const report of [...Object.values(others), ...Object.values(others)]) report();
    reportEnd!();
  });
  const round = "CMETHOD rot13 socks5 127.0.0.1:1\nCMETHOD-ERROR rot13 text\n" +
    "PROXY DONE\nPROXY-ERROR text\n";
  assertEquals(lines, `${round}${round}CMETHODS DONE\n`);
  assertRefused(REPORTS, /after client\.reportEnd\(\)/);
});

Deno.test("client reports check the grammar where there was no init()", () => {
  assertEquals(
    printedBy(() => {
      assertThrows(() => client.reportSuccess("rot-13", 5, ANY), TypeError);
      assertThrows(() => client.reportSuccess("rot13", 5, ["localhost", 1]), TypeError);
      assertThrows(() => client.reportFailure("", "text"), TypeError);
    }),
    "",
  );
});

permitted(["run"], "a Worker reports its method while the main thread did init()", async () => {
  const worker = `
    import { reportSuccess } from ${JSON.stringify(new URL("../client.ts", import.meta.url).href)};
    reportSuccess("rot13", 5, ["127.0.0.1", 4242]);
    self.postMessage("reported");`;
  const { code, stdout, stderr } = await runProgram(
    `
    client.init(["rot13"]);
    const worker = new Worker(${
      JSON.stringify(`data:text/javascript,${encodeURIComponent(worker)}`)
    },
      { type: "module" });
    await new Promise((resolve, reject) => { worker.onmessage = resolve; worker.onerror = reject; });
    worker.terminate();
    client.reportEnd();`,
    { variables: CLIENT, flags: ["--allow-env=TOR_PT_*", "--allow-import", "--allow-read"] },
  );
  assertEquals(stderr, "");
  assertEquals(stdout, "VERSION 1\nCMETHOD rot13 socks5 127.0.0.1:4242\nCMETHODS DONE\n");
  assertEquals(code, 0);
});

Deno.test("init() prints VERSION 1 and nothing else", () => {
  const rows: [variables: Variables, info: Partial<client.ClientInfo>][] = [
    [{}, {}],
    [{ MANAGED_TRANSPORT_VER: "3,2,1" }, {}],
    [{ STATE_LOCATION: absolute("not/there/yet") }, { state_loc: absolute("not/there/yet") }],
    [{ EXIT_ON_STDIN_CLOSE: "" }, {}],
    [{ OUTBOUND_BIND_ADDRESS_V4: "203.0.113.4", OUTBOUND_BIND_ADDRESS_V6: "[::1]" }, {}],
    [{ CLIENT_TRANSPORTS: "obfs4,rot26,rot13" }, { transports: ["rot26", "rot13"] }],
    [{ CLIENT_TRANSPORTS: "*" }, { transports: ["rot13", "rot26"] }],
    [{ CLIENT_TRANSPORTS: "obfs4" }, { transports: [] }],
    [{ SERVER_TRANSPORTS: "", ORPORT: "", EXTENDED_SERVER_PORT: "", PROXY: "" }, {}],
    [{ PROXY: "http://127.0.0.1:80" }, {
      proxy: { scheme: "http", host: "127.0.0.1", port: 80 },
    }],
    [{ PROXY: "socks5://me:p@ss@[::1]:1080" }, {
      proxy: { scheme: "socks5", host: "::1", port: 1080, user: "me", password: "p@ss" },
    }],
  ];
  for (const [variables, info] of rows) {
    using _ = setEnvironment({ ...CLIENT, ...variables });
    const lines = printedBy(() => {
      assertEquals(client.init(["rot13", "rot26"]), {
        state_loc: absolute("pt_state"),
        transports: ["rot13"],
        proxy: null,
        ...info,
      });
    });
    assertEquals(lines, "VERSION 1\n", JSON.stringify(variables));
  }
});

Deno.test("init() prints the one fitting error line and throws an EnvError", () => {
  const rows: [variables: Variables, line: string][] = [
    [{ MANAGED_TRANSPORT_VER: "2" }, "VERSION-ERROR no-version"],
    [{ MANAGED_TRANSPORT_VER: "11" }, "VERSION-ERROR no-version"],
    [
      { MANAGED_TRANSPORT_VER: "" },
      "ENV-ERROR TOR_PT_MANAGED_TRANSPORT_VER is not set: a pluggable transport is started by tor",
    ],
    [
      { STATE_LOCATION: "" },
      "ENV-ERROR TOR_PT_STATE_LOCATION is not set: a pluggable transport is started by tor",
    ],
    [
      { STATE_LOCATION: "pt_state" },
      "ENV-ERROR TOR_PT_STATE_LOCATION is malformed: it is not an absolute path",
    ],
    [
      { OUTBOUND_BIND_ADDRESS_V4: "localhost" },
      "ENV-ERROR TOR_PT_OUTBOUND_BIND_ADDRESS_V4 is malformed: it is not an IPv4 address",
    ],
    [
      { OUTBOUND_BIND_ADDRESS_V6: "::1" },
      "ENV-ERROR TOR_PT_OUTBOUND_BIND_ADDRESS_V6 is malformed: it is not an IPv6 address in " +
      "square brackets",
    ],
    [
      { CLIENT_TRANSPORTS: "" },
      "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS are both unset: a " +
      "pluggable transport is started by tor",
    ],
    [
      { SERVER_TRANSPORTS: "rot13" },
      "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS are both set: a process " +
      "is one or the other",
    ],
    [
      { CLIENT_TRANSPORTS: "", SERVER_TRANSPORTS: "rot13" },
      "ENV-ERROR TOR_PT_SERVER_TRANSPORTS is set: the parent wants a server here",
    ],
    // The version counts first, the proxy last.
    [{ MANAGED_TRANSPORT_VER: "2", STATE_LOCATION: "", PROXY: "x" }, "VERSION-ERROR no-version"],
    [
      { STATE_LOCATION: "", PROXY: "x" },
      "ENV-ERROR TOR_PT_STATE_LOCATION is not set: a pluggable transport is started by tor",
    ],
  ];
  for (const [variables, line] of rows) {
    using _ = setEnvironment({ ...CLIENT, ...variables });
    using stdout = captureStdout();
    const error = assertThrows(() => client.init(["rot13"]), config.EnvError, undefined, line);
    assertEquals(stdout.text(), `${line}\n`);
    assertEquals(error instanceof config.ProxyError, false);
    if (line.startsWith("ENV-ERROR")) assertEquals(line, `ENV-ERROR ${error.message}`);
  }
});

Deno.test("init() prints ENV-ERROR for a missing variable, not for an empty one alone", () => {
  for (const name of ["MANAGED_TRANSPORT_VER", "STATE_LOCATION", "CLIENT_TRANSPORTS"]) {
    using _ = setEnvironment(without(CLIENT, name));
    using stdout = captureStdout();
    assertThrows(() => client.init(["rot13"]), config.EnvError, `TOR_PT_${name}`);
    assertEquals(/^ENV-ERROR [ -~]+\n$/.test(stdout.text()), true, stdout.text());
  }
});

Deno.test("init() prints VERSION 1 and PROXY-ERROR for a bad proxy and throws a ProxyError", () => {
  const rows: [uri: string, fault: string][] = [
    ["ftp://127.0.0.1:21", "the scheme is not http, socks4a or socks5"],
    ["http://localhost:80", "the host is not a numeric IP address (IPv6 goes in brackets)"],
    ["http://127.0.0.1", "there is no port"],
    ["http://127.0.0.1:0", "the port is not a number from 1 to 65535"],
    ["http://127.0.0.1:80/", "the port is not a number from 0 to 65535"],
    ["http://@127.0.0.1:80", "the user's name is empty"],
    ["http://a%3Ab:c@127.0.0.1:80", "HTTP knows no colon in a user's name"],
    ["socks4a://me:secret@127.0.0.1:1080", "socks4a knows no password"],
    ["socks4a://a%00b@127.0.0.1:1080", "socks4a knows no NUL in a user id"],
    ["socks5://me@127.0.0.1:1080", "socks5 wants a user and a password of 1 to 255 bytes each"],
  ];
  for (const [uri, fault] of rows) {
    using _ = setEnvironment({ ...CLIENT, PROXY: uri });
    using stdout = captureStdout();
    assertThrows(() => client.init(["rot13"]), config.ProxyError, fault);
    assertEquals(
      stdout.text(),
      `VERSION 1\nPROXY-ERROR TOR_PT_PROXY is malformed: ${fault}\n`,
    );
  }
});

Deno.test("client reports throw after init() has failed", () => {
  for (
    const variables of [{ MANAGED_TRANSPORT_VER: "2" }, { PROXY: "x" }, { STATE_LOCATION: "" }]
  ) {
    using _ = setEnvironment({ ...CLIENT, ...variables });
    using __ = captureStdout();
    assertThrows(() => client.init(["rot13"]), config.EnvError);
    assertRefused(REPORTS, /before client\.init\(\) has succeeded/);
  }
});

Deno.test("init() throws a TypeError for what is no transport name and prints nothing", () => {
  using _ = setEnvironment(CLIENT);
  using stdout = captureStdout();
  for (
    const name of ["", "1rot", "rot-13", "rot 13", "rot13\n", "rot13,rot26", "*", "röt", "a:b"]
  ) {
    assertThrows(() => client.init(["rot13", name]), TypeError, undefined, name);
  }
  assertEquals(stdout.text(), "");
});

Deno.test({
  name: "init() prints ENV-ERROR with the flag when one variable was not granted",
  permissions: { env: ["TOR_PT_MANAGED_TRANSPORT_VER"] },
  fn() {
    Deno.env.set("TOR_PT_MANAGED_TRANSPORT_VER", "1");
    using stdout = captureStdout();
    assertThrows(() => client.init(["rot13"]), config.EnvError, "--allow-env=TOR_PT_*");
    assertEquals(
      /^ENV-ERROR TOR_PT_\w+ may not be read: run deno with --allow-env=TOR_PT_\*\n$/
        .test(stdout.text()),
      true,
      stdout.text(),
    );
    Deno.env.delete("TOR_PT_MANAGED_TRANSPORT_VER");
  },
});

/** What is printed behind `VERSION 1`. */
function behindInit(fn: (info: client.ClientInfo) => void, variables: Variables = {}): string {
  using _ = setEnvironment({ ...CLIENT, ...variables });
  const lines = printedBy(() => fn(client.init(["rot13"])));
  assertEquals(lines.startsWith("VERSION 1\n"), true);
  return lines.slice("VERSION 1\n".length);
}

Deno.test("reportSuccess() prints CMETHOD with the SOCKS version and the address", () => {
  const rows: [name: string, version: 4 | 5, address: [string, number], line: string][] = [
    ["rot13", 5, ["127.0.0.1", 32784], "CMETHOD rot13 socks5 127.0.0.1:32784\n"],
    ["rot13", 4, ["127.0.0.1", 65535], "CMETHOD rot13 socks4 127.0.0.1:65535\n"],
    ["_Rot_13", 5, ["::1", 1], "CMETHOD _Rot_13 socks5 [::1]:1\n"],
  ];
  for (const [name, version, address, line] of rows) {
    assertEquals(behindInit(() => client.reportSuccess(name, version, address)), line);
  }
});

Deno.test("reportSuccess() throws a TypeError for a malformed line and prints nothing", () => {
  const rows: [name: string, version: number, address: [string, number]][] = [
    ["", 5, ANY],
    ["1rot", 5, ANY],
    ["rot-13", 5, ANY],
    ["rot 13", 5, ANY],
    ["rot13\nCMETHODS DONE", 5, ANY],
    ["rot13", 6, ANY],
    ["rot13", 0, ANY],
    ["rot13", 5, ["127.0.0.1", 0]],
    ["rot13", 5, ["127.0.0.1", 65536]],
    ["rot13", 5, ["127.0.0.1", -1]],
    ["rot13", 5, ["127.0.0.1", 1.5]],
    ["rot13", 5, ["localhost", 1]],
    ["rot13", 5, ["[::1]", 1]],
    ["rot13", 5, ["", 1]],
    ["rot13", 5, ["127.0.0.1:1\n", 1]],
  ];
  const lines = behindInit(() => {
    for (const [name, version, address] of rows) {
      const report = () => client.reportSuccess(name, version as 5, address);
      assertThrows(report, TypeError, undefined, JSON.stringify([name, version, address]));
    }
  });
  assertEquals(lines, "");
});

Deno.test("reportFailure() prints CMETHOD-ERROR whose text cannot break out of its line", () => {
  const rows: [message: string, line: string][] = [
    ["could not bind", "CMETHOD-ERROR rot13 could not bind\n"],
    ["a\nCMETHODS DONE", "CMETHOD-ERROR rot13 a?CMETHODS DONE\n"],
    ["\0\r\t\x7fé日😀", "CMETHOD-ERROR rot13 ???????\n"],
    ['"quoted" ~', 'CMETHOD-ERROR rot13 "quoted" ~\n'],
  ];
  for (const [message, line] of rows) {
    assertEquals(behindInit(() => client.reportFailure("rot13", message)), line);
  }
});

Deno.test("reportFailure() throws a TypeError for what is no transport name", () => {
  const lines = behindInit(() => {
    for (const name of ["", "rot 13", "rot13\n", "-"]) {
      assertThrows(() => client.reportFailure(name, "text"), TypeError, undefined, name);
    }
  });
  assertEquals(lines, "");
});

Deno.test("reportEnd() prints CMETHODS DONE, also when there was nothing to report", () => {
  assertEquals(behindInit(() => client.reportEnd()), "CMETHODS DONE\n");
});

Deno.test("client reports throw after reportEnd() and print nothing", () => {
  behindInit(() => {
    client.reportEnd();
    assertRefused(REPORTS, /after client\.reportEnd\(\)/);
  }, { PROXY: "http://127.0.0.1:80" });
});

Deno.test("server reports throw in a client and print nothing", () => {
  behindInit(() =>
    assertRefused({
      reportSuccess: () => server.reportSuccess("rot13", ANY),
      reportFailure: () => server.reportFailure("rot13", "text"),
      reportEnd: () => server.reportEnd(),
    }, /before server\.init\(\) has succeeded/)
  );
});

const PROXY = { PROXY: "socks5://127.0.0.1:1080" };

Deno.test("init() never says PROXY DONE on its own", () => {
  const lines = behindInit(() => {
    client.reportSuccess("rot13", 5, ANY);
    client.reportEnd();
  }, PROXY);
  assertEquals(lines, "CMETHOD rot13 socks5 127.0.0.1:1\nCMETHODS DONE\n");
});

Deno.test("reportProxySuccess() prints PROXY DONE before the methods", () => {
  const lines = behindInit(() => {
    client.reportProxySuccess();
    client.reportSuccess("rot13", 5, ANY);
    client.reportEnd();
  }, PROXY);
  assertEquals(lines, "PROXY DONE\nCMETHOD rot13 socks5 127.0.0.1:1\nCMETHODS DONE\n");
});

Deno.test("reportProxyError() prints PROXY-ERROR whose text cannot break out of its line", () => {
  assertEquals(
    behindInit(() => client.reportProxyError("no é\nPROXY DONE"), PROXY),
    "PROXY-ERROR no ??PROXY DONE\n",
  );
});

const ANSWERS = {
  reportProxySuccess: () => client.reportProxySuccess(),
  reportProxyError: () => client.reportProxyError("text"),
};

Deno.test("a proxy is answered for once", () => {
  behindInit(() => {
    client.reportProxySuccess();
    assertRefused(ANSWERS, /it has been answered for/);
  }, PROXY);
});

Deno.test("a proxy is not answered for when there is none", () => {
  behindInit(() => assertRefused(ANSWERS, /There is no upstream proxy/));
});

Deno.test("a proxy is answered for before the first method is reported", () => {
  for (const report of [REPORTS["reportSuccess"], REPORTS["reportFailure"]]) {
    behindInit(() => {
      report?.();
      assertRefused(ANSWERS, /before the first method/);
    }, PROXY);
  }
});

Deno.test("nothing is reported after reportProxyError()", () => {
  behindInit(() => {
    client.reportProxyError("text");
    assertRefused(REPORTS, /after client\.reportProxyError\(\)/);
    assertRefused({ reportVersion: () => reportVersion("rot0r", "1") }, /before reportProxyError/);
  }, PROXY);
});

Deno.test("a TypeError leaves the order of reports as it was", () => {
  const lines = behindInit(() => {
    assertThrows(() => client.reportSuccess("rot13", 5, ["127.0.0.1", 0]), TypeError);
    client.reportProxySuccess();
  }, PROXY);
  assertEquals(lines, "PROXY DONE\n");
});

Deno.test("lines are whole when stdout takes a byte at a time", () => {
  using _ = setEnvironment({ ...CLIENT, ...PROXY });
  using stdout = captureStdout(1);
  client.init(["rot13"]);
  client.reportProxySuccess();
  client.reportSuccess("rot13", 5, ["::1", 65535]);
  client.reportFailure("rot26", "could not bind");
  client.reportEnd();
  assertEquals(
    stdout.text(),
    "VERSION 1\nPROXY DONE\nCMETHOD rot13 socks5 [::1]:65535\n" +
      "CMETHOD-ERROR rot26 could not bind\nCMETHODS DONE\n",
  );
});

const PROGRAM = `
  console.error(JSON.stringify(client.init(["rot13"])));
  client.reportEnd();
`;

permitted(["run"], "init() needs no more than --allow-env=TOR_PT_*", async () => {
  const { code, stdout, stderr } = await runProgram(PROGRAM, {
    variables: CLIENT,
    flags: ["--allow-env=TOR_PT_*"],
  });
  assertEquals(stdout, "VERSION 1\nCMETHODS DONE\n");
  assertEquals(JSON.parse(stderr), {
    state_loc: absolute("pt_state"),
    transports: ["rot13"],
    proxy: null,
  });
  assertEquals(code, 0);
});

permitted(["run"], "init() names the flag when a process was granted nothing", async () => {
  const { code, stdout } = await runProgram(PROGRAM, { variables: CLIENT, flags: [] });
  assertEquals(
    stdout,
    "ENV-ERROR TOR_PT_MANAGED_TRANSPORT_VER may not be read: run deno with --allow-env=TOR_PT_*\n",
  );
  assertEquals(code, 1);
});

permitted(["run"], "init() misses every variable in turn when it was not granted", async () => {
  const named = "TOR_PT_MANAGED_TRANSPORT_VER,TOR_PT_OUTBOUND_BIND_ADDRESS_V4," +
    "TOR_PT_OUTBOUND_BIND_ADDRESS_V6,TOR_PT_EXIT_ON_STDIN_CLOSE,TOR_PT_CLIENT_TRANSPORTS," +
    "TOR_PT_SERVER_TRANSPORTS,TOR_PT_STATE_LOCATION,TOR_PT_PROXY";
  for (const name of named.split(",")) {
    const rest = named.split(",").filter((other) => other !== name).join(",");
    const { code, stdout } = await runProgram(PROGRAM, {
      variables: { ...CLIENT, PROXY: "http://127.0.0.1:80" },
      flags: [`--allow-env=${rest}`],
    });
    assertEquals(
      [code, stdout],
      [1, `ENV-ERROR ${name} may not be read: run deno with --allow-env=TOR_PT_*\n`],
    );
  }
});
