/** What is looked at every second. */

import { cpuSeconds, residentBytes } from "../../bench/proc.ts";
import type { LoadProgram } from "./load_program.ts";
import type { Observation } from "./observation.ts";
import type { Observed } from "./observed.ts";

/** What Linux tells about a process. */
export interface ProcessFigures {
  resident: number;
  descriptors: number;
  /** Seconds of the processor since its start. */
  cpu: number;
}

/** Everything at one moment. */
export interface Sample {
  /** Since the start. */
  seconds: number;
  client: ProcessFigures & Observation;
  server: ProcessFigures & Observation;
  users: ProcessFigures;
  destination: ProcessFigures;
  /** Connections that the destination has open. */
  open: number;
  /** Bytes that have come at either end and were compared, since the start. */
  bytes: number;
  /** How long the last new connection took that was opened to measure it, in milliseconds. */
  latency: number;
}

/** The open descriptors of a process. */
export function descriptorsOf(pid: number): number {
  const path = `/proc/${pid}/fd`;
  // Linux tells the number since 6.2; before, it is 0.
  return Deno.statSync(path).size || [...Deno.readDirSync(path)].length;
}

function figuresOf({ pid }: { pid: number }): ProcessFigures {
  return { resident: residentBytes(pid), descriptors: descriptorsOf(pid), cpu: cpuSeconds(pid) };
}

/** All programs. */
export interface Programs {
  client: Observed;
  server: Observed;
  users: LoadProgram;
  destination: LoadProgram;
}

/** Looks at all programs. */
export function takeSample(
  { client, server, users, destination }: Programs,
  seconds: number,
  latency: number,
): Sample {
  return {
    seconds,
    client: { ...figuresOf(client), ...client.last },
    server: { ...figuresOf(server), ...server.last },
    users: figuresOf(users),
    destination: figuresOf(destination),
    open: destination.tally.open,
    bytes: users.tally.bytes + destination.tally.bytes,
    latency,
  };
}
