/** Every fault, in the order of the table. */

import { clock } from "./clock_faults.ts";
import { descriptors } from "./descriptor_faults.ts";
import type { FaultGroup } from "./fault.ts";
import { orPort } from "./orport_faults.ts";
import { peers } from "./peer_faults.ts";
import { resets } from "./reset_faults.ts";
import { signals } from "./signal_faults.ts";
import { state } from "./state_faults.ts";
import { streams } from "./stream_faults.ts";
import { transports } from "./transport_faults.ts";

export const allFaults: readonly FaultGroup[] = [
  peers,
  resets,
  orPort,
  state,
  descriptors,
  streams,
  clock,
  signals,
  transports,
];
