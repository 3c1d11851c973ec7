/**
 * The fixture on which one check runs: it starts programs, opens connections, and clears all of it
 * away after the check, however that went.
 *
 * @module
 */

import { type Address, formatAddress, isLoopback, unmappedIp } from "../address.ts";
import type { ClientMethod, Message, ServerMethod } from "../parent/line.ts";
import { type Line, Program, type Start } from "./checked_program.ts";
import { type Role, Skipped, type Words } from "./verdict.ts";
import { environment, type Variables } from "./program_environment.ts";
import { isUnreachable, refusingAddress, TestListener } from "./listener.ts";
import { greeting, NO_AUTH, request } from "./socks_message.ts";
import { Probe } from "./probe.ts";
import type { Target } from "./socks_connect.ts";
import { Wire } from "./wire.ts";

/** What a program made of the plain environment of one half, as tor sets it. */
export interface PlainStart {
  /** Why it is not this half; null when it may be. */
  readonly refusal: string | null;
  /** Whether it said anything of the protocol. */
  readonly spoke: boolean;
  /** Whether it ended by itself meanwhile. */
  readonly ended: boolean;
  /** Whether it got through its start. */
  readonly done: boolean;
  /** Whether its transport was started. */
  readonly started: boolean;
  /** Its words. */
  readonly output: string;
}

/** What is checked, for all checks of one run. */
export interface Subject {
  readonly transport: string;
  /** Another transport of the program, where one is known. */
  readonly beside: string | null;
  /** The command of each half that there is. */
  readonly commands: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** What the checked program made of the plain environment, as far as that was tried. */
  readonly plain: Readonly<Partial<Record<Role, PlainStart>>>;
  /** What a server is told beside its address, as in TOR_PT_SERVER_TRANSPORT_OPTIONS; or nothing. */
  readonly options: string;
  /** What a client is told for each connection, as `K=V;K=V`; or nothing. */
  readonly args: string;
  /** Variables that programs need, beside those of pt-spec. */
  readonly variables: Readonly<Record<string, string>>;
  /** A directory for state directories and cookies. */
  readonly directory: string;
  /** How long a wait may take, in milliseconds. */
  readonly timeout: number;
  /** Ends all checks at once. */
  readonly signal: AbortSignal;
}

/** What may be different about a start, besides variables. */
export interface StartOptions {
  /** The half; the checked one where it is left out. */
  readonly role?: Role;
  /** The parent's ORPort. */
  readonly orport?: Address;
  /** A command that starts the program. */
  readonly wrap?: readonly string[];
  /** The working directory. */
  readonly cwd?: string;
  /** The command, in other words than those of the half. */
  readonly command?: readonly string[];
}

/** A program that has said where its transport listens. */
export interface Running {
  readonly program: Program;
  readonly method: ClientMethod | ServerMethod;
}

/** Tells whether a line ends the start of a half. */
export function isDone(role: Role, message: Message | null): boolean {
  return message?.kind === (role === "client" ? "cmethods-done" : "smethods-done");
}

const MOST_QUOTED = 12;
const MOST_WORDS = 4;
/** How long a program may take to tell of what it has just done, in milliseconds. */
const WORDS = 200;
const LONGEST_QUOTE = 200;

/** Some lines, short enough for a sentence. */
export function quoted(lines: readonly Line[]): string {
  const shown = lines.slice(0, MOST_QUOTED).map(({ text }) =>
    JSON.stringify(text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}...` : text)
  );
  const left = lines.length - shown.length;
  return [...shown, ...left > 0 ? [`and ${left} more`] : []].join(", ");
}

/** A program's first words, or its complaint, for a sentence. */
export function outputOf(program: Program): string {
  const words = quoted(program.lines.filter(({ message }) => message?.kind !== "log")) || "nothing";
  const complaint = program.complaint === "" ? "" : `; on stderr: ${program.complaint}`;
  return `it said ${words}${complaint}`;
}

/** How a program ended, for a sentence. */
export function endWords(status: Deno.CommandStatus | null): string {
  if (status === null) return "it goes on";
  return status.signal === null
    ? `it ended with status ${status.code}`
    : `it was ended by ${status.signal}`;
}

/** What programs said last, each thing once. */
function lastWordsOf(programs: readonly Program[]): string[] {
  const all = programs.flatMap(({ lastWords }) => lastWords);
  return [...new Set(all)].slice(-MOST_WORDS);
}

const BINDADDR = "TOR_PT_SERVER_BINDADDR";
/** How often a server is told where to listen. */
const ATTEMPTS = 3;

/**
 * Whether a server's line names an address that is not its own, for clients beyond a NAT. Where it
 * has arguments, what its clients connect to may be in those.
 */
function isBehindAnother({ method }: Running): boolean {
  return method.kind === "smethod" && method.args.size === 0 && !isOurOwn(method.address[0]);
}

/** Whether an address can be reached without leaving this machine. */
function isOurOwn(host: string): boolean {
  return isLoopback(host) || ["0.0.0.0", "::"].includes(unmappedIp(host) ?? "");
}

let states = 0;

/** A directory of its own for every program. */
export function freshPath(subject: Subject, name: string): string {
  return `${subject.directory}/${name}-${states++}`;
}

/** The fixture of one check on one half. */
export class Fixture implements AsyncDisposable {
  readonly role: Role;
  readonly subject: Subject;
  /** The program that was the checked half last. */
  lastProgram: Program | null = null;
  /** The command of the other half, when the check goes through that, too. */
  otherHalf: readonly string[] | null = null;
  /** Whether the wire between the halves is to be led through us. */
  wired = false;
  /** That wire, when it is. */
  wire: Wire | null = null;
  /** Whether the check used a program that other checks use too. */
  usedShared = false;
  /** Whether the check takes connections, from a half that cannot be watched without us. */
  attended = false;
  /** Where a client was asked to connect to last. */
  target: Target | null = null;
  /** Where connections arrive. */
  readonly listeners: TestListener[] = [];
  /** The other half, where it runs. */
  readonly others: Program[] = [];
  readonly #shared: SharedPrograms;
  readonly #fresh: boolean;
  readonly #stack = new AsyncDisposableStack();
  // What a check waits for ends with its programs and connections.
  readonly #clear = () => void this[Symbol.asyncDispose]();
  #backend: TestListener | null = null;

  constructor(subject: Subject, role: Role, shared: SharedPrograms, fresh: boolean) {
    this.subject = subject;
    this.role = role;
    this.#shared = shared;
    this.#fresh = fresh;
    subject.signal.addEventListener("abort", this.#clear);
    if (subject.signal.aborted) this.#clear();
  }

  /** Has something cleared away after the check. */
  own<T extends Disposable | AsyncDisposable>(resource: T): T {
    if (!this.#stack.disposed) return this.#stack.use(resource);
    if (Symbol.asyncDispose in resource) void resource[Symbol.asyncDispose]();
    else resource[Symbol.dispose]();
    throw new Skipped("needs more time than there was: the check was ended");
  }

  /** Where the checked transport's connections arrive, unless a check wants another place. */
  get backend(): TestListener {
    this.attended = true;
    return this.#theBackend;
  }

  get #theBackend(): TestListener {
    return this.#backend ??= this.#listen("127.0.0.1");
  }

  #listen(hostname: string): TestListener {
    const listener = this.own(new TestListener(this.subject.timeout, hostname));
    this.listeners.push(listener);
    return listener;
  }

  /** A further place where connections arrive. */
  listen(hostname = "127.0.0.1"): TestListener {
    this.attended = true;
    return this.#listen(hostname);
  }

  /** Where the client half connects to reach a server half. */
  reach(server: Readonly<Address>): Address {
    // A server that names another's address is reached by its arguments, and not through us.
    if (!this.wired || !isLoopback(server[0])) return [...server];
    this.wire = this.own(new Wire(server));
    return this.wire.address;
  }

  /** A further place where connections arrive, at ::1; skips the check where this machine has no such address. */
  listenIpv6(): TestListener {
    try {
      return this.listen("::1");
    } catch (error) {
      if (error instanceof Skipped) throw error;
      throw new Skipped("needs the IPv6 loopback address ::1");
    }
  }

  /**
   * Skips the check unless the half does start, or gets through its start, in the plain
   * environment: what it makes of a changed one says nothing otherwise.
   */
  needsPlain(stage: "done" | "started"): void {
    const plain = this.subject.plain[this.role];
    if (plain === undefined || plain[stage]) return;
    const what = stage === "started" ? "a running" : "the start of a";
    const hint = plain.done ? this.#hint(this.role) : "";
    throw new Skipped(
      `needs ${what} ${this.role} in the plain environment: ${plain.output}${hint}`,
    );
  }

  /** What may be missing where a half does not start its transport in the plain environment. */
  #hint(role: Role): string {
    const { options } = this.subject;
    return role === "server" && options === ""
      ? ". It may need options: give them by --option"
      : "";
  }

  /** Starts a half as tor does, with some variables changed. */
  async start(
    changes: Variables = {},
    options: StartOptions = {},
  ): Promise<Program> {
    const { role = this.role, orport = this.#theBackend.address, wrap = [], cwd } = options;
    if (role === this.role && Object.keys(changes).length > 0) this.needsPlain("done");
    const command = options.command ?? this.subject.commands[role];
    if (command === undefined) throw new Skipped(`needs the ${role} half: give it with --peer`);
    const state = freshPath(this.subject, "state");
    await Deno.mkdir(state, { mode: 0o700 });
    const start: Start = {
      command: [...wrap, ...command],
      environment: environment(role, this.subject, state, orport, changes),
      timeout: this.subject.timeout,
      ...cwd !== undefined && { cwd },
    };
    const program = this.own(this.#spawn(start, role));
    if (role === this.role) this.lastProgram = program;
    else this.others.push(program);
    return program;
  }

  #spawn(start: Start, role: Role): Program {
    try {
      return new Program(start);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || role === this.role) throw error;
      throw new Skipped(`needs the ${role} half. ${error.message}`);
    }
  }

  /** Starts a half and waits until its transport listens; without that the check is skipped. */
  async running(
    changes: Variables = {},
    options: StartOptions = {},
  ): Promise<Running> {
    const { role = this.role } = options;
    const isPlain = Object.keys(changes).length === 0;
    if (role === this.role && !isPlain) this.needsPlain("started");
    const program = await this.start(changes, options);
    const hint = isPlain ? this.#hint(role) : "";
    const running = await this.untilRunning(program, role, hint);
    return isBehindAnother(running) && changes[BINDADDR] === undefined
      ? await this.#runningWhereTold(changes, options)
      : running;
  }

  /** Has a server listen at a port that is known, because its line names another address. */
  async #runningWhereTold(
    changes: Variables,
    options: StartOptions,
  ): Promise<Running> {
    for (let attempt = 1;; attempt++) {
      const address = await refusingAddress();
      if (address === null) throw new Skipped("needs a free port of 127.0.0.1");
      const bind = { [BINDADDR]: `${this.subject.transport}-${formatAddress(address)}` };
      const program = await this.start({ ...changes, ...bind }, options);
      try {
        const { method } = await this.untilRunning(program, options.role);
        return { program, method: { ...method, address } };
      } catch (error) {
        // Somebody else may have taken the port meanwhile.
        if (!(error instanceof Skipped) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Waits until the transport of a program that was started listens. */
  async untilRunning(program: Program, role: Role = this.role, hint = ""): Promise<Running> {
    // The other half may be another program than the one that was started plainly.
    const plain = role === this.role ? this.subject.plain[role] : undefined;
    // What never says that it is done would be waited for again by each check.
    if (plain?.done === false) throw new Skipped(`needs a running ${role}: ${plain.output}`);
    const done = await program.line(({ message }) => isDone(role, message));
    const method = methodOf(program, this.subject.transport);
    if (done !== null && method !== null) return { program, method };
    throw new Skipped(`needs a running ${role}: ${outputOf(program)}${done === null ? "" : hint}`);
  }

  /** A client that other checks use too, or one of its own where those could have hurt it. */
  async sharedClient(): Promise<Running> {
    if (this.#fresh) return await this.running();
    this.usedShared = true;
    const client = await this.#shared.client(this.subject);
    this.lastProgram = client.program;
    return client;
  }

  /** What the half says in its life, from its start to its end. */
  async transcript(): Promise<Transcript> {
    if (this.#fresh) return await recordTranscript(this);
    this.usedShared = true;
    const transcript = await this.#shared.transcript(this.subject, this.role);
    this.lastProgram = transcript.program;
    return transcript;
  }

  /** Connects to a listener of a program. */
  async dial([hostname, port]: Readonly<Address>): Promise<Probe> {
    // A made-up or public address is nothing that a checker should connect to.
    if (!isOurOwn(hostname)) {
      throw new Skipped(`needs an address of this machine, not ${formatAddress([hostname, port])}`);
    }
    try {
      return this.own(new Probe(await Deno.connect({ hostname, port }), this.subject.timeout));
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      const place = formatAddress([hostname, port]);
      throw new Skipped(`needs a listener at ${place}, which cannot be reached: ${error.message}`);
    }
  }

  /** What the programs of the check say of it; what they log of an answer may come behind it. */
  async words(): Promise<Words> {
    const own = this.lastProgram === null ? [] : [this.lastProgram];
    const quiet = [...own, ...this.others].filter(({ lastWords }) => lastWords.length === 0);
    await Promise.all(
      quiet.map((program) => program.line(({ message }) => message?.kind === "log", WORDS)),
    );
    return { said: lastWordsOf(own), otherSaid: lastWordsOf(this.others) };
  }

  /** Ends every program and connection of the check. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.subject.signal.removeEventListener("abort", this.#clear);
    await this.#stack.disposeAsync();
  }
}

/** Where a program says that a transport listens; null when it says nothing of it. */
export function methodOf(program: Program, transport: string): ClientMethod | ServerMethod | null {
  for (const { message } of program.lines) {
    const named = message?.kind === "cmethod" || message?.kind === "smethod";
    if (named && message.transport === transport) return message;
  }
  return null;
}

/** The first words of a program, taken down from its start to its end. */
export interface Transcript {
  readonly program: Program;
  /** Whether it said that its start is over. */
  readonly done: boolean;
  /** Whose address it has met and nobody may read: a client's bridge, a server's user. */
  readonly secret: Readonly<Address>;
}

/** Where a program that lives its life for a transcript is to connect: nobody is there. */
export const NOBODY: Readonly<Address> = ["127.0.0.1", 9];
/** How long an answer is waited for that nobody is going to judge, in milliseconds. */
const SHORT = 1_000;

/**
 * Makes connections that fail, so that the program has something to say.
 *
 * @returns The user's address.
 */
async function fail(fixture: Fixture, { address }: ClientMethod | ServerMethod): Promise<Address> {
  const garbage = await fixture.dial(address);
  const { hostname, port } = (garbage.conn as Deno.TcpConn).localAddr;
  await garbage.send(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  await garbage.next(SHORT);
  garbage[Symbol.dispose]();
  if (fixture.role === "server") return [hostname, port];
  const refused = await fixture.dial(address);
  await refused.send(greeting(NO_AUTH));
  await refused.next(SHORT);
  await refused.send(request(NOBODY));
  await refused.next(SHORT);
  refused[Symbol.dispose]();
  return [hostname, port];
}

/** Has a program live a whole life: it starts, cannot connect, and is told to end. */
async function recordTranscript(fixture: Fixture): Promise<Transcript> {
  const program = await fixture.start({}, { orport: [...NOBODY] });
  const done = await program.line(({ message }) => isDone(fixture.role, message));
  const method = methodOf(program, fixture.subject.transport);
  const user = method === null ? null : await fail(fixture, method).catch((error) => {
    if (error instanceof Skipped) return null; // Nobody listens: another check says so.
    throw error;
  });
  await program.closeStdin();
  await program.ended();
  const secret = fixture.role === "server" && user !== null ? user : NOBODY;
  return { program, done: done !== null, secret };
}

/** Programs that several checks look at, because none of these changes them. */
export class SharedPrograms implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #transcripts = new Map<Role, Promise<Transcript>>();
  #client: Promise<Running> | null = null;

  /** The client that all may use; a new one when the last is gone. */
  client(subject: Subject): Promise<Running> {
    const last = this.#client;
    this.#client = (async () => {
      const client = await last?.catch(() => null);
      const usable = client !== null && client !== undefined && client.program.status === null;
      return usable ? client : await this.#fixture(subject, "client").running();
    })();
    return this.#client;
  }

  /** What a half says in its life. */
  transcript(subject: Subject, role: Role): Promise<Transcript> {
    const transcript = this.#transcripts.get(role) ??
      recordTranscript(this.#fixture(subject, role));
    this.#transcripts.set(role, transcript);
    return transcript;
  }

  #fixture(subject: Subject, role: Role): Fixture {
    return this.#stack.use(new Fixture(subject, role, this, true));
  }

  /** Ends the programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/**
 * Looks at one half of a program by itself, and clears everything away after it. (`using` would be
 * a syntax error in Node 22, which has to get far enough to say that this needs Deno.)
 */
export async function withFixture<T>(
  subject: Subject,
  role: Role,
  look: (fixture: Fixture) => Promise<T>,
): Promise<T> {
  const shared = new SharedPrograms();
  const fixture = new Fixture(subject, role, shared, true);
  try {
    return await look(fixture);
  } finally {
    await fixture[Symbol.asyncDispose]();
    await shared[Symbol.asyncDispose]();
  }
}
