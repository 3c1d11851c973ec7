/**
 * Runs the shell blocks of one document in their order, and compares what they print with what the
 * document shows below them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { freePort } from "../../testing/free_port.ts";
import { isInstalled } from "../../tor/programs.ts";
import { EchoServer } from "../echo.ts";
import { peerMissing } from "../interop/peers.ts";
import { namespaceMissing } from "../network_namespace.ts";
import { type Block, placeOf, ROOT } from "./markdown.ts";
import { assertShown } from "./printed.ts";
import { isPeer, Terminal } from "./terminal.ts";
import type { Run, Service } from "./way.ts";

/** Why `deno bundle` cannot bundle here; null when it can. */
function bundlerMissing(): string | null {
  const { success } = new Deno.Command(Deno.execPath(), {
    args: ["bundle", new URL("util.ts", ROOT).pathname],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success ? null : "needs esbuild, which deno bundle gets from npm";
}

/** Why something that a block needs is not here; null when it is. */
function missing(need: string): string | null {
  if (need === "namespace") return namespaceMissing({ setup: "" });
  if (need === "deno bundle") return bundlerMissing();
  if (isPeer(need)) return peerMissing(need);
  return isInstalled(need) ? null : `needs ${need}`;
}

/** Why a block cannot be run here; null when it can. */
export function missingFor({ needs = [] }: Run): string | null {
  return needs.map(missing).find((reason) => reason !== null) ?? null;
}

/** The commands of a block, each with all its lines. */
function commandsOf(text: string): string[] {
  return text.match(/(?:[^\n]*\\\n)*[^\n]+\n?/g) ?? [];
}

/** What is printed of a checkout, whose stand-ins for `@std` are linked, and not of what JSR has. */
const LINKS_WARNING = /^Warning "links" field can only be specified in .*\n +at file:.*\n/gm;

/** The addresses in a text that are not of this machine, or have a port that somebody may have. */
function foreignAddresses(text: string): string[] {
  const addresses = text.matchAll(/(?<![\w.])\d+\.\d+\.\d+\.\d+(?![\w.])(?::[1-9]\d*)?/g);
  return Array.from(addresses, ([address]) => address)
    .filter((address) => !address.startsWith("127.") || address.includes(":"));
}

/** A document as its reader goes through it. */
export class Session implements AsyncDisposable {
  readonly #terminal: Terminal;
  readonly #echo = new EchoServer();
  /** What stands for a name, such as `%echo%`. */
  readonly #values: Map<string, string>;

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#values = new Map([
      ["echo", String(this.#echo.address[1])],
      ["here", terminal.home],
      ["checkout", ROOT.pathname.slice(0, -1)],
      ["path", Deno.env.get("PATH") ?? ""],
    ]);
  }

  static async begin(): Promise<Session> {
    return new Session(await Terminal.open());
  }

  /** Another one, at the same place. */
  async copy(): Promise<Session> {
    return new Session(await this.#terminal.copy());
  }

  /** A text with its values in the places of their names. */
  #fill(text: string): string {
    return text.replace(/%(\w+)%/g, (_, name: string) => {
      const value = this.#values.get(name) ?? String(freePort());
      this.#values.set(name, value);
      return value;
    });
  }

  /** What is run in the place of a block. */
  #scriptOf(block: Block, { instead = {} }: Run): string {
    let script = block.text;
    for (const [from, to] of Object.entries(instead)) {
      assert(
        script.includes(from),
        `${placeOf(block)} has no ${from} to put something in its place`,
      );
      script = script.replaceAll(from, () => to);
    }
    assertEquals(foreignAddresses(script), [], `${placeOf(block)} has addresses that are not ours`);
    return script;
  }

  /** Starts a command that goes on running, and tries it. */
  async #serve(command: string, { ready, trial, stays }: Service): Promise<string> {
    const [printed, { groups = {} }] = await this.#terminal.serve(command, ready);
    for (const [name, value] of Object.entries(groups)) this.#values.set(name, value);
    if (trial !== undefined) {
      const { code, printed } = await this.#terminal.run(this.#fill(trial));
      assertEquals(code, 0, `${command} does not work: ${trial}\n${printed}`);
    }
    if (!stays) await this.#terminal.interrupt();
    return printed;
  }

  /** Runs a block, some of whose commands go on running; returns what it printed. */
  async #serveAll(script: string, services: readonly Service[]): Promise<string> {
    const left = [...services];
    let printed = "";
    for (const command of commandsOf(script)) {
      const [service] = left;
      if (service !== undefined && command.startsWith(service.command)) {
        left.shift();
        printed += await this.#serve(this.#fill(command), service);
      } else {
        const ended = await this.#terminal.run(this.#fill(command));
        printed += ended.printed;
        assertEquals(ended.code, 0, printed);
      }
    }
    assertEquals(left.map(({ command }) => command), [], "commands that are not in the block");
    return printed;
  }

  /** Writes the file that a block is. */
  async write(path: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.#terminal.home}/${path}`, text);
  }

  /** Runs a block, and compares what it prints with what is shown of it. */
  async run(block: Block, way: Run, shown: Block | undefined): Promise<void> {
    for (const [name, path] of Object.entries(way.files ?? {})) {
      await Deno.copyFile(new URL(path, ROOT), `${this.#terminal.home}/${name}`);
    }
    for (const [name, script] of Object.entries(way.stubs ?? {})) {
      await this.#terminal.install(name, `#!/bin/bash\n${this.#fill(script)}\n`);
    }
    for (const service of way.beside ?? []) {
      await this.#serve(this.#fill(service.command), { ...service, stays: true });
    }
    const script = this.#scriptOf(block, way);
    let printed;
    if (way.services === undefined) {
      const ended = await this.#terminal.run(this.#fill(script));
      printed = ended.printed;
      assertEquals(
        ended.code,
        way.status ?? 0,
        `${placeOf(block)} ends so, and prints\n${printed}`,
      );
    } else {
      printed = await this.#serveAll(script, way.services);
    }
    if (shown === undefined) return;
    assertShown(printed.replace(LINKS_WARNING, ""), shown.text, placeOf(shown));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#terminal[Symbol.asyncDispose]();
    this.#echo[Symbol.dispose]();
  }
}
