/**
 * `ptlib tor`: any pluggable transport between a Tor client and a Tor bridge, in a private Tor network
 * on this machine.
 *
 * @module
 */

import { withDeadline } from "../net/deadline.ts";
import { clientArgs } from "../parent/client_args.ts";
import { downloadThrough } from "../tor/download.ts";
import {
  argumentWords,
  startTorNetwork,
  type TorHalf,
  type TorNetwork,
  type TorNetworkOptions,
} from "../tor/network.ts";
import { INSTALL, missingPrograms } from "../tor/programs.ts";
import { isPlainWord } from "../tor/torrc.ts";
import { parseArguments } from "./bridge_options.ts";
import {
  type Command,
  type OptionValues,
  splitArguments,
  splitWords,
  UsageError,
} from "./command.ts";
import { findProgram } from "./find_program.ts";
import { chooseKnownTransport } from "./program_transports.ts";
import { Interrupt } from "./supervise.ts";
import { complain, harmless, note, print } from "./terminal.ts";

const OPTIONS = {
  transport: { type: "string" },
  program: { type: "string" },
  args: { type: "string" },
  option: { type: "string", multiple: true },
  peer: { type: "string" },
  mib: { type: "string" },
  keep: { type: "boolean" },
  verbose: { type: "boolean" },
} as const;

const MIB = 1024 * 1024;
const DEFAULT_MIB = 20;
const MOST_MIB = 1024;

/** How long the download may take: a while, and a second for each MiB. */
const DOWNLOAD_MS = 120_000;

const HELP = `Usage: ptlib tor [OPTION]... -- PROGRAM...

Starts a private Tor network on this machine: three directory authorities that
are also exits, a bridge behind a pluggable transport, and a client that goes
through it. It downloads something through all of it and compares what came.
Takes half a minute and ends by itself. Nothing leaves the machine as long as
the transport connects where it is asked to, and nothing is left behind.

  --transport NAME  the transport, such as obfs4; without it, the program is
                    asked by its option --capabilities, which every program
                    built on ptlib's run() has
  --args 'K=V;K=V'  what the bridge line says besides what the bridge publishes,
                    or in its place
  --option K=V      an option of the transport (ServerTransportOptions); may come
                    several times
  --peer 'COMMAND'  the bridge's program, for a transport that comes as two
                    programs; its words are separated by spaces. PROGRAM is the
                    client's then
  --mib N           how much to download, up to ${MOST_MIB}; 0 is nothing. Default: ${DEFAULT_MIB}
  --keep            leave the network running until Ctrl-C
  --verbose         what the bridge and the client log, line by line
  --program 'COMMAND'  the program in one word, in place of -- PROGRAM, so that
                    options may come behind it, as behind deno task tor
  -- PROGRAM...     the program that has the transport, and its arguments

{bridge} in a command, in --args or in --option stands for the bridge's IP:PORT,
{cookie} in a command for the file with the cookie of its Extended ORPort.

Status 0: Tor's traffic was carried. Status 1: it was not.
Needs tor and tor-gencert on the PATH. ${INSTALL}.

Examples: ptlib tor --transport obfs4 -- obfs4proxy
          ptlib tor -- deno run --no-prompt --allow-env='TOR_PT_*' \\
            --allow-net=127.0.0.1 --allow-read={cookie} rot13.ts`;

function text(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** Words in which the places stand that are known only now. */
function placed(words: readonly string[], bridge: string, cookie: string): string[] {
  return words.map((word) => word.replaceAll("{bridge}", bridge).replaceAll("{cookie}", cookie));
}

function readMib(text: string | undefined): number {
  const mib = text === undefined ? DEFAULT_MIB : Number(text);
  if (text !== "" && Number.isInteger(mib) && mib >= 0 && mib <= MOST_MIB) return mib;
  throw new UsageError(`--mib is a whole number from 0 to ${MOST_MIB}, and not ${text}`);
}

/** Reads `--option`, whose values stand in a torrc as they are. */
function readOption(text: string): string {
  if (text.indexOf("=") < 1) throw new UsageError(`--option is not K=V: ${text}`);
  if (isPlainWord(text)) return text;
  throw new UsageError(
    `--option has a space or any of # " \\ in it, which no torrc carries: ${text}`,
  );
}

function readArgs(text: string): URLSearchParams {
  try {
    const args = parseArguments(text);
    argumentWords("127.0.0.1:1", args);
    return args;
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new UsageError(`--args is malformed: ${cause.message}`, { cause });
  }
}

async function readCommand(words: readonly string[], where: string): Promise<string[]> {
  const [program, ...args] = words;
  if (program === undefined || program === "") {
    throw new UsageError(`there is no program ${where}`);
  }
  return [await findProgram(program), ...args];
}

async function readNetwork(
  values: OptionValues,
  program: readonly string[],
): Promise<TorNetworkOptions> {
  const all = Array.isArray(values["option"]) ? values["option"] : [];
  const options = all.filter((item) => typeof item === "string").map(readOption);
  const args = text(values, "args") ?? "";
  readArgs(args);
  const client = await readCommand(program, "after --");
  const peer = text(values, "peer");
  const server = peer === undefined ? client : await readCommand(splitWords(peer), "in --peer");
  return {
    transport: await chooseKnownTransport(
      text(values, "transport"),
      placed(client, "127.0.0.1:1", "/dev/null"),
      "to try",
    ),
    clientCommand: (bridge, cookie) => placed(client, bridge, cookie),
    serverCommand: (cookie, _dataDirectory, bridge) => placed(server, bridge, cookie),
    serverOptions: (bridge) => options.map((option) => option.replaceAll("{bridge}", bridge)),
    bridgeArguments: (bridge, published) => {
      const given = readArgs(args.replaceAll("{bridge}", bridge));
      return argumentWords(bridge, clientArgs(published, given));
    },
  };
}

/** Whether the bridge knows who came through the transport; to tell it is the transport's part. */
async function tellCounted(network: TorNetwork, transport: string): Promise<void> {
  try {
    await network.countedClient();
    note("The bridge counted the client under its transport");
  } catch (error) {
    if (network.failed.aborted) throw error;
    complain(
      `The bridge counted no client under ${transport}: the transport did not tell tor's Extended ` +
        "ORPort who came, by USERADDR and TRANSPORT",
    );
  }
}

/** Downloads through the network, and sums it up. */
async function download(network: TorNetwork, mib: number, signal: AbortSignal): Promise<string> {
  note(`Downloading ${mib} MiB from a local web server through Tor`);
  const { bytes, seconds, sha256 } = await withDeadline(
    DOWNLOAD_MS + mib * 1_000,
    "The download",
    signal,
    (signal) => downloadThrough(network.socksPort, mib * MIB, signal),
  );
  const rate = (bytes / seconds / MIB).toFixed(1);
  return [
    `Download    ${bytes} bytes in ${seconds.toFixed(2)} s, ${rate} MiB/s`,
    `SHA-256     ${sha256}, the same at both ends`,
  ].join("\n");
}

function linesOf(title: string, { lines, torrc }: TorHalf, kept: boolean): string {
  const place = kept ? `, which has more of them: ${torrc}` : "";
  return [`Lines of the ${title}'s torrc${place}`, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** How a network is shown. */
export interface TorDemonstration {
  /** How many MiB to download; 0 is nothing. */
  mib: number;
  /** Whether it is left running until it is interrupted. */
  keep: boolean;
  /** Whether it is told what the bridge and the client log. */
  verbose: boolean;
}

/** Goes through everything once the network runs. */
async function useNetwork(
  network: TorNetwork,
  transport: string,
  { mib, keep }: TorDemonstration,
  signal: AbortSignal,
): Promise<void> {
  await tellCounted(network, transport);
  const summary = mib === 0 ? null : await download(network, mib, signal);
  print(linesOf("bridge", network.bridge, keep));
  print(linesOf("client", network.client, keep));
  if (summary !== null) print(summary);
  if (!keep) return;
  print(`SOCKS       127.0.0.1:${network.socksPort}`);
  note("The network runs until Ctrl-C. Its exits lead to 127.0.0.1 alone; to try it:");
  note(`  curl --proxy socks5h://127.0.0.1:${network.socksPort} http://127.0.0.1:PORT/`);
}

/** Waits until somebody has had enough of the network, or it fails. */
async function stay(failed: AbortSignal, interrupt: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const either = AbortSignal.any([failed, interrupt]);
  either.addEventListener("abort", () => resolve());
  if (either.aborted) resolve();
  await promise;
  if (failed.aborted) throw failed.reason;
}

/**
 * Starts a network and shows that it carries.
 *
 * @param options The network.
 * @param demonstration How it is shown.
 * @returns The exit status.
 */
export async function demonstrate(
  options: TorNetworkOptions,
  demonstration: TorDemonstration,
): Promise<number> {
  const missing = missingPrograms();
  if (missing.length > 0) {
    complain(`Not found on the PATH: ${missing.join(" and ")}. To install: ${INSTALL}`);
    return 1;
  }
  const interrupt = new Interrupt();
  try {
    await runNetwork(options, demonstration, interrupt.signal);
    print(`${options.transport} carried a Tor client's traffic; the network has ended`);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return 1;
    complain(harmlessLines(error));
    note("What a transport needs, such as a secret: --option is the bridge's, --args the client's");
    return 1;
  } finally {
    interrupt[Symbol.dispose]();
  }
}

/** Starts a network, and ends it when it has been shown. */
async function runNetwork(
  options: TorNetworkOptions,
  demonstration: TorDemonstration,
  interrupt: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const elapsed = () => ((performance.now() - start) / 1000).toFixed(1);
  const network = await startTorNetwork({
    ...options,
    signal: interrupt,
    progress: (sentence) => note(`${elapsed().padStart(6)} s  ${harmless(sentence)}`),
    onLog: (tor, line) => {
      if (!demonstration.verbose || tor.startsWith("authority") || /\[debug\]/.test(line)) return;
      note(`          ${tor}: ${harmless(line)}`);
    },
  });
  try {
    const signal = AbortSignal.any([interrupt, network.failed]);
    await useNetwork(network, options.transport, demonstration, signal);
    if (demonstration.keep) await stay(network.failed, interrupt);
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

/** What went wrong, with what tor says of it. */
function harmlessLines(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n").map(harmless).join("\n");
}

async function run(args: readonly string[]): Promise<number> {
  const { values, program } = splitArguments(args, OPTIONS);
  const demonstration = {
    mib: readMib(text(values, "mib")),
    keep: values["keep"] === true,
    verbose: values["verbose"] === true,
  };
  return await demonstrate(await readNetwork(values, program), demonstration);
}

/** The command `ptlib tor`. */
export const torCommand: Command = {
  summary: "carries Tor's traffic through a transport, in a private Tor network",
  help: HELP,
  run,
};
