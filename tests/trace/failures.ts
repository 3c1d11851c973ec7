/** Everything that can go wrong with an upstream proxy, and what goes right. */

import type { Address } from "../../address.ts";
import type { ProxyInfo } from "../../config.ts";
import { type StreamConn, writeAll } from "../../net/conn.ts";
import type { ResettableConn } from "../../testing/mod.ts";
import {
  readHttp,
  readSocks4a,
  readSocks5Credentials,
  readSocks5Method,
  readSocks5Target,
} from "../net/upstream_proxy.ts";
import { untilEnd } from "./scripted_proxy.ts";

/** What a user gets: all that was sent, only the first of it, or nothing. */
export type Outcome = "carried" | "cut" | "refused";

/** The place behind the proxy, and what the proxy knows of the user. */
export interface Scene {
  /** Plays the target on a connection. */
  serve(conn: StreamConn): Promise<void>;
  /** Is told what the proxy was asked for. */
  asked(target: Address): void;
  /** Is told that the proxy will say nothing more. */
  silent(): void;
  /** Resolves when the user has got something back from the target. */
  carried: Promise<void>;
}

/** Something that a proxy does. */
export interface Failure {
  name: string;
  /** What the user gets by it; null for one who does not wait for it. */
  outcome: Outcome | null;
  play(conn: ResettableConn, scene: Scene): Promise<void>;
  /** Whether it takes as long as the longest time that a way to the target may take. */
  slow?: boolean;
}

/** A message of the client's, and the answer to it that makes it go on. */
interface Step {
  what: string;
  read(conn: StreamConn, scene: Scene): Promise<void>;
  answer: Uint8Array;
}

const utf8 = new TextEncoder();
const GRANTED = utf8.encode("HTTP/1.1 200 Connection established\r\n\r\n");
const ANNOUNCED = "HTTP/1.1 100 Continue\r\n\r\n";
const GARBAGE = utf8.encode("SSH-2.0-OpenSSH_9.2\r\n\r\n");

/** The steps of a handshake. */
function stepsOf({ scheme, user }: ProxyInfo): Step[] {
  if (scheme === "http" || scheme === "socks4a") {
    const [read, answer] = scheme === "http"
      ? [readHttp, GRANTED] as const
      : [readSocks4a, Uint8Array.of(0, 90, 0, 0, 0, 0, 0, 0)] as const;
    return [{
      what: "request",
      read: async (conn, { asked }) => asked((await read(conn)).target),
      answer,
    }];
  }
  const method: Step = {
    what: "greeting",
    read: async (conn) => void await readSocks5Method(conn),
    answer: Uint8Array.of(5, user === undefined ? 0 : 2),
  };
  const credentials: Step = {
    what: "credentials",
    read: async (conn) => void await readSocks5Credentials(conn),
    answer: Uint8Array.of(1, 0),
  };
  const request: Step = {
    what: "request",
    read: async (conn, { asked }) => asked(await readSocks5Target(conn)),
    answer: Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
  };
  return user === undefined ? [method, request] : [method, credentials, request];
}

/** Goes on to where a step wants its answer. */
async function reach(
  steps: readonly Step[],
  step: Step,
  conn: StreamConn,
  scene: Scene,
): Promise<void> {
  for (const before of steps.slice(0, steps.indexOf(step))) {
    await before.read(conn, scene);
    await writeAll(conn, before.answer);
  }
  await step.read(conn, scene);
}

type Instead = (conn: ResettableConn, step: Step, scene: Scene) => void | Promise<void>;

/** What a proxy can do at any step instead of an answer, and waits until the client has gone. */
const INSTEAD: Readonly<Record<string, Instead>> = {
  "closes": (conn) => conn.close(),
  "resets": (conn) => conn.reset(),
  "half-closes": (conn) => conn.closeWrite(),
  "cuts the answer": async (conn, { answer }) => {
    await writeAll(conn, answer.subarray(0, answer.length / 2));
    await conn.closeWrite();
  },
  "resets in the answer": async (conn, { answer }) => {
    await writeAll(conn, answer.subarray(0, answer.length / 2));
    conn.reset();
  },
  "talks another protocol": (conn) => writeAll(conn, GARBAGE),
};

function silence(steps: readonly Step[], step: Step, slow: boolean): Failure {
  const [who, outcome] = slow
    ? ["nobody waits longer", "refused"] as const
    : ["the user gives up", null] as const;
  return {
    name: `is silent after the ${step.what}: ${who}`,
    outcome,
    slow,
    async play(conn, scene) {
      await reach(steps, step, conn, scene);
      scene.silent();
      await untilEnd(conn);
    },
  };
}

function failuresAt(steps: readonly Step[], step: Step): Failure[] {
  const instead = Object.entries(INSTEAD).map(([name, fail]): Failure => ({
    name: `${name} after the ${step.what}`,
    outcome: "refused",
    async play(conn, scene) {
      await reach(steps, step, conn, scene);
      await fail(conn, step, scene);
      await untilEnd(conn);
    },
  }));
  return [...instead, silence(steps, step, false), silence(steps, step, true)];
}

/** Wrong answers to a step. */
function answersTo(
  steps: readonly Step[],
  what: string,
  answers: readonly (readonly [name: string, answer: readonly number[] | string])[],
): Failure[] {
  const step = steps.find((step) => step.what === what);
  if (step === undefined) return [];
  return answers.map(([name, answer]) => ({
    name,
    outcome: "refused",
    async play(conn, scene) {
      await reach(steps, step, conn, scene);
      await writeAll(
        conn,
        typeof answer === "string" ? utf8.encode(answer) : Uint8Array.of(...answer),
      );
      await untilEnd(conn);
    },
  }));
}

const SOCKS5_REPLIES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 255];
const SOCKS4_REPLIES = [91, 92, 93, 0];
const STATUSES = [301, 400, 403, 404, 405, 407, 500, 502, 503, 504];

/** The wrong answers that a scheme knows. */
function wrongAnswers(scheme: ProxyInfo["scheme"], steps: readonly Step[]): Failure[] {
  switch (scheme) {
    case "http":
      return answersTo(steps, "request", [
        ...STATUSES.map((status) =>
          [`replies ${status}`, `HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`] as const
        ),
        ["switches protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
        ["announces a reply for ever", ANNOUNCED.repeat(17)],
        ["speaks HTTP/2", "HTTP/2 200\r\n\r\n"],
        ["sends an endless head", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(3_000)}`],
      ]);
    case "socks4a":
      return answersTo(steps, "request", [
        ...SOCKS4_REPLIES.map((code) => [`replies ${code}`, [0, code, 0, 0, 0, 0, 0, 0]] as const),
        ["answers in another version", [4, 90, 0, 0, 0, 0, 0, 0]],
      ]);
    case "socks5":
      return [
        ...answersTo(steps, "greeting", [
          ["refuses the method", [5, 0xff]],
          ["chooses a method that was not offered", [5, 1]],
          ["answers the greeting in another version", [4, 0]],
        ]),
        ...answersTo(steps, "credentials", [
          ["refuses the credentials", [1, 1]],
          ["answers the credentials in another version", [5, 0]],
        ]),
        ...answersTo(steps, "request", [
          ...SOCKS5_REPLIES.map((code) =>
            [`replies ${code}`, [5, code, 0, 1, 0, 0, 0, 0, 0, 0]] as const
          ),
          ["replies with an unknown type of address", [5, 0, 0, 9, 0, 0, 0, 0, 0, 0]],
          ["answers the request in another version", [4, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
        ]),
      ];
  }
}

/** Connects, so that the user's bytes reach the target, and then ends it in some way. */
function connects(
  steps: readonly Step[],
  name: string,
  outcome: Outcome,
  end: (conn: ResettableConn) => void,
  announced = "",
): Failure {
  return {
    name,
    outcome,
    async play(conn, scene) {
      const last = steps.at(-1)!;
      await reach(steps, last, conn, scene);
      await writeAll(conn, utf8.encode(announced));
      await writeAll(conn, last.answer);
      const served = scene.serve(conn);
      if (outcome === "carried") return await served;
      served.catch(() => {}); // It is cut.
      await scene.carried;
      end(conn);
    },
  };
}

/** Everything that a proxy of a kind can do while it listens. */
export function failuresOf(proxy: ProxyInfo): Failure[] {
  const steps = stepsOf(proxy);
  const never = () => {};
  return [
    connects(steps, "connects", "carried", never),
    ...proxy.scheme === "http"
      ? [connects(steps, "announces, then connects", "carried", never, ANNOUNCED.repeat(16))]
      : [],
    connects(steps, "closes in mid-connection", "cut", (conn) => conn.close()),
    connects(steps, "resets in mid-connection", "cut", (conn) => conn.reset()),
    { name: "closes at once", outcome: "refused", play: async (conn) => await conn.close() },
    { name: "resets at once", outcome: "refused", play: async (conn) => await conn.reset() },
    ...steps.flatMap((step) => failuresAt(steps, step)),
    ...wrongAnswers(proxy.scheme, steps),
  ];
}

/** Nobody listens where the proxy was. */
export const REFUSES = "refuses";
