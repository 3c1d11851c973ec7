/** An example that runs as its head comment says, and what can be seen of it from outside. */

import type { Address } from "../../address.ts";
import { commandOf } from "../example_pair.ts";
import type { Variables } from "../environment.ts";
import { RawChild } from "../raw_child.ts";

/** What is started. */
export interface ProgramStart {
  /** The program and its arguments. */
  command: readonly string[];
  half: "client" | "server";
  transport: string;
  /** What tor sets beside what every half gets. */
  variables?: Variables;
  /** What stands in front of the command, and becomes the program by `exec`. */
  prefix?: readonly string[];
  /** What is not set although tor sets it. */
  unset?: readonly string[];
}

/** An example, with the permissions of its head comment. */
export async function clientExample(
  example: string,
  targets: readonly Readonly<Address>[],
): Promise<string[]> {
  const places = { "192.0.2.1:4443": targets.map((target) => target.join(":")).join() };
  return await commandOf(example, "client", places);
}

/** An example, with the permissions of its head comment and the places that it uses here. */
export async function serverExample(
  example: string,
  places: Readonly<Record<string, string>> = {},
  orPortHost = "127.0.0.1",
): Promise<string[]> {
  // What comes later in this list may hold what comes earlier.
  return await commandOf(example, "server", {
    "127.0.0.1": orPortHost,
    "0.0.0.0:4443": "127.0.0.1:0",
    "/var/lib/tor/extended_orport_auth_cookie": "/nowhere",
    ...places,
  });
}

const HALVES = {
  client: { done: "CMETHODS DONE", list: "CLIENT_TRANSPORTS" },
  server: { done: "SMETHODS DONE", list: "SERVER_TRANSPORTS" },
} as const;

/** The environment of a half, as tor sets it. */
export function variablesOf(start: ProgramStart, directory: string): Variables {
  const { half, transport, variables = {}, unset = [] } = start;
  const all: Variables = {
    MANAGED_TRANSPORT_VER: "1",
    STATE_LOCATION: `${directory}/pt_state`,
    EXIT_ON_STDIN_CLOSE: "1",
    [HALVES[half].list]: transport,
    ...half === "server" && { SERVER_BINDADDR: `${transport}-127.0.0.1:0` },
    ...variables,
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !unset.includes(name)));
}

const STDERR_TO_FILE = ["sh", "-c", 'exec 2>"$0"; exec "$@"'];

/** How a program has ended, and what it said. */
export interface ProgramEnd {
  code: number;
  signal: Deno.Signal | null;
  /** The `LOG` lines behind its `DONE` line. */
  logged: readonly string[];
  stderr: string;
}

/** A program that runs. Disposing of it kills it. */
export class Program implements AsyncDisposable {
  readonly child: RawChild;
  readonly transport: string;
  readonly #done: string;
  readonly #stderr: string;

  private constructor(start: ProgramStart, directory: string) {
    this.transport = start.transport;
    this.#done = HALVES[start.half].done;
    this.#stderr = `${directory}/${start.half}.stderr`;
    const command = [...STDERR_TO_FILE, this.#stderr, ...start.prefix ?? [], ...start.command];
    this.child = new RawChild(command, variablesOf(start, directory));
  }

  /** Starts a program, which may not have said a word yet. */
  static spawn(start: ProgramStart, directory: string): Program {
    return new Program(start, directory);
  }

  /** Starts a program and waits until it is ready. */
  static async start(start: ProgramStart, directory: string): Promise<Program> {
    const program = new Program(start, directory);
    try {
      await program.untilDone();
      return program;
    } catch (error) {
      const stderr = await Deno.readTextFile(program.#stderr).catch(() => "");
      await program[Symbol.asyncDispose]();
      throw new Error(`The program does not start: ${error}\n${stderr}`);
    }
  }

  /** Waits for its DONE line; gives what it has said. */
  untilDone(): Promise<string> {
    return this.child.until(this.#done);
  }

  /** Where it listens. */
  get address(): Address {
    return ["127.0.0.1", this.child.port(this.transport)];
  }

  /** How many descriptors it has open, but for stdin, which it opens again to watch for its end. */
  descriptors(): number {
    const directory = `/proc/${this.child.pid}/fd`;
    const places = Array.from(Deno.readDirSync(directory), ({ name }) => {
      try {
        return Deno.readLinkSync(`${directory}/${name}`);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return null; // It was closed meanwhile.
        throw error;
      }
    });
    const stdin = Deno.readLinkSync(`${directory}/0`);
    return places.filter((place) => place !== null && place !== stdin).length;
  }

  /** Whether it runs. */
  async lives(): Promise<boolean> {
    try {
      const status = await Deno.readTextFile(`/proc/${this.child.pid}/status`);
      return !/^State:\s+Z/m.test(status);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Waits for its end. */
  async ended(): Promise<ProgramEnd> {
    const said = await this.child.untilEnd();
    const { code, signal } = await this.child.status();
    const behind = said.split(`${this.#done}\n`)[1] ?? "";
    const logged = behind.split("\n").filter((line) => line !== "");
    return { code, signal, logged, stderr: await Deno.readTextFile(this.#stderr) };
  }

  /** Ends it as tor does. */
  async end(): Promise<ProgramEnd> {
    await this.child.closeStdin();
    return await this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
  }
}
