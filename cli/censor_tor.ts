/**
 * One more load of `ptlib censor`: a real tor that bootstraps through the transport, in a private
 * network on this machine, with a recorder in front of the bridge.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../address.ts";
import { CensorError, type Flow, type Observation, type ObserveOptions } from "../censor/mod.ts";
import { filledIn } from "../censor/observe.ts";
import { Recorder } from "../censor/recorder.ts";
import { clientArgs } from "../parent/client_args.ts";
import { argumentWords, startTorNetwork } from "../tor/network.ts";
import { INSTALL, missingPrograms } from "../tor/programs.ts";
import { findProgram } from "./find_program.ts";
import { harmless } from "./terminal.ts";

/** Why there can be no tor here, and what to do; null when there can. */
export function torMissing(): string | null {
  const missing = missingPrograms();
  if (missing.length === 0) return null;
  return `--tor needs ${missing.join(" and ")} on the PATH. To install: ${INSTALL}`;
}

/** A command with the path of its program, which tor wants, and the cookie's file in it. */
async function readCommand(words: readonly string[]): Promise<(cookie: string) => string[]> {
  const [program = "", ...args] = words;
  const path = await findProgram(program);
  return (cookie) => [path, ...args].map((word) => word.replaceAll("{cookie}", cookie));
}

/** Tells in a sentence why there was no network, with what tor says of it. */
function failure(cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true || !(cause instanceof Error)) return cause;
  const lines = cause.message.split("\n").map(harmless).join("\n");
  return new CensorError(`tor does not bootstrap through it: ${lines}`, { cause });
}

/**
 * Lets a tor bootstrap through a transport, and records what passes.
 *
 * @param halves The commands of client and server.
 * @param options The transport and its arguments.
 * @param tell Is told how far it is.
 * @returns The connections.
 * @throws {CensorError} When tor does not get through, or not past the recorder.
 */
export async function recordTor(
  halves: Observation["halves"],
  options: Readonly<ObserveOptions>,
  tell: (sentence: string) => void,
): Promise<Flow[]> {
  const recorder = new Recorder();
  try {
    await bootstrapThrough(recorder, halves, options, tell);
    const flows = recorder.take();
    if (flows.length > 0) return flows;
    throw new CensorError("tor has bootstrapped, but its client connected elsewhere");
  } finally {
    await recorder[Symbol.asyncDispose]();
  }
}

/** Has a tor bootstrap whose client and bridge have the recorder between them. */
async function bootstrapThrough(
  recorder: Recorder,
  halves: Observation["halves"],
  options: Readonly<ObserveOptions>,
  tell: (sentence: string) => void,
): Promise<void> {
  const { address } = recorder;
  const [client, server] = [await readCommand(halves.client), await readCommand(halves.server)];
  const network = await startTorNetwork({
    transport: options.transport,
    clientCommand: (_bridge, cookie) => client(cookie),
    serverCommand: (cookie, _directory, bridge) => {
      recorder.target = parseAddress(bridge);
      return server(cookie);
    },
    serverOptions: () => filledIn(options.serverOptions, address).map((pair) => pair.join("=")),
    bridgeArguments: (bridge, published) =>
      argumentWords(bridge, clientArgs(published, filledIn(options.args, address))),
    clientAddress: () => formatAddress([...address]),
    signal: options.signal,
    progress: tell,
  }).catch((error) => {
    throw failure(error, options.signal);
  });
  await network[Symbol.asyncDispose]();
}
