/** A system clock that jumps, as libfaketime shows it to one program. */

import { EchoServer } from "../echo.ts";
import { take } from "../net/scripted_peer.ts";
import { connectRequest, NO_AUTH } from "../net/socks_bytes.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { faketimeLibrary } from "./needs.ts";
import { bridgeScene, clientScene, ends } from "./scene.ts";
import { TorPort } from "./tor_port.ts";
import { pause } from "../waiting.ts";

const DAY = 24 * 60 * 60 * 1_000;
/** How long a deadline that fires at once would take at most, in milliseconds. */
const AT_ONCE = 2_000;
/** How long one of 10 s may take, in milliseconds. */
const TEN_SECONDS = 40_000;

/** A clock for one program. */
class Clock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  static async create(directory: string): Promise<Clock> {
    const clock = new Clock(`${directory}/clock`);
    await Deno.writeTextFile(clock.#file, "+0");
    return clock;
  }

  /** What shows the clock to the program behind it. Timers keep the time of the machine. */
  get prefix(): string[] {
    return [
      "env",
      `LD_PRELOAD=${faketimeLibrary()}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#file}`,
      "FAKETIME_NO_CACHE=1",
      "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ];
  }

  async jump(days: number): Promise<void> {
    await Deno.writeTextFile(this.#file, `${days < 0 ? "-" : "+"}${Math.abs(days)}d`);
  }

  /** Looks whether programs see the jump. */
  async seeJump(findings: Findings, days: number): Promise<void> {
    const [program = "", ...args] = this.prefix;
    const deno = [Deno.execPath(), "eval", "--no-config", "console.log(Date.now())"];
    const { stdout } = await new Deno.Command(program, { args: [...args, ...deno] }).output();
    const seen = (Number(new TextDecoder().decode(stdout)) - Date.now()) / DAY;
    if (Math.round(10 * seen) !== 10 * days) findings.see(`the clock is ${seen} days off`, false);
  }
}

/** What waits for the deadline of a handshake. */
interface Pending {
  /** A connection that must end by its deadline. */
  late: Deno.Conn;
  /** Goes on with another one, which must come to its end. */
  finish?: () => Promise<boolean>;
}

async function seeJump(
  findings: Findings,
  { clock, days, pending }: {
    clock: Clock;
    days: number;
    pending: () => Promise<Pending>;
  },
): Promise<void> {
  const { late, finish } = await pending();
  using _late = late;
  let ended = false;
  const ending = ends(late, TEN_SECONDS).then((soon) => ended = soon);
  await clock.jump(days);
  await pause(AT_ONCE);
  findings.see(ended ? "a deadline has fired at once" : "no deadline fires at once", !ended);
  if (finish !== undefined) {
    const finished = await finish();
    findings.see(finished ? "a handshake is finished" : "no handshake is finished", finished);
  }
  await clock.seeJump(findings, days);
  await ending;
  findings.see(ended ? "one fires in time" : "none fires", ended);
}

const JUMPS = [["forward", 1], ["backward", -1]] as const;

const users = JUMPS.map(([direction, days]): Fault => ({
  what: `the clock jumps ${direction} by a day while users talk SOCKS`,
  where: "dummy_client.ts",
  must: "deadlines fire in time, others are served, no line",
  needs: ["faketime"],
  waits: 10,
  async try(findings, directory) {
    const clock = await Clock.create(directory);
    using echo = new EchoServer();
    await using scene = await clientScene([echo.address], { directory, prefix: clock.prefix });
    const [hostname, port] = scene.program.address;
    const begin = async () => {
      const user = await Deno.connect({ hostname, port });
      await user.write(Uint8Array.from(NO_AUTH));
      await take(user, 2);
      return user;
    };
    const pending = async () => {
      const [late, user] = [await begin(), await begin()];
      const finish = async () => {
        using _user = user;
        await user.write(Uint8Array.from(connectRequest(echo.address)));
        return (await take(user, 10))[1] === 0;
      };
      return { late, finish };
    };
    await seeJump(findings, { clock, days, pending });
    await scene.seeSurvival(findings, { lines: [0] });
  },
}));

const orPorts = JUMPS.map(([direction, days]): Fault => ({
  what: `the clock jumps ${direction} by a day while tor does not answer`,
  where: "dummy_server.ts",
  must: "deadlines fire in time, others are served, 1 line",
  needs: ["faketime"],
  waits: 10,
  async try(findings, directory) {
    const clock = await Clock.create(directory);
    await using tor = await TorPort.open();
    await using scene = await bridgeScene(tor, { directory, prefix: clock.prefix });
    const pending = async () => {
      tor.isSilent = true;
      return { late: await scene.open() };
    };
    await seeJump(findings, { clock, days, pending });
    tor.isSilent = false;
    await scene.seeSurvival(findings, { lines: [1] });
  },
}));

export const clock: FaultGroup = { name: "clock", faults: [...users, ...orPorts] };
