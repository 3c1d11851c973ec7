import { assertEquals, assertThrows } from "@std/assert";
import { client, config, log, reportVersion, server, status } from "../mod.ts";
import {
  absolute,
  CLIENT,
  SERVER,
  setEnvironment,
  type Variables,
  without,
} from "./environment.ts";
import { permitted } from "./permitted.ts";
import { runProgram } from "./program.ts";
import { captureStdout, printedBy } from "./stdout.ts";

const ANY: [host: string, port: number] = ["127.0.0.1", 1];

/** Every report, in a form that could be printed. */
const REPORTS: Record<string, () => void> = {
  reportSuccess: () => server.reportSuccess("rot13", ANY),
  reportFailure: () => server.reportFailure("rot13", "text"),
  reportEnd: () => server.reportEnd(),
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
Deno.test("server reports print where there was no init(), and throw behind reportEnd()", () => {
  const lines = printedBy(() => Object.values(REPORTS).forEach((report) => report()));
  assertEquals(lines, "SMETHOD rot13 127.0.0.1:1\nSMETHOD-ERROR rot13 text\nSMETHODS DONE\n");
  assertRefused(REPORTS, /after server\.reportEnd\(\)/);
});

/** What a row expects; the arguments as pairs, because `URLSearchParams` have no fields. */
interface Expected {
  state_loc?: string;
  orport?: server.ServerInfo["orport"];
  ext_orport?: server.ServerInfo["ext_orport"];
  auth_cookie_file?: string | null;
  transports?: [name: string, address: [string, number]][];
  transport_options?: [name: string, args: [string, string][]][];
}

Deno.test("init() prints VERSION 1 and nothing else", () => {
  const rows: [variables: Variables, expected: Expected][] = [
    [{}, {}],
    [{ MANAGED_TRANSPORT_VER: "2,1" }, {}],
    [{ STATE_LOCATION: absolute("not/there/yet") }, { state_loc: absolute("not/there/yet") }],
    [{ CLIENT_TRANSPORTS: "", PROXY: "" }, {}],
    // A server has no use for a proxy, so it does not look at it.
    [{ PROXY: "nonsense" }, {}],
    [{ SERVER_TRANSPORTS: "obfs4" }, { transports: [] }],
    [{ SERVER_TRANSPORTS: "rot26,obfs4,rot13" }, {
      transports: [["rot26", ["0.0.0.0", 0]], ["rot13", ["127.0.0.1", 4443]]],
    }],
    [{ SERVER_BINDADDR: "" }, { transports: [["rot13", ["0.0.0.0", 0]]] }],
    [{ SERVER_BINDADDR: "rot13-[::]:0" }, { transports: [["rot13", ["::", 0]]] }],
    [{ SERVER_BINDADDR: "obfs4-127.0.0.1:7" }, { transports: [["rot13", ["0.0.0.0", 0]]] }],
    [{ SERVER_TRANSPORT_OPTIONS: "" }, {}],
    [{ SERVER_TRANSPORT_OPTIONS: "rot13:k=a+b;rot26:k=x;obfs4:k=y;rot13:k=c\\;d" }, {
      transport_options: [["rot13", [["k", "a+b"], ["k", "c;d"]]]],
    }],
    [{ ORPORT: "" }, { orport: null }],
    [{ ORPORT: "[::1]:1" }, { orport: ["::1", 1] }],
    [{ EXTENDED_SERVER_PORT: "" }, { ext_orport: null, auth_cookie_file: null }],
    [{ EXTENDED_SERVER_PORT: "", AUTH_COOKIE_FILE: "" }, {
      ext_orport: null,
      auth_cookie_file: null,
    }],
  ];
  for (const [variables, expected] of rows) {
    using _ = setEnvironment({ ...SERVER, ...variables });
    const lines = printedBy(() => {
      const { transports, transport_options, ...rest } = server.init(["rot13", "rot26"]);
      assertEquals({
        ...rest,
        transports: Object.entries(transports),
        transport_options: Object.entries(transport_options).map(([name, args]) => [
          name,
          [...args],
        ]),
      }, {
        state_loc: absolute("pt_state"),
        orport: ["127.0.0.1", 9001],
        ext_orport: ["127.0.0.1", 9002],
        auth_cookie_file: absolute("extended_orport_auth_cookie"),
        transports: [["rot13", ["127.0.0.1", 4443]]],
        transport_options: [],
        ...expected,
      });
    });
    assertEquals(lines, "VERSION 1\n", JSON.stringify(variables));
  }
});

Deno.test("init() gives transports and options in which any name can be looked up", () => {
  using _ = setEnvironment({ ...SERVER, SERVER_TRANSPORT_OPTIONS: "rot13:k=v;toString:k=w" });
  printedBy(() => {
    const info = server.init(["rot13"]);
    for (const name of ["toString", "constructor", "__proto__", "hasOwnProperty"]) {
      assertEquals(name in info.transports, false, name);
      assertEquals(name in info.transport_options, false, name);
    }
    assertEquals("rot13" in info.transports, true);
    assertEquals("rot13" in info.transport_options, true);
  });
});

Deno.test("init() prints the one fitting error line and throws an EnvError", () => {
  const rows: [variables: Variables, line: string][] = [
    [{ MANAGED_TRANSPORT_VER: "2,11" }, "VERSION-ERROR no-version"],
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
      { OUTBOUND_BIND_ADDRESS_V4: "[::1]" },
      "ENV-ERROR TOR_PT_OUTBOUND_BIND_ADDRESS_V4 is malformed: it is not an IPv4 address",
    ],
    [
      { OUTBOUND_BIND_ADDRESS_V6: "127.0.0.1" },
      "ENV-ERROR TOR_PT_OUTBOUND_BIND_ADDRESS_V6 is malformed: it is not an IPv6 address in " +
      "square brackets",
    ],
    [
      { SERVER_TRANSPORTS: "" },
      "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS are both unset: a " +
      "pluggable transport is started by tor",
    ],
    [
      { CLIENT_TRANSPORTS: "rot13" },
      "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS are both set: a process " +
      "is one or the other",
    ],
    [
      { CLIENT_TRANSPORTS: "rot13", SERVER_TRANSPORTS: "" },
      "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS is set: the parent wants a client here",
    ],
    [
      { SERVER_BINDADDR: "rot13" },
      "ENV-ERROR TOR_PT_SERVER_BINDADDR is malformed: an item is not name-ip:port",
    ],
    [
      { SERVER_BINDADDR: "rot13-127.0.0.1:1,rot13-127.0.0.1:2" },
      "ENV-ERROR TOR_PT_SERVER_BINDADDR is malformed: a transport has two addresses",
    ],
    [
      { SERVER_BINDADDR: "rot13-::1:80" },
      "ENV-ERROR TOR_PT_SERVER_BINDADDR is malformed: the host is not a numeric IP address " +
      "(IPv6 goes in brackets)",
    ],
    [
      { SERVER_BINDADDR: "rot13-127.0.0.1:0x50" },
      "ENV-ERROR TOR_PT_SERVER_BINDADDR is malformed: the port is not a number from 0 to 65535",
    ],
    [
      { SERVER_TRANSPORT_OPTIONS: "rot13:k=v;" },
      "ENV-ERROR TOR_PT_SERVER_TRANSPORT_OPTIONS is malformed: an item is empty",
    ],
    [
      { SERVER_TRANSPORT_OPTIONS: "obfs4:k" },
      "ENV-ERROR TOR_PT_SERVER_TRANSPORT_OPTIONS is malformed: an item has no =",
    ],
    [
      { ORPORT: "127.0.0.1:0" },
      "ENV-ERROR TOR_PT_ORPORT is malformed: the port is not a number from 1 to 65535",
    ],
    [
      { EXTENDED_SERVER_PORT: "localhost:1" },
      "ENV-ERROR TOR_PT_EXTENDED_SERVER_PORT is malformed: the host is not a numeric IP address " +
      "(IPv6 goes in brackets)",
    ],
    [
      { ORPORT: "", EXTENDED_SERVER_PORT: "" },
      "ENV-ERROR TOR_PT_ORPORT and TOR_PT_EXTENDED_SERVER_PORT are both unset: there is nowhere " +
      "to send to",
    ],
    [
      { AUTH_COOKIE_FILE: "" },
      "ENV-ERROR TOR_PT_AUTH_COOKIE_FILE is not set: a pluggable transport is started by tor",
    ],
    [
      { AUTH_COOKIE_FILE: "cookie" },
      "ENV-ERROR TOR_PT_AUTH_COOKIE_FILE is malformed: it is not an absolute path",
    ],
    // The version counts first.
    [{ MANAGED_TRANSPORT_VER: "2", ORPORT: "nonsense" }, "VERSION-ERROR no-version"],
  ];
  for (const [variables, line] of rows) {
    using _ = setEnvironment({ ...SERVER, ...variables });
    using stdout = captureStdout();
    const error = assertThrows(() => server.init(["rot13"]), config.EnvError, undefined, line);
    assertEquals(stdout.text(), `${line}\n`);
    if (line.startsWith("ENV-ERROR")) assertEquals(line, `ENV-ERROR ${error.message}`);
    assertRefused(REPORTS, /before server\.init\(\) has succeeded/);
  }
});

Deno.test("init() prints ENV-ERROR for each missing variable", () => {
  for (
    const name of [
      "MANAGED_TRANSPORT_VER",
      "STATE_LOCATION",
      "SERVER_TRANSPORTS",
      "AUTH_COOKIE_FILE",
    ]
  ) {
    using _ = setEnvironment(without(SERVER, name));
    using stdout = captureStdout();
    assertThrows(() => server.init(["rot13"]), config.EnvError, `TOR_PT_${name}`);
    assertEquals(/^ENV-ERROR [ -~]+\n$/.test(stdout.text()), true, stdout.text());
  }
});

Deno.test("init() throws a TypeError for what is no transport name and prints nothing", () => {
  using _ = setEnvironment(SERVER);
  using stdout = captureStdout();
  for (
    const name of ["", "1rot", "rot-13", "rot 13", "rot13\n", "rot13,rot26", "*", "röt", "a:b"]
  ) {
    assertThrows(() => server.init(["rot13", name]), TypeError, undefined, name);
  }
  assertEquals(stdout.text(), "");
});

/** What is printed behind `VERSION 1`. */
function behindInit(fn: (info: server.ServerInfo) => void): string {
  using _ = setEnvironment(SERVER);
  const lines = printedBy(() => fn(server.init(["rot13"])));
  assertEquals(lines.startsWith("VERSION 1\n"), true);
  return lines.slice("VERSION 1\n".length);
}

Deno.test("reportSuccess() prints SMETHOD with the address, and ARGS only when there are some", () => {
  type Args = Iterable<readonly [string, string]>;
  const rows: [address: [string, number], args: Args | undefined, line: string][] = [
    [["127.0.0.1", 4443], undefined, "SMETHOD rot13 127.0.0.1:4443\n"],
    [["::", 65535], undefined, "SMETHOD rot13 [::]:65535\n"],
    [["0.0.0.0", 1], [], "SMETHOD rot13 0.0.0.0:1\n"],
    [["0.0.0.0", 1], new URLSearchParams(), "SMETHOD rot13 0.0.0.0:1\n"],
    [
      ANY,
      [["cert", "a+b/c=="], ["iat-mode", "0"]],
      "SMETHOD rot13 127.0.0.1:1 " +
      "ARGS:cert=a+b/c\\=\\=,iat-mode=0\n",
    ],
    [ANY, [["k", ""]], "SMETHOD rot13 127.0.0.1:1 ARGS:k=\n"],
    [ANY, [["k", "1"], ["k", "a,b\\c"]], "SMETHOD rot13 127.0.0.1:1 ARGS:k=1,k=a\\,b\\\\c\n"],
    [ANY, new Map([["k", "v"]]), "SMETHOD rot13 127.0.0.1:1 ARGS:k=v\n"],
    [ANY, new URLSearchParams([["k", "a+b"]]), "SMETHOD rot13 127.0.0.1:1 ARGS:k=a+b\n"],
  ];
  for (const [address, args, line] of rows) {
    assertEquals(behindInit(() => server.reportSuccess("rot13", address, args)), line);
  }
});

Deno.test("reportSuccess() throws a TypeError for a malformed line and prints nothing", () => {
  const rows: [name: string, address: [string, number], args?: [string, string][]][] = [
    ["", ANY],
    ["1rot", ANY],
    ["rot 13", ANY],
    ["rot13\nSMETHODS DONE", ANY],
    ["rot13", ["127.0.0.1", 0]],
    ["rot13", ["127.0.0.1", 65536]],
    ["rot13", ["127.0.0.1", NaN]],
    ["rot13", ["localhost", 1]],
    ["rot13", ["[::]", 1]],
    ["rot13", ANY, [["", "v"]]],
    ["rot13", ANY, [["k", "a b"]]],
    ["rot13", ANY, [["k", "a\nb"]]],
    ["rot13", ANY, [["k", "\0"]]],
    ["rot13", ANY, [["a b", "v"]]],
    ["rot13", ANY, [["k", "é"]]],
  ];
  const lines = behindInit(() => {
    for (const row of rows) {
      assertThrows(() => server.reportSuccess(...row), TypeError, undefined, JSON.stringify(row));
    }
  });
  assertEquals(lines, "");
});

Deno.test("reportFailure() prints SMETHOD-ERROR whose text cannot break out of its line", () => {
  const rows: [message: string, line: string][] = [
    ["could not bind", "SMETHOD-ERROR rot13 could not bind\n"],
    ["a\r\nSMETHODS DONE", "SMETHOD-ERROR rot13 a??SMETHODS DONE\n"],
    ["\0\t\x7fé日😀", "SMETHOD-ERROR rot13 ??????\n"],
  ];
  for (const [message, line] of rows) {
    assertEquals(behindInit(() => server.reportFailure("rot13", message)), line);
  }
});

Deno.test("reportFailure() throws a TypeError for what is no transport name", () => {
  const lines = behindInit(() => {
    for (const name of ["", "rot 13", "rot13\n", "-"]) {
      assertThrows(() => server.reportFailure(name, "text"), TypeError, undefined, name);
    }
  });
  assertEquals(lines, "");
});

Deno.test("reportEnd() prints SMETHODS DONE, also when there was nothing to report", () => {
  assertEquals(behindInit(() => server.reportEnd()), "SMETHODS DONE\n");
});

Deno.test("server reports throw after reportEnd() and print nothing", () => {
  behindInit(() => {
    server.reportEnd();
    assertRefused(REPORTS, /after server\.reportEnd\(\)/);
  });
});

Deno.test("reportVersion() throws after reportEnd(); log() and status() come at any time", () => {
  const lines = behindInit(() => {
    reportVersion("rot0r", "1.2.3");
    server.reportEnd();
    assertRefused({ reportVersion: () => reportVersion("rot0r", "1.2.3") }, /before reportEnd/);
    log("notice", "text");
    status("rot13", [["k", "v"]]);
  });
  assertEquals(
    lines,
    'STATUS TYPE=version IMPLEMENTATION="rot0r" VERSION="1.2.3"\nSMETHODS DONE\n' +
      'LOG SEVERITY=notice MESSAGE="text"\nSTATUS TRANSPORT=rot13 k="v"\n',
  );
});

Deno.test("client reports throw in a server and print nothing", () => {
  behindInit(() =>
    assertRefused({
      reportSuccess: () => client.reportSuccess("rot13", 5, ANY),
      reportFailure: () => client.reportFailure("rot13", "text"),
      reportEnd: () => client.reportEnd(),
      reportProxySuccess: () => client.reportProxySuccess(),
      reportProxyError: () => client.reportProxyError("text"),
    }, /before client\.init\(\) has succeeded/)
  );
});

Deno.test("lines are whole when stdout takes a byte at a time", () => {
  using _ = setEnvironment(SERVER);
  using stdout = captureStdout(1);
  server.init(["rot13"]);
  server.reportSuccess("rot13", ["::1", 65535], [["k", "v"]]);
  server.reportFailure("rot26", "could not bind");
  server.reportEnd();
  assertEquals(
    stdout.text(),
    "VERSION 1\nSMETHOD rot13 [::1]:65535 ARGS:k=v\nSMETHOD-ERROR rot26 could not bind\n" +
      "SMETHODS DONE\n",
  );
});

const PROGRAM = `
  const { transports, transport_options, ...ports } = server.init(["rot13"]);
  console.error(JSON.stringify({ transports, ...ports }));
  server.reportEnd();
`;

permitted(["run"], "init() needs no more than --allow-env=TOR_PT_*", async () => {
  const { code, stdout, stderr } = await runProgram(PROGRAM, {
    variables: SERVER,
    flags: ["--allow-env=TOR_PT_*"],
  });
  assertEquals(stdout, "VERSION 1\nSMETHODS DONE\n");
  assertEquals(JSON.parse(stderr), {
    transports: { rot13: ["127.0.0.1", 4443] },
    state_loc: absolute("pt_state"),
    orport: ["127.0.0.1", 9001],
    ext_orport: ["127.0.0.1", 9002],
    auth_cookie_file: absolute("extended_orport_auth_cookie"),
  });
  assertEquals(code, 0);
});

permitted(["run"], "an error that nobody catches ends the process with status 1", async () => {
  const { code, stdout } = await runProgram(PROGRAM, {
    variables: CLIENT,
    flags: ["--allow-env=TOR_PT_*"],
  });
  assertEquals(
    stdout,
    "ENV-ERROR TOR_PT_CLIENT_TRANSPORTS is set: the parent wants a client here\n",
  );
  assertEquals(code, 1);
});
