/**
 * Checks of how a transport ends, and of how it does not (pt-spec sections 3.2.1 and 3.4).
 *
 * @module
 */

import { isLoopback } from "../address.ts";
import { endWords, type Fixture, type Running } from "./fixture.ts";
import type { Check } from "./definition.ts";
import type { Program } from "./checked_program.ts";
import type { Variables } from "./program_environment.ts";
import { refuses } from "./listener.ts";
import { resultWithin } from "../parent/result_within.ts";
import { testTunnel } from "./test_tunnel.ts";
import { expect, precondition, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const ON_STDIN = "TOR_PT_EXIT_ON_STDIN_CLOSE";
/** How long a program is left alone before it is judged or signalled, in milliseconds. */
const WATCH = 500;
/** How long a program has to live that nobody asks for anything, in milliseconds. */
const ALONE = 10_000;
/** What a shell says of a program that SIGTERM has ended: 128 + 15. */
const SIGTERM_STATUS = 143;

/** Starts a program of its own behind a shell, which says who that is. */
const BEHIND_A_SHELL = 'exec 3<&0; "$@" <&3 & echo "CHILD $!"; exec 3<&-; wait';

async function ends(running: Running, why: string): Promise<Deno.CommandStatus> {
  const status = await running.program.ended();
  expect(status !== null, `the program's end, because ${why}`, endWords(status));
  return status;
}

/** Expects a program to go on, as its listener shows. */
async function goesOn({ program, method }: Running, although: string): Promise<void> {
  await resultWithin(program.silent, WATCH);
  const gone = await refuses(method.address);
  const got = gone ? "nobody listens any more" : endWords(program.status);
  expect(program.status === null && !gone, `a program that goes on, although ${although}`, got);
}

/** A program that has been seen to listen. */
async function seen(fixture: Fixture, changes: Variables = {}): Promise<Running> {
  const running = await fixture.running(changes);
  const { address } = running.method;
  if (isLoopback(address[0]) && !await refuses(address)) return running;
  throw new Skipped("needs a program that listens where it says");
}

/** A program that can be seen to go on: to be looked at does not end it. */
async function listening(fixture: Fixture, changes: Variables = {}): Promise<Running> {
  await precondition(goesOn(await seen(fixture), "somebody connects and leaves"));
  return await seen(fixture, changes);
}

/** Sends a signal to a program and expects its end. */
async function endsOn(signal: Deno.Signal, running: Running): Promise<Deno.CommandStatus> {
  if (Deno.build.os === "windows") throw new Skipped(`needs ${signal}, which Windows has not`);
  // Nothing says that the program has got as far as to handle signals.
  await resultWithin(running.program.silent, WATCH);
  running.program.signal(signal);
  return await ends(running, `of ${signal}`);
}

/** How a program ends on SIGTERM; that it does is another check's. */
async function endOnSigterm(fixture: Fixture): Promise<Deno.CommandStatus> {
  return await precondition(endsOn("SIGTERM", await fixture.running()));
}

/** A program whose parent is not us: nobody else would end it. */
class Grandchild implements AsyncDisposable {
  readonly parent: Program;
  readonly pid: number;

  constructor(parent: Program, pid: number) {
    this.parent = parent;
    this.pid = pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its stdout is open for as long as it lives, so until then the process id is its own.
    if (await resultWithin(this.parent.silent, 0) !== null) return;
    try {
      Deno.kill(this.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The checks of the end. */
export const shutdownChecks: readonly Check[] = [
  {
    id: "alone",
    roles: BOTH,
    title: `goes on for ${ALONE / 1000} s when it is left alone`,
    section: "pt-spec 3 (7)",
    level: "MUST",
    async run(fixture) {
      const { program } = await fixture.running();
      await program.ended(ALONE);
      expect(program.status === null, "a program that goes on", endWords(program.status));
    },
  },
  {
    id: "stdin-closed",
    roles: BOTH,
    title: `ends when stdin is closed and ${ON_STDIN} is 1`,
    section: "pt-spec 3.2.1",
    level: "SHOULD",
    hand: "press Ctrl-D",
    async run(fixture) {
      const running = await fixture.running();
      await running.program.closeStdin();
      await ends(running, "stdin is closed");
    },
  },
  {
    id: "stdin-closed-status",
    roles: BOTH,
    title: "ends with status 0 when stdin is closed",
    section: "pt-spec 3.4",
    level: "robustness",
    hand: "press Ctrl-D and look at $?",
    async run(fixture) {
      const { program } = await fixture.running();
      await program.closeStdin();
      const status = await program.ended();
      if (status === null) throw new Skipped("needs a program that ends when stdin is closed");
      expect(status.success, "status 0", endWords(status));
    },
  },
  {
    id: "stdin-closed-unasked",
    roles: BOTH,
    title: `goes on when stdin is closed and ${ON_STDIN} is not set`,
    section: "pt-spec 3.2.1",
    level: "MUST",
    hand: "press Ctrl-D",
    async run(fixture) {
      const running = await listening(fixture, { [ON_STDIN]: null });
      await running.program.closeStdin();
      await goesOn(running, "stdin is closed");
    },
  },
  {
    id: "stdin-closed-other",
    roles: BOTH,
    title: `goes on when stdin is closed and ${ON_STDIN} is not 1`,
    section: "pt-spec 3.2.1",
    level: "MUST",
    hand: "press Ctrl-D",
    async run(fixture) {
      const running = await listening(fixture, { [ON_STDIN]: "0" });
      await running.program.closeStdin();
      await goesOn(running, "stdin is closed");
    },
  },
  {
    id: "stdin-bytes",
    roles: BOTH,
    title: "goes on when something comes on stdin",
    section: "pt-spec 3.2.1",
    level: "robustness",
    hand: "press Enter",
    async run(fixture) {
      const running = await listening(fixture);
      await running.program.tell(new TextEncoder().encode("\n\n"));
      await goesOn(running, "something came on stdin");
    },
  },
  {
    id: "stdin-closed-busy",
    roles: BOTH,
    title: "ends when stdin is closed, whatever connections are open",
    section: "pt-spec 3.4",
    level: "robustness",
    hand: "open a connection through it and press Ctrl-D",
    async run(fixture) {
      const running = await busy(fixture);
      await running.program.closeStdin();
      await ends(running, "stdin is closed");
    },
  },
  {
    id: "sigterm",
    roles: BOTH,
    title: "ends on SIGTERM",
    section: "pt-spec 3.4",
    level: "SHOULD",
    hand: "send it SIGTERM",
    async run(fixture) {
      await endsOn("SIGTERM", await fixture.running());
    },
  },
  {
    id: "sigterm-busy",
    roles: BOTH,
    title: "ends on SIGTERM, whatever connections are open",
    section: "pt-spec 3.4",
    level: "robustness",
    hand: "open a connection through it and send it SIGTERM",
    async run(fixture) {
      await endsOn("SIGTERM", await busy(fixture));
    },
  },
  {
    id: "sigterm-handled",
    roles: BOTH,
    title: "handles SIGTERM, rather than being ended by it",
    section: "pt-spec 3.4",
    // What cleans up in its handler and ends itself by SIGTERM then looks the same as what has none.
    level: "robustness",
    hand: "send it SIGTERM and look at $?",
    async run(fixture) {
      const status = await endOnSigterm(fixture);
      expect(status.signal === null, "an end of its own", endWords(status));
    },
  },
  {
    id: "sigterm-status",
    roles: BOTH,
    title: "ends with status 0 on SIGTERM",
    section: "pt-spec 3.4",
    level: "robustness",
    hand: "send it SIGTERM and look at $?",
    async run(fixture) {
      const status = await endOnSigterm(fixture);
      if (status.signal !== null) throw new Skipped("needs a program that handles SIGTERM");
      const good = status.success || status.code === SIGTERM_STATUS;
      expect(good, `status 0, or a shell's ${SIGTERM_STATUS}`, endWords(status));
    },
  },
  {
    id: "sigint",
    roles: BOTH,
    title: "ends on SIGINT when no connection is open",
    section: "proposal 180",
    level: "robustness",
    hand: "press Ctrl-C",
    async run(fixture) {
      await endsOn("SIGINT", await fixture.running());
    },
  },
  {
    id: "parent-gone",
    roles: BOTH,
    title: "ends when its parent is gone, also where stdin stays open",
    section: "pt-spec 3.4",
    level: "SHOULD",
    hand: "start it in the background of a shell, and kill that shell with SIGKILL",
    async run(fixture) {
      if (Deno.build.os === "windows") throw new Skipped("needs a shell of POSIX");
      const wrap = ["sh", "-c", BEHIND_A_SHELL, "sh"];
      const program = await fixture.start({ [ON_STDIN]: null }, { wrap });
      const line = await program.line(({ text }) => /^CHILD \d+$/.test(text));
      if (line === null) throw new Skipped("needs a shell that starts the program");
      fixture.own(new Grandchild(program, Number(line.text.slice("CHILD ".length))));
      await fixture.untilRunning(program);
      // Nothing says that the program has got as far as to look for its parent.
      await resultWithin(program.silent, WATCH);
      program.signal("SIGKILL");
      const silent = await resultWithin(program.silent, fixture.subject.timeout);
      expect(silent === true, "the program's end, because its parent is gone", "it goes on");
    },
  },
];

/** A program with a connection through it. */
async function busy(fixture: Fixture): Promise<Running> {
  const tunnel = await testTunnel(fixture, { alone: true });
  const { user, backend } = await tunnel.open();
  await user.send(Uint8Array.of(1));
  await precondition(backend.receive(1, "a byte through the connection"));
  return tunnel.checked;
}
