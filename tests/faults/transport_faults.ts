/** Transports that do one thing wrong, beside one that is sound. */

import type { StreamConn } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { connectResettable, type ResettableConn } from "../../testing/mod.ts";
import { take } from "../net/scripted_peer.ts";
import { connectRequest, NO_AUTH } from "../net/socks_bytes.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { carries, clientScene, counted, type Scene, seeEnd, seeLog, serverScene } from "./scene.ts";
import { within } from "../waiting.ts";

type Half = "client" | "server";

const HALVES: readonly Half[] = ["client", "server"];

/** What a transport's fault comes to. */
interface Expectation {
  readonly what: string;
  /** The name in `faulty_transports.ts`. */
  readonly name: string;
  /** The reply of a client; null where a connection is granted, and ends. */
  readonly reply: number | null;
  /** How many lines each half says. */
  readonly lines: Readonly<Record<Half, number>>;
  /** Whether the user has to go before the connection ends. */
  readonly userGoes?: boolean;
  /** Where nobody looks at the user any more, so that the connection stays until its far end goes. */
  readonly stays?: readonly Half[];
  readonly waits?: number;
}

const ONE_LINE = { client: 1, server: 1 } as const;
const TWO_LINES = { client: 2, server: 2 } as const;

/** One whose connection comes to nothing. */
function refused(what: string, name: string, reply = 1): Expectation {
  return { what, name, reply, lines: ONE_LINE };
}

/** One whose connection is granted, and breaks by itself or by its user, which is a line. */
function granted(
  what: string,
  name: string,
  more: Partial<Expectation> = {},
): Expectation {
  return { what, name, reply: null, lines: ONE_LINE, ...more };
}

const EXPECTATIONS: readonly Expectation[] = [
  refused("throws an Error with addresses", "throws"),
  refused("rejects with an Error with addresses", "rejects"),
  refused("throws a text with addresses", "throws_text"),
  refused("throws undefined", "throws_nothing"),
  refused("throws null", "throws_null"),
  refused("throws what cannot be put into words", "throws_the_unspeakable"),
  refused("throws an Error of 6 MB", "throws_a_long_text"),
  refused("throws an Error with lines of the protocol", "throws_lines"),
  { ...refused("never resolves", "hangs", 6), waits: 60 },
  { ...refused("opens a connection and never resolves", "hangs_behind_open", 6), waits: 60 },
  refused("returns undefined", "returns_undefined"),
  refused("returns a number", "returns_a_number"),
  refused("returns an empty object", "returns_an_empty_object"),
  refused("returns a connection without read()", "returns_no_read"),
  granted("returns a connection that is closed", "returns_a_closed_one"),
  refused("closes its connection twice and returns it", "closes_twice"),
  granted("has a close() that throws", "close_throws", { userGoes: true }),
  granted("has a closeWrite() that throws", "close_write_throws", { userGoes: true }),
  granted("writes after close(), and does not wait for it", "writes_after_close", {
    userGoes: true,
    lines: TWO_LINES,
  }),
  granted("forgets a rejection", "forgets_a_rejection", { userGoes: true, lines: TWO_LINES }),
  granted("throws in a timer", "throws_later", { userGoes: true, lines: TWO_LINES }),
  granted("reads 0 bytes for ever", "reads_zero_bytes"),
  granted("reads NaN bytes", "reads_not_a_number"),
  granted("reads a text in place of a number", "reads_text", { userGoes: true }),
  granted("reads more bytes than there is room for", "reads_too_many", { userGoes: true }),
  granted("reads without a promise", "reads_undefined"),
  granted("has a read() that throws", "read_throws"),
  granted("never reads", "never_reads", {
    userGoes: true,
    stays: ["server"],
    lines: { client: 1, server: 0 },
  }),
  granted("takes no byte for ever", "never_writes", {
    userGoes: true,
    stays: HALVES,
    lines: { client: 0, server: 1 },
  }),
  granted("writes 0 bytes for ever", "writes_zero_bytes"),
  granted("writes more bytes than there are", "writes_too_many", { userGoes: true }),
  granted("has a write() that throws", "write_throws"),
  granted("reads endless bytes without a wait", "reads_for_ever", { userGoes: true }),
  granted("prints 4 MiB by console.log()", "prints", { userGoes: true }),
];

const COMMAND = [
  Deno.execPath(),
  "run",
  "--no-prompt",
  "--allow-env=TOR_PT_*",
  "--allow-net=127.0.0.1",
  new URL("./faulty_transports.ts", import.meta.url).pathname,
];

/** A program with a transport and a sound one, through which a connection stands. */
async function sceneWith(
  half: Half,
  name: string,
  directory: string,
  prefix: readonly string[] = [],
): Promise<Scene> {
  const options = { directory, command: COMMAND, transport: "sound", prefix };
  const list = `sound,${name}`;
  if (half === "client") {
    return await clientScene([], { ...options, variables: { CLIENT_TRANSPORTS: list } });
  }
  const addresses = list.split(",").map((each) => `${each}-127.0.0.1:0`).join();
  const variables = { SERVER_TRANSPORTS: list, SERVER_BINDADDR: addresses };
  return await serverScene({ ...options, variables });
}

/** Comes to a transport, says something, and gives the reply that a client gives; null for none. */
async function come(
  scene: Scene,
  half: Half,
  name: string,
  echo: EchoServer,
): Promise<{ user: ResettableConn; reply: number | null }> {
  const user = await connectResettable(scene.program.child.port(name));
  if (half === "server") {
    await user.write(Uint8Array.of(1, 2, 3));
    return { user, reply: null };
  }
  await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(echo.address), 1, 2, 3));
  const [, , , reply = 1] = await within(LONGEST, "The reply", take(user, 2 + 10));
  return { user, reply };
}

/** How long a wait for a deadline of 60 s may take, in milliseconds. */
const LONGEST = 100_000;

/** Reads to the end, however that comes. */
async function toTheEnd(conn: StreamConn): Promise<void> {
  const scrap = new Uint8Array(65536);
  try {
    while (await conn.read(scrap) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

/** Looks at others while the connection of a faulty transport is open. */
async function seeDuring(findings: Findings, scene: Scene): Promise<void> {
  const stands = await carries(scene.standing);
  const serves = await scene.serves();
  if (!stands) findings.see("the standing one is dead meanwhile", false);
  if (!serves) findings.see("no new one works meanwhile", false);
}

/** How much `prints` prints, in bytes. */
const FLOOD = 4 * 1024 * 1024;

/** Ends the program, and looks at what it has said. */
async function seeWords(
  findings: Findings,
  { program }: Scene,
  { lines, name }: { lines: number; name: string },
): Promise<void> {
  const end = await program.end();
  seeLog(findings, end, lines);
  if (name !== "prints") return seeEnd(findings, end);
  const told = /\d+ texts of the console were dropped/.test(end.stderr);
  findings.see("it is on stderr, or its loss is told", told || end.stderr.length >= FLOOD);
  seeEnd(findings, { ...end, stderr: "" });
}

/** What must happen, in words. */
function mustOf({ reply, lines, userGoes, stays }: Expectation, half: Half): string {
  const end = reply !== null && half === "client"
    ? `reply ${reply}`
    : stays?.includes(half)
    ? "the connection stays until its far end goes"
    : userGoes === true
    ? "the connection ends when its user goes"
    : "the connection ends";
  return `${end}, ${lines[half] === 0 ? "no line" : counted(lines[half])}, others are served`;
}

function transportFault(expectation: Expectation, half: Half): Fault {
  const { what, name, reply: wanted, lines, userGoes = false } = expectation;
  return {
    what: `the transport ${what}`,
    where: `${half}() of a program on run()`,
    must: mustOf(expectation, half),
    waits: expectation.waits ?? 0,
    async try(findings, directory) {
      using echo = new EchoServer();
      await using scene = await sceneWith(half, name, directory);
      const { user, reply } = await come(scene, half, name, echo);
      using _user = user;
      if (half === "client") {
        findings.see(reply === 0 ? "granted" : `reply ${reply}`, reply === (wanted ?? 0));
      }
      const ending = toTheEnd(user);
      ending.catch(() => {}); // Ours to look at below, where the user does not go.
      if (userGoes) {
        await seeDuring(findings, scene);
        user.reset();
      } else {
        const ended = await within(LONGEST, "The end", ending).then(() => true, () => false);
        findings.see(ended ? "it ends" : "it stays", ended);
      }
      await scene.seeOthers(findings);
      if (!expectation.stays?.includes(half)) await scene.seeDescriptors(findings);
      await seeWords(findings, scene, { lines: lines[half], name });
    },
  };
}

/** A pipe that nobody reads, in the place of stderr. */
function withUnreadStderr(directory: string): string[] {
  const script = `mkfifo ${directory}/unread; exec 2<>${directory}/unread; exec "$@"`;
  return ["sh", "-c", script, "sh"];
}

const unread = HALVES.map((half): Fault => ({
  what: "the transport prints 4 MiB by console.log(), and nobody reads stderr",
  where: `${half}() of a program on run()`,
  must: "others are served",
  async try(findings, directory) {
    using echo = new EchoServer();
    const prefix = withUnreadStderr(directory);
    await using scene = await sceneWith(half, "prints", directory, prefix);
    using user = await connectResettable(scene.program.child.port("prints"));
    await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(echo.address), 1, 2, 3));
    await scene.seeOthers(findings);
    await scene.seeWords(findings, { lines: [0] });
  },
}));

/** Faults of `publish()`, by their names in `faulty_transports.ts`. */
const PUBLISHERS: readonly [what: string, name: string, waits?: number][] = [
  ["throws an Error with addresses", "publish_throws"],
  ["rejects with a text with addresses", "publish_rejects_text"],
  ["never resolves", "publish_hangs", 15],
  ["returns undefined", "publishes_undefined"],
  ["returns a number", "publishes_a_number"],
  ["returns pairs that are none", "publishes_short_pairs"],
  ["returns a line of the protocol", "publishes_a_line"],
];

const publishers = PUBLISHERS.map(([what, name, waits = 0]): Fault => ({
  what: `publish() ${what}`,
  where: "a program on run()",
  must: "SMETHOD-ERROR in one line without addresses, the other transport is served",
  waits,
  async try(findings, directory) {
    await using scene = await sceneWith("server", name, directory);
    const said = await scene.program.untilDone();
    const lines = said.split("\n").filter((line) => line.includes(name));
    const isRefused = lines.length === 1 && lines[0]!.startsWith(`SMETHOD-ERROR ${name} `);
    findings.see(isRefused ? "SMETHOD-ERROR" : lines.join(), isRefused);
    const others = said.split("\n").length - lines.length;
    // VERSION, SMETHOD, DONE and what is behind the last line end.
    if (others !== 4) findings.see(`other lines: ${said}`, false);
    if (/192\.0\.2|2001:db8/.test(said)) findings.see(`it shows an address: ${said}`, false);
    await scene.seeSurvival(findings, { lines: [0] });
  },
}));

const faults = EXPECTATIONS.flatMap((expectation) =>
  HALVES.map((half) => transportFault(expectation, half))
);

export const transports: FaultGroup = {
  name: "transports",
  faults: [...faults, ...unread, ...publishers],
};
