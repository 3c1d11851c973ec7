import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Variables, without } from "../environment.ts";
import { permitted } from "../permitted.ts";
import { RawChild, runToEnd } from "../raw_child.ts";
import { CLIENT, dummy, SERVER } from "./dummies.ts";

/** How many programs run at once. */
const WIDTH = 4;

/** Does something with each row, a few at a time. */
async function forEach<T>(rows: readonly T[], use: (row: T) => Promise<void>): Promise<void> {
  const left = rows.values();
  const worker = async () => {
    for (const row of left) await use(row);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}

type Row = [what: string, variables: Variables, line: RegExp];

/** Every row must make the program end with an error line, and nothing else on stdout. */
async function checkRefusals(half: "client" | "server", rows: readonly Row[]): Promise<void> {
  await forEach(rows, async ([what, variables, line]) => {
    const { code, stdout, stderr } = await runToEnd(dummy(half), variables);
    assertNotEquals(code, 0, what);
    assertMatch(stdout, line, what);
    assertEquals(stdout.match(/METHOD|DONE/), null, what);
    assertNotEquals(stderr, "", what);
  });
}

function envError(name: string): RegExp {
  return RegExp(`^ENV-ERROR [ -~]*${name}[ -~]*\\n$`);
}

const NO_VERSION = /^VERSION-ERROR no-version\n$/;

/** What is wrong for both halves alike. */
function common(good: Variables): Row[] {
  const version = (value: string, line: RegExp): Row => [
    `version ${value}`,
    { ...good, MANAGED_TRANSPORT_VER: value },
    line,
  ];
  const wrong = (name: string, value: string): Row => [
    `${name}=${value}`,
    { ...good, [name]: value },
    envError(`TOR_PT_${name}`),
  ];
  return [
    ["no version", without(good, "MANAGED_TRANSPORT_VER"), envError("MANAGED_TRANSPORT_VER")],
    version("", envError("MANAGED_TRANSPORT_VER")),
    ...["2", "11", "1.0", "2,3", "01"].map((value) => version(value, NO_VERSION)),
    ["no state", without(good, "STATE_LOCATION"), envError("STATE_LOCATION")],
    wrong("STATE_LOCATION", ""),
    wrong("STATE_LOCATION", "pt_state"),
    ...["[::1]", "localhost", "127.0.0.1:0", "0x7f.0.0.1", "127.1", "127.0.0.01"].map((value) =>
      wrong("OUTBOUND_BIND_ADDRESS_V4", value)
    ),
    ...["::1", "[127.0.0.1]", "[::1%lo]", "[::1]:0"].map((value) =>
      wrong("OUTBOUND_BIND_ADDRESS_V6", value)
    ),
    ["both", { ...CLIENT, ...SERVER }, envError("TOR_PT_SERVER_TRANSPORTS")],
    [
      "neither",
      without(good, "CLIENT_TRANSPORTS", "SERVER_TRANSPORTS"),
      envError("TOR_PT_SERVER_TRANSPORTS"),
    ],
  ];
}

permitted(
  ["read", "run"],
  "dummy_client.ts ends with an error and no method when its environment is unusable",
  async () => await checkRefusals("client", common(CLIENT)),
);

const SERVER_ROWS: readonly [name: string, values: string[]][] = [
  ["SERVER_BINDADDR", [
    "dummy",
    "-127.0.0.1:1",
    "dummy-127.0.0.1",
    "dummy-localhost:0",
    "dummy-127.0.0.1:65536",
    "dummy-127.0.0.1:01",
    "dummy-127.0.0.1:+1",
    "dummy-::1:80",
    "dummy-127.0.0.1:0,",
    "dummy-127.0.0.1:0,dummy-127.0.0.1:0",
  ]],
  ["SERVER_TRANSPORT_OPTIONS", [
    "dummy",
    "dummy:k",
    "dummy:=v",
    "dummy:k=v;",
    "dummy:k=v;;dummy:k=w",
    "dummy:k=v\\",
  ]],
  ["ORPORT", [
    "127.0.0.1",
    "127.0.0.1:0",
    "localhost:9001",
    "::1:9001",
    "[127.0.0.1]:9001",
    " 127.0.0.1:9001",
    "127.0.0.1:1e2",
  ]],
];

permitted(
  ["read", "run"],
  "dummy_server.ts ends with an error and no method when its environment is unusable",
  async () => {
    const extended = {
      ...SERVER,
      EXTENDED_SERVER_PORT: "127.0.0.1:2",
      AUTH_COOKIE_FILE: "/nowhere/cookie",
    };
    await checkRefusals("server", [
      ...common(SERVER),
      ...SERVER_ROWS.flatMap(([name, values]) =>
        values.map((value): Row => [
          `${name}=${value}`,
          { ...SERVER, [name]: value },
          envError(`TOR_PT_${name}`),
        ])
      ),
      ["no port", without(SERVER, "ORPORT"), envError("TOR_PT_ORPORT")],
      ["no cookie", without(extended, "AUTH_COOKIE_FILE"), envError("TOR_PT_AUTH_COOKIE_FILE")],
      [
        "relative cookie",
        { ...extended, AUTH_COOKIE_FILE: "cookie" },
        envError("TOR_PT_AUTH_COOKIE_FILE"),
      ],
      [
        "extended port by name",
        { ...extended, EXTENDED_SERVER_PORT: "localhost:2" },
        envError("TOR_PT_EXTENDED_SERVER_PORT"),
      ],
    ]);
  },
);

/** What a program says up to its DONE line. */
async function announced(half: "client" | "server", variables: Variables): Promise<string> {
  await using child = new RawChild(dummy(half), variables);
  return await child.until(half === "client" ? "CMETHODS DONE" : "SMETHODS DONE");
}

const CMETHOD = /^VERSION 1\nCMETHOD dummy socks5 127\.0\.0\.1:[1-9]\d*\nCMETHODS DONE\n$/;
const NO_CMETHOD = /^VERSION 1\nCMETHODS DONE\n$/;
const SMETHOD = /^VERSION 1\nSMETHOD dummy 127\.0\.0\.1:[1-9]\d*\nSMETHODS DONE\n$/;
const NO_SMETHOD = /^VERSION 1\nSMETHODS DONE\n$/;

permitted(
  ["read", "run"],
  "dummy_client.ts takes what tor and other parents send, and says nothing of unknown names",
  async () => {
    const empty = {
      PROXY: "",
      EXIT_ON_STDIN_CLOSE: "",
      OUTBOUND_BIND_ADDRESS_V4: "",
      OUTBOUND_BIND_ADDRESS_V6: "",
      SERVER_TRANSPORTS: "",
    };
    const rows: [Variables, RegExp][] = [
      [CLIENT, CMETHOD],
      [{ ...CLIENT, ...empty }, CMETHOD],
      [{ ...CLIENT, MANAGED_TRANSPORT_VER: "3,1,2" }, CMETHOD],
      [{ ...CLIENT, CLIENT_TRANSPORTS: "obfs4,dummy,dummy,rot-13" }, CMETHOD],
      [{ ...CLIENT, CLIENT_TRANSPORTS: "*" }, CMETHOD],
      [{ ...CLIENT, CLIENT_TRANSPORTS: "obfs4,constructor" }, NO_CMETHOD],
      [{ ...CLIENT, OUTBOUND_BIND_ADDRESS_V4: "192.0.2.7" }, CMETHOD],
      [{ ...CLIENT, OUTBOUND_BIND_ADDRESS_V6: "[2001:db8::7]" }, CMETHOD],
    ];
    await forEach(rows, async ([variables, said]) => {
      assertMatch(await announced("client", variables), said, JSON.stringify(variables));
    });
  },
);

permitted(
  ["read", "run"],
  "dummy_server.ts takes what tor and other parents send, and says nothing of unknown names",
  async () => {
    const empty = {
      CLIENT_TRANSPORTS: "",
      EXIT_ON_STDIN_CLOSE: "",
      EXTENDED_SERVER_PORT: "",
      OUTBOUND_BIND_ADDRESS_V4: "",
      OUTBOUND_BIND_ADDRESS_V6: "",
      SERVER_TRANSPORT_OPTIONS: "",
    };
    const options = "dummy:k=a\\;b\\:c\\=d\\\\;dummy:k=e=f;other:x=";
    const rows: [Variables, RegExp][] = [
      [SERVER, SMETHOD],
      [{ ...SERVER, ...empty, AUTH_COOKIE_FILE: "/nowhere/cookie" }, SMETHOD],
      [{ ...SERVER, SERVER_TRANSPORTS: "obfs4,dummy,dummy" }, SMETHOD],
      [{ ...SERVER, SERVER_TRANSPORTS: "obfs4,toString" }, NO_SMETHOD],
      [{ ...SERVER, SERVER_BINDADDR: "x-127.0.0.1:1,dummy-127.0.0.1:0" }, SMETHOD],
      [{ ...SERVER, SERVER_TRANSPORT_OPTIONS: options }, SMETHOD],
      [
        { ...SERVER, SERVER_BINDADDR: "dummy-[::1]:0" },
        /^VERSION 1\nSMETHOD dummy \[::1\]:[1-9]\d*\nSMETHODS DONE\n$/,
      ],
    ];
    await forEach(rows, async ([variables, said]) => {
      assertMatch(await announced("server", variables), said, JSON.stringify(variables));
    });
  },
);

permitted(
  ["net", "read", "run"],
  "dummy_server.ts reports a port that is taken, and stays",
  async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const SERVER_BINDADDR = `dummy-127.0.0.1:${taken.addr.port}`;
    await using child = new RawChild(dummy("server"), { ...SERVER, SERVER_BINDADDR });
    const said = await child.until("SMETHODS DONE");
    assertMatch(said, /^VERSION 1\nSMETHOD-ERROR dummy [ -~]*in use[ -~]*\nSMETHODS DONE\n$/);
    // Our own address is what its operator needs to see.
    assert(said.includes(`127.0.0.1:${taken.addr.port} is in use`));
    await child.closeStdin();
    assertEquals(await child.status(), { code: 0, signal: null });
  },
);
