import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readFull, writeAll } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { without } from "../environment.ts";
import { untilRefused } from "../net/until_refused.ts";
import { permitted } from "../permitted.ts";
import { RawChild } from "../raw_child.ts";
import { CLIENT, dialThrough, dummy, ended, SERVER } from "./dummies.ts";

type Half = "client" | "server";

const HALVES = ["client", "server"] as const;

/** One half that runs, and connections through it to an echo. */
class Running implements AsyncDisposable {
  readonly child: RawChild;
  readonly #half: Half;
  readonly #echo = new EchoServer();
  readonly #conns: Deno.TcpConn[] = [];

  constructor(half: Half, exitOnStdinClose = true) {
    const [host, port] = this.#echo.address;
    const all = half === "client" ? CLIENT : { ...SERVER, ORPORT: `${host}:${port}` };
    const variables = exitOnStdinClose ? all : without(all, "EXIT_ON_STDIN_CLOSE");
    this.child = new RawChild(dummy(half), variables);
    this.#half = half;
  }

  async start(): Promise<void> {
    await this.child.until(this.#half === "client" ? "CMETHODS DONE" : "SMETHODS DONE");
  }

  /** A connection that is known to work. */
  async connect(): Promise<Deno.TcpConn> {
    const port = this.child.port("dummy");
    const conn = this.#half === "client"
      ? await dialThrough(port, this.#echo.address)
      : await Deno.connect({ hostname: "127.0.0.1", port });
    this.#conns.push(conn);
    await checkEcho(conn);
    return conn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const conn of this.#conns) conn.close();
    this.#echo[Symbol.dispose]();
    await this.child[Symbol.asyncDispose]();
  }
}

async function checkEcho(conn: Deno.Conn): Promise<void> {
  await writeAll(conn, Uint8Array.of(1, 2, 3));
  assertEquals(await readFull(conn, new Uint8Array(3)), Uint8Array.of(1, 2, 3));
}

/** A test with each half. */
function eachHalf(name: string, use: (running: Running) => Promise<void>, stdin = true): void {
  for (const half of HALVES) {
    permitted(["net", "read", "run"], `dummy_${half}.ts ${name}`, async () => {
      await using running = new Running(half, stdin);
      await running.start();
      await use(running);
    });
  }
}

const GOOD_END = { code: 0, signal: null };

const ENDINGS: readonly [what: string, end: (child: RawChild) => unknown][] = [
  ["stdin is closed", (child) => child.closeStdin()],
  ["SIGTERM comes", (child) => child.kill("SIGTERM")],
  ["SIGTERM comes and stdin is closed", (child) => {
    child.kill("SIGTERM");
    return child.closeStdin();
  }],
];

for (const [what, end] of ENDINGS) {
  eachHalf(`closes 20 connections and ends when ${what}`, async (running) => {
    const conns: Deno.TcpConn[] = [];
    for (let i = 0; i < 20; i++) conns.push(await running.connect());
    const [status] = await Promise.all([
      running.child.status(),
      ...conns.map(ended),
      end(running.child),
    ]);
    assertEquals(status, GOOD_END);
  });
}

eachHalf("ends on a SIGTERM that comes as soon as it has said DONE", async ({ child }) => {
  child.kill("SIGTERM");
  assertEquals(await child.status(), GOOD_END);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  eachHalf(`stops listening on ${signal}, and lets its connections finish`, async (running) => {
    const conn = await running.connect();
    running.child.kill(signal);
    await untilRefused(running.child.port("dummy"));
    await checkEcho(conn);
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null);
    assertEquals(await running.child.status(), GOOD_END);
  });
}

eachHalf("takes a closed stdin for nothing when it was not told otherwise", async (running) => {
  await running.child.closeStdin();
  for (let i = 0; i < 3; i++) await running.connect();
}, false);

/** A parent in between, which can be killed. */
const PARENT = ["/bin/sh", "-c", '"$@" & wait', "sh"];

for (const half of HALVES) {
  const name = `dummy_${half}.ts ends when its parent is gone, though its stdin means nothing`;
  permitted(["read", "run"], name, async () => {
    const variables = without(half === "client" ? CLIENT : SERVER, "EXIT_ON_STDIN_CLOSE");
    await using parent = new RawChild([...PARENT, ...dummy(half)], variables);
    await parent.until(half === "client" ? "CMETHODS DONE" : "SMETHODS DONE");
    parent.kill("SIGKILL");
    // The end of its stdout is the end of whoever has it open.
    const end = await assertRejects(() => parent.until("a line that never comes"));
    assertStringIncludes(String(end), "it ended");
  });
}
