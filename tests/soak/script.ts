/**
 * What the two ends of one connection do. The user draws it and sends it ahead, so that the
 * destination knows its part, and what has to arrive.
 *
 * @module
 */

import { readFull, type StreamConn } from "@ptlib/ptlib/net";
import { between, choose, random } from "./random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The two ends. */
export type Side = "user" | "destination";

/** What one end does. */
export interface Part {
  /** How many bytes it sends. */
  send: number;
  /** In how many pieces, and how long it rests after each, in milliseconds. */
  pieces: number;
  rest: number;
  /** Whether it sends only after the other end's stream has ended. */
  answers: boolean;
  /** How many bytes it reads before it does what it does at its end; null for all. */
  read: number | null;
  /** How long it rests after each read, in milliseconds. */
  readRest: number;
  /** How it ends: as one does, by closing, by a reset, or by reading and writing nothing more. */
  end: "half-close" | "close" | "reset" | "silence";
}

/** What both ends of a connection do. */
export interface Script {
  id: number;
  kind: Kind;
  user: Part;
  destination: Part;
  /** Whether the user's process may be stopped and killed meanwhile. */
  doomed: boolean;
}

/** What a connection is for. */
export type Kind =
  | "held"
  | "both at once"
  | "the user ends first"
  | "the destination ends first"
  | "a slow reader"
  | "the user closes"
  | "the destination closes"
  | "the user resets"
  | "the destination resets"
  | "the user falls silent"
  | "the destination falls silent";

/** How often each kind comes. */
const KINDS: readonly (readonly [weight: number, Exclude<Kind, "held">])[] = [
  [30, "both at once"],
  [14, "the user ends first"],
  [14, "the destination ends first"],
  [8, "a slow reader"],
  [6, "the user closes"],
  [6, "the destination closes"],
  [8, "the user resets"],
  [6, "the destination resets"],
  [4, "the user falls silent"],
  [4, "the destination falls silent"],
];

/** The kinds in which one end does something after the other one, or one thing after another. */
const IN_TURN: readonly Kind[] = [
  "the user ends first",
  "the destination ends first",
  "the user falls silent",
  "the destination falls silent",
];

/** How long a connection lives on average, and at most, in milliseconds. */
const MEAN_LIFE = 7_000;
const LONGEST_LIFE = 12_000;
/** How often a slow reader reads, at most. */
const MOST_READS = 60;
/** How much one end reads at a time. A slow one reads less. */
export const READ_SIZE = 16 * KIB;
export const SLOW_READ_SIZE = 4 * KIB;

/** A length of time, short ones more often than long ones. */
export function life(next: () => number): number {
  return Math.min(-Math.log(1 - next()) * MEAN_LIFE, LONGEST_LIFE);
}

function size(next: () => number): number {
  return choose(next, [
    [10, () => 0],
    [60, () => between(next, 1, 4 * KIB)],
    [22, () => between(next, 4 * KIB, 64 * KIB)],
    [7, () => between(next, 64 * KIB, MIB)],
    [1, () => between(next, MIB, 4 * MIB)],
  ])();
}

/** A part that takes a time to send, and ends as one does. */
function plain(next: () => number, milliseconds: number): Part {
  const pieces = 1 + Math.floor(next() * 6);
  return {
    send: size(next),
    pieces,
    rest: Math.round(milliseconds / pieces),
    answers: false,
    read: null,
    readRest: 0,
    end: "half-close",
  };
}

/** Makes one end break off, by itself or because it reads no more of what the other one sends. */
function breakOff(breaking: Part, other: Part, next: () => number, end: Part["end"]): void {
  breaking.end = end;
  breaking.read = Math.floor(next() * other.send);
  // What is left unread makes a reset of the end, and fills what is between them in a silence.
  if (end !== "close") other.send += between(next, 64 * KIB, 4 * MIB);
}

/** Draws what a connection does; the same for the same seed and id. */
export function drawScript(seed: number, id: number, doomed: boolean): Script {
  const next = random(seed ^ Math.imul(id, 0x85ebca6b));
  const kind = choose(next, KINDS);
  const time = life(next);
  const part = IN_TURN.includes(kind) ? time / 2 : time;
  const user = plain(next, part);
  const destination = plain(next, part);
  switch (kind) {
    case "both at once":
      break;
    case "the user ends first":
      destination.answers = true;
      break;
    case "the destination ends first":
      user.answers = true;
      break;
    case "a slow reader": {
      const [reader, other] = next() < 0.5 ? [user, destination] : [destination, user];
      other.send = between(next, SLOW_READ_SIZE, MOST_READS * SLOW_READ_SIZE);
      other.rest = 0;
      reader.readRest = Math.round(time / Math.ceil(other.send / SLOW_READ_SIZE));
      break;
    }
    case "the user closes":
      breakOff(user, destination, next, "close");
      break;
    case "the destination closes":
      breakOff(destination, user, next, "close");
      break;
    case "the user resets":
      breakOff(user, destination, next, "reset");
      break;
    case "the destination resets":
      breakOff(destination, user, next, "reset");
      break;
    case "the user falls silent":
      breakOff(user, destination, next, "silence");
      break;
    case "the destination falls silent":
      breakOff(destination, user, next, "silence");
      break;
  }
  return { id, kind, user, destination, doomed };
}

/** A part that sends so many bytes at once. */
function quick(send: number): Part {
  return { send, pieces: 1, rest: 0, answers: false, read: null, readRest: 0, end: "half-close" };
}

/** What a connection does that is held: what goes there and back is no part of its script. */
export function heldScript(id: number): Script {
  return { id, kind: "held", user: quick(0), destination: quick(0), doomed: false };
}

/** A connection that is over as soon as can be. */
export function quickScript(id: number): Script {
  return { id, kind: "both at once", user: quick(1), destination: quick(1), doomed: false };
}

/** Whether both ends must have got every byte. */
export function isWhole({ user, destination, doomed }: Script): boolean {
  return user.end === "half-close" && destination.end === "half-close" && !doomed;
}

/** What the user sends ahead. */
export function encodeScript(script: Script): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(script));
  const message = new Uint8Array(2 + json.length);
  new DataView(message.buffer).setUint16(0, json.length);
  message.set(json, 2);
  return message;
}

/** Reads what {@linkcode encodeScript} has made. */
export async function readScript(conn: StreamConn): Promise<Script> {
  const [high = 0, low = 0] = await readFull(conn, new Uint8Array(2));
  const json = await readFull(conn, new Uint8Array(high << 8 | low));
  return JSON.parse(new TextDecoder().decode(json));
}
