/** Programs with a service behind them, a connection that stands, and what must hold after a fault. */

import type { Address } from "../../address.ts";
import { parseSmethodArgs } from "../../args.ts";
import { readFull, writeAll } from "../../net/mod.ts";
import { dialTransport, SocksReplyError } from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import type { Variables } from "../environment.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { clientExample, Program, type ProgramEnd, serverExample } from "./example_process.ts";
import type { Findings } from "./fault.ts";
import type { TorPlace } from "./tor_port.ts";
import { comesAbout, SOON, within } from "../waiting.ts";

/** How long descriptors may take to come back: a rejected user has 10 s to leave. */
const GIVEN_BACK = 20_000;

/** How many lines a program may have said. */
type LineCount = number | { readonly atMost: number } | { readonly oneEach: number };

/** What is known of a program's log before it is read. */
interface Expected {
  /** How many lines each program has, the client first. */
  lines: readonly LineCount[];
  /** What none of them may show, beside addresses. */
  secrets?: readonly string[];
  /** How they are ended. */
  by?: "stdin" | "SIGTERM";
}

/** Sends some bytes and takes them back. */
export async function echoes(conn: Deno.Conn): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(300));
  await writeAll(conn, bytes);
  const back = await readFull(conn, new Uint8Array(bytes.length));
  if (back.some((byte, i) => byte !== bytes[i])) throw new Error("Other bytes came back");
}

/** Whether bytes go through a connection and back. */
export async function carries(conn: Deno.Conn): Promise<boolean> {
  return await within(SOON, "An echo", echoes(conn)).then(() => true, () => false);
}

/** Whether a connection ends, in whatever way, and whether that comes soon. */
export async function ends(conn: Deno.Conn, milliseconds = SOON): Promise<boolean> {
  const toEnd = async () => {
    while (await conn.read(new Uint8Array(4096)) !== null);
  };
  try {
    await within(milliseconds, "The end of a connection", toEnd());
    return true;
  } catch (error) {
    return !(error instanceof DOMException);
  }
}

/** The reply of a client's SOCKS port to a request; 0 where it is granted. */
export async function replyOf(
  socks: Address,
  target: Readonly<Address>,
  args: Iterable<readonly [string, string]> = [],
): Promise<number> {
  try {
    using _conn = await dialTransport({ socksVersion: 5, address: socks }, target, args);
    return 0;
  } catch (error) {
    if (error instanceof Error && error.cause instanceof SocksReplyError) return error.cause.reply;
    throw error;
  }
}

/** The lines that show an address or another secret. */
function revealing(lines: readonly string[], secrets: readonly string[]): string[] {
  return lines.filter((line) =>
    /\d+\.\d+\.\d+\.\d+|\[[0-9a-f]*:[0-9a-f:]*\]/.test(line) ||
    secrets.some((secret) => line.includes(secret))
  );
}

/** So many lines, in words. */
export function counted(count: number): string {
  return count === 1 ? "1 line" : `${count} lines`;
}

/** Whether there are as many lines as there must be, and how many those are in words. */
function compareLines(count: number, lines: LineCount): [right: boolean, expected: string] {
  if (typeof lines === "number") return [count === lines, counted(lines)];
  if ("oneEach" in lines) return [count === lines.oneEach, "1 line each"];
  return [count <= lines.atMost, "at most 1 line each"];
}

/** Looks at what a program said in its life. */
export function seeLog(
  findings: Findings,
  { logged }: ProgramEnd,
  lines: LineCount,
  secrets: readonly string[] = [],
): void {
  const [right, expected] = compareLines(logged.length, lines);
  findings.see(right ? expected : `${counted(logged.length)}: ${logged[0]}`, right);
  const [shown] = revealing(logged, secrets);
  if (shown !== undefined) findings.see(`it shows too much: ${shown}`, false);
}

/** Looks at how a program ended, which must be in order. */
export function seeEnd(findings: Findings, { code, signal, stderr }: ProgramEnd): void {
  if (code !== 0 || signal !== null) findings.see(`it ended with ${signal ?? code}`, false);
  if (stderr !== "") findings.see(`on stderr: ${stderr.split("\n")[0]}`, false);
}

/** What a scene is made of. */
interface Parts {
  programs: readonly Program[];
  /** Opens a connection as an honest user does, to what echoes. */
  open: () => Promise<Deno.Conn>;
  /** The echo that is behind them. */
  service: EchoServer;
  resources: AsyncDisposableStack;
}

/** Running programs. Disposing of it ends them and what is behind them. */
export class Scene implements AsyncDisposable {
  readonly programs: readonly Program[];
  readonly open: () => Promise<Deno.Conn>;
  /** Where the echo listens that is behind them. */
  readonly service: { readonly port: number };
  /** The connection that stands all the time. */
  readonly standing: Deno.Conn;
  readonly #before: readonly number[];
  readonly #resources: AsyncDisposableStack;

  private constructor({ programs, open, service, resources }: Parts, standing: Deno.Conn) {
    this.programs = programs;
    this.open = open;
    this.service = { port: service.address[1] };
    this.standing = standing;
    this.#resources = resources;
    this.#before = programs.map((program) => program.descriptors());
  }

  /** Opens the connection that stands. */
  static async begin(parts: Parts): Promise<Scene> {
    const standing = parts.resources.use(await parts.open());
    await within(30_000, "The first connection", echoes(standing));
    return new Scene(parts, standing);
  }

  /** The only program, or the client of two. */
  get program(): Program {
    return this.programs[0]!;
  }

  /** Whether a new connection carries bytes soon. */
  async serves(): Promise<boolean> {
    const use = async () => {
      using conn = await this.open();
      await echoes(conn);
    };
    return await within(SOON, "A new connection", use()).then(() => true, () => false);
  }

  /** Whether every program has as few descriptors open as before. */
  async #areGivenBack(): Promise<boolean> {
    return await comesAbout(
      GIVEN_BACK,
      () => this.programs.every((program, i) => program.descriptors() <= this.#before[i]!),
    );
  }

  /** Looks whether everybody else is served. */
  async seeOthers(findings: Findings): Promise<void> {
    const stands = await carries(this.standing);
    findings.see(stands ? "the standing one goes on" : "the standing one is dead", stands);
    const serves = await this.serves();
    findings.see(serves ? "a new one works" : "no new one works", serves);
  }

  async seeDescriptors(findings: Findings): Promise<void> {
    const back = await this.#areGivenBack();
    const now = this.programs.map((program) => program.descriptors());
    findings.see(
      back ? "nothing is left open" : `open before and now: ${this.#before} and ${now}`,
      back,
    );
  }

  /** Ends the programs, and looks at what they have said. */
  async seeWords(findings: Findings, expected: Expected): Promise<void> {
    const { lines, secrets = [], by = "stdin" } = expected;
    for (const [i, program] of this.programs.entries()) {
      if (by === "SIGTERM") {
        this.standing.close();
        program.child.kill(by);
      }
      const end = by === "stdin" ? await program.end() : await program.ended();
      seeLog(findings, end, lines[i] ?? 0, secrets);
      seeEnd(findings, end);
    }
  }

  /** Looks at everything that must hold after a fault, and ends the programs. */
  async seeSurvival(findings: Findings, expected: Expected): Promise<void> {
    await this.seeOthers(findings);
    await this.seeDescriptors(findings);
    await this.seeWords(findings, expected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** How a scene differs from the plain one. */
export interface SceneOptions {
  directory: string;
  example?: string;
  transport?: string;
  variables?: Variables;
  prefix?: readonly string[];
  unset?: readonly string[];
  /** A program in place of the example. */
  command?: readonly string[];
}

/** A client in front of an echo, and of other targets where it may go, too. */
export async function clientScene(
  targets: readonly Readonly<Address>[],
  options: SceneOptions & { args?: Iterable<readonly [string, string]> },
): Promise<Scene> {
  await using resources = new AsyncDisposableStack();
  const echo = resources.use(new EchoServer());
  const { directory, example = "dummy_client.ts", transport = "dummy", args = [] } = options;
  const command = options.command ?? await clientExample(example, [echo.address, ...targets]);
  const program = resources.use(
    await Program.start({ ...options, command, half: "client", transport }, directory),
  );
  const open = () =>
    dialTransport({ socksVersion: 5, address: program.address }, echo.address, args);
  return await Scene.begin({
    programs: [program],
    open,
    service: echo,
    resources: resources.move(),
  });
}

/** A server in front of an echo at the ORPort, or of what `variables` say. */
export async function serverScene(
  options: SceneOptions & { cookieFile?: string },
): Promise<Scene> {
  await using resources = new AsyncDisposableStack();
  const echo = resources.use(new EchoServer());
  const { directory, example = "dummy_server.ts", transport = "dummy", cookieFile } = options;
  const places = cookieFile === undefined
    ? {}
    : { "/var/lib/tor/extended_orport_auth_cookie": cookieFile };
  const [orPortHost] = options.variables?.["EXTENDED_SERVER_PORT"]?.split(":") ?? [];
  const command = options.command ?? await serverExample(example, places, orPortHost);
  const variables = { ORPORT: echo.address.join(":"), ...options.variables };
  const program = resources.use(
    await Program.start({ ...options, command, variables, half: "server", transport }, directory),
  );
  const [hostname, port] = program.address;
  const open = () => Deno.connect({ hostname, port });
  return await Scene.begin({
    programs: [program],
    open,
    service: echo,
    resources: resources.move(),
  });
}

/** A server in front of tor, whose cookie it may read. */
export async function bridgeScene(
  { variables, cookieFile }: TorPlace,
  options: Omit<SceneOptions, "variables">,
): Promise<Scene> {
  return await serverScene({ ...options, variables, cookieFile: cookieFile.path });
}

/** What is between a client and its server. */
export interface Between extends Disposable {
  address: Address;
}

/** An example with a handshake of its own, and what its server needs. */
export interface Pairing {
  example: string;
  transport: string;
  /** Writes what the server reads; the words of its command that this replaces, and its variables. */
  prepare(directory: string): Promise<{
    places: Readonly<Record<string, string>>;
    variables: Variables;
  }>;
}

export const SECRET: Pairing = {
  example: "secret.ts",
  transport: "secret",
  prepare: (directory) =>
    Promise.resolve({
      places: { "/var/lib/tor/pt_state": `${directory}/pt_state` },
      variables: {},
    }),
};

export const TLS: Pairing = {
  example: "tls.ts",
  transport: "pinned",
  async prepare(directory) {
    const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
    await Deno.writeTextFile(cert, TEST_CERTIFICATE);
    await Deno.writeTextFile(key, TEST_KEY);
    return {
      places: { "/etc/pinned": directory },
      variables: { SERVER_TRANSPORT_OPTIONS: `pinned:cert=${cert};pinned:key=${key}` },
    };
  },
};

/** A client and a server of an example, with something between them. */
export async function pairScene<B extends Between>(
  { example, transport, prepare }: Pairing,
  between: (server: Address) => Promise<B>,
  { directory, targets = [] }: { directory: string; targets?: readonly Readonly<Address>[] },
): Promise<{ scene: Scene; between: B; ask: (target?: Readonly<Address>) => Promise<number> }> {
  const { places, variables } = await prepare(directory);
  await using resources = new AsyncDisposableStack();
  const echo = resources.use(new EchoServer());
  const server = resources.use(
    await Program.start({
      command: await serverExample(example, places),
      half: "server",
      transport,
      variables: { ORPORT: echo.address.join(":"), ...variables },
    }, directory),
  );
  const args = publishedArgs(await server.untilDone());
  const middle = resources.use(await between(server.address));
  const client = resources.use(
    await Program.start({
      command: await clientExample(example, [middle.address, ...targets]),
      half: "client",
      transport,
    }, directory),
  );
  const method = { socksVersion: 5, address: client.address } as const;
  const scene = await Scene.begin({
    programs: [client, server],
    open: () => dialTransport(method, middle.address, args),
    service: echo,
    resources: resources.move(),
  });
  const ask = (target: Readonly<Address> = middle.address) => replyOf(client.address, target, args);
  return { scene, between: middle, ask };
}

/** What the only `SMETHOD` line publishes. */
export function publishedArgs(said: string): URLSearchParams {
  return parseSmethodArgs(/^SMETHOD \S+ \S+ ARGS:(\S+)$/m.exec(said)?.[1] ?? "");
}
