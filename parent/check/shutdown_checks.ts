/**
 * Checks of how a transport ends, and of how it does not (pt-spec sections 3.2.1 and 3.4).
 *
 * @module
 */

import { type Bench, endWords, type Running } from "./bench.ts";
import type { Check } from "./check.ts";
import type { Child } from "./child.ts";
import type { Variables } from "./environment.ts";
import { refuses } from "./far.ts";
import { settled } from "../patience.ts";
import { route } from "./route.ts";
import { expect, precondition, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const ON_STDIN = "TOR_PT_EXIT_ON_STDIN_CLOSE";
/** How long a program is left alone before it is judged or signalled, in milliseconds. */
const WATCH = 500;

/** Starts a program of its own behind a shell, which says who that is. */
const BEHIND_A_SHELL = 'exec 3<&0; "$@" <&3 & echo "CHILD $!"; exec 3<&-; wait';

async function ends(running: Running, why: string): Promise<Deno.CommandStatus> {
  const status = await running.child.ended();
  expect(status !== null, `the program's end, because ${why}`, endWords(status));
  return status;
}

/** Expects a program to go on, as its listener shows. */
async function goesOn({ child, method }: Running, although: string): Promise<void> {
  await settled(child.silent, WATCH);
  const gone = await refuses(method.address);
  const got = gone ? "nobody listens any more" : endWords(child.status);
  expect(child.status === null && !gone, `a program that goes on, although ${although}`, got);
}

/** A program that can be seen to go on. */
async function listening(bench: Bench, changes: Variables = {}): Promise<Running> {
  const running = await bench.running(changes);
  if (!await refuses(running.method.address)) return running;
  throw new Skipped("needs a program that listens where it says");
}

async function endsOn(bench: Bench, signal: Deno.Signal): Promise<Deno.CommandStatus> {
  if (Deno.build.os === "windows") throw new Skipped(`needs ${signal}, which Windows has not`);
  const running = await bench.running();
  // Nothing says that the program has got as far as to handle signals.
  await settled(running.child.silent, WATCH);
  running.child.signal(signal);
  return await ends(running, `of ${signal}`);
}

/** A program whose parent is not us: nobody else would end it. */
class Grandchild implements AsyncDisposable {
  constructor(readonly parent: Child, readonly pid: number) {}

  async [Symbol.asyncDispose](): Promise<void> {
    // Its stdout is open for as long as it lives, so until then the process id is its own.
    if (await settled(this.parent.silent, 0) !== null) return;
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
    id: "stdin-closed",
    roles: BOTH,
    title: `ends when stdin is closed and ${ON_STDIN} is 1`,
    section: "pt-spec 3.2.1",
    grade: "SHOULD",
    hand: "press Ctrl-D",
    async run(bench) {
      const running = await bench.running();
      await running.child.closeStdin();
      await ends(running, "stdin is closed");
    },
  },
  {
    id: "stdin-closed-status",
    roles: BOTH,
    title: "ends with status 0 when stdin is closed",
    section: "pt-spec 3.4",
    grade: "robustness",
    hand: "press Ctrl-D and look at $?",
    async run(bench) {
      const { child } = await bench.running();
      await child.closeStdin();
      const status = await child.ended();
      if (status === null) throw new Skipped("needs a program that ends when stdin is closed");
      expect(status.success, "status 0", endWords(status));
    },
  },
  {
    id: "stdin-closed-unasked",
    roles: BOTH,
    title: `goes on when stdin is closed and ${ON_STDIN} is not set`,
    section: "pt-spec 3.2.1",
    grade: "MUST",
    hand: "press Ctrl-D",
    async run(bench) {
      const running = await listening(bench, { [ON_STDIN]: null });
      await running.child.closeStdin();
      await goesOn(running, "stdin is closed");
    },
  },
  {
    id: "stdin-closed-other",
    roles: BOTH,
    title: `goes on when stdin is closed and ${ON_STDIN} is not 1`,
    section: "pt-spec 3.2.1",
    grade: "MUST",
    hand: "press Ctrl-D",
    async run(bench) {
      const running = await listening(bench, { [ON_STDIN]: "0" });
      await running.child.closeStdin();
      await goesOn(running, "stdin is closed");
    },
  },
  {
    id: "stdin-bytes",
    roles: BOTH,
    title: "goes on when something comes on stdin",
    section: "pt-spec 3.2.1",
    grade: "robustness",
    hand: "press Enter",
    async run(bench) {
      const running = await listening(bench);
      await running.child.tell(new TextEncoder().encode("\n\n"));
      await goesOn(running, "something came on stdin");
    },
  },
  {
    id: "stdin-closed-busy",
    roles: BOTH,
    title: "ends when stdin is closed, whatever connections are open",
    section: "pt-spec 3.4",
    grade: "robustness",
    hand: "open a connection through it and press Ctrl-D",
    async run(bench) {
      const running = await busy(bench);
      await running.child.closeStdin();
      await ends(running, "stdin is closed");
    },
  },
  {
    id: "sigterm",
    roles: BOTH,
    title: "ends on SIGTERM",
    section: "pt-spec 3.4",
    grade: "SHOULD",
    hand: "send it SIGTERM",
    async run(bench) {
      await endsOn(bench, "SIGTERM");
    },
  },
  {
    id: "sigterm-status",
    roles: BOTH,
    title: "handles SIGTERM and ends with status 0",
    section: "pt-spec 3.4",
    grade: "SHOULD",
    hand: "send it SIGTERM and look at $?",
    async run(bench) {
      const status = await endsOn(bench, "SIGTERM").catch((error) => {
        throw error instanceof Skipped
          ? error
          : new Skipped("needs a program that ends on SIGTERM");
      });
      expect(status.success, "status 0", endWords(status));
    },
  },
  {
    id: "sigint",
    roles: BOTH,
    title: "ends on SIGINT when no connection is open",
    section: "pt-spec 3.4",
    grade: "robustness",
    hand: "press Ctrl-C",
    async run(bench) {
      await endsOn(bench, "SIGINT");
    },
  },
  {
    id: "parent-gone",
    roles: BOTH,
    title: "ends when its parent is gone",
    section: "pt-spec 3.4",
    grade: "SHOULD",
    hand: "start it in the background of a shell, and kill that shell with SIGKILL",
    async run(bench) {
      if (Deno.build.os === "windows") throw new Skipped("needs a shell of POSIX");
      const wrap = ["sh", "-c", BEHIND_A_SHELL, "sh"];
      const child = await bench.start({ [ON_STDIN]: null }, { wrap });
      const line = await child.line(({ text }) => /^CHILD \d+$/.test(text));
      if (line === null) throw new Skipped("needs a shell that starts the program");
      bench.own(new Grandchild(child, Number(line.text.slice("CHILD ".length))));
      await bench.untilRunning(child);
      // Nothing says that the program has got as far as to look for its parent.
      await settled(child.silent, WATCH);
      child.signal("SIGKILL");
      const silent = await settled(child.silent, bench.subject.patience);
      expect(silent === true, "the program's end, because its parent is gone", "it goes on");
    },
  },
];

/** A program with a connection through it. */
async function busy(bench: Bench): Promise<Running> {
  const way = await route(bench, { alone: true });
  const { user, far } = await way.open();
  await user.send(Uint8Array.of(1));
  await precondition(far.receive(1, "a byte through the connection"));
  return way.checked;
}
