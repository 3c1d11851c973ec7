/**
 * `ptlib censor`: shows a pluggable transport with a censor's eyes.
 *
 * @module
 */

import {
  askNdpi,
  bursts,
  type Finding,
  type Flow,
  fromCapture,
  judge,
  judgeProbes,
  type Observation,
  observe,
  type ObserveOptions,
  type ProbeOutcome,
  probeRules,
  type Recording,
  type ReportPage,
  reportPage,
  rules,
  toPcap,
} from "../censor/mod.ts";
import { type Address, isLoopback, parseAddress } from "../address.ts";
import { count, countText } from "../censor/finding.ts";
import { ndpiRule } from "../censor/ndpi.ts";
import { parseArguments } from "./bridge_options.ts";
import { CensorProgress } from "./censor_progress.ts";
import { CAUTION, findingText, reactions, shapes } from "./censor_report.ts";
import { recordTor, torMissing } from "./censor_tor.ts";
import { fold } from "./fold.ts";
import {
  type Command,
  type OptionValues,
  parseOption,
  splitArguments,
  splitWords,
  UsageError,
} from "./command.ts";
import { checkWritable, writeOutput } from "./output_file.ts";
import { chooseKnownTransport } from "./program_transports.ts";
import { Interrupt } from "./supervise.ts";
import { complain, harmless, note, painter, print } from "./terminal.ts";
import { TunnelRequest } from "./tunnel_options.ts";

const OPTIONS = {
  transport: { type: "string" },
  program: { type: "string" },
  peer: { type: "string" },
  bind: { type: "string" },
  front: { type: "string" },
  patience: { type: "string" },
  tor: { type: "boolean" },
  args: { type: "string" },
  option: { type: "string", multiple: true },
  "fail-on": { type: "string" },
  pcap: { type: "string" },
  from: { type: "string" },
  html: { type: "string" },
  json: { type: "boolean" },
} as const;

/** How long one may wait for the server to give up, in seconds. */
const MOST_PATIENCE = 600;

const HELP = `Usage: ptlib censor [OPTION]... -- PROGRAM...
       ptlib censor [OPTION]... --from FILE

Starts both halves of a transport, lets connections pass between them, probes
the server, and tells what published rules of censors see of it. It sends
nothing but to loopback; a transport that connects elsewhere on its own is not
held back.

  --transport NAME  the transport, such as obfs4; without it, the program is
                    asked, as by ptlib check
  --peer 'COMMAND'  the program that is the other half, where there are two; its
                    words are separated by spaces
  --args K=V;K=V    arguments of the client, besides those that the server
                    publishes; {address} in them is where it has to connect
  --option K=V      an option of the server, with {address} in the same way; may
                    come several times
  --bind IP:PORT    where the server listens, on loopback, for a web server that
                    stands in front of it. Default: a free port
  --front IP:PORT   where that listens, on loopback: client and probes go there
  --tor             let a tor bootstrap through it too, in a private network on
                    this machine; half a minute more. Needs tor and tor-gencert
  --patience N      how many seconds to wait for the server to give up connections
                    in which too little comes, 1 to ${MOST_PATIENCE}. Default: 25
  --fail-on RULE,.. end with status 1 when one of these rules sees it, or could not
                    be looked at, as ndpi without ndpiReader
  --pcap FILE       write what passed between the halves into a capture, which
                    Wireshark, tshark and ndpiReader open
  --from FILE       judge a capture (pcap, pcapng) in place of a program: all TCP
                    connections in it whose first packet is there, so that it
                    should have no other ones
  --html FILE       write the report with pictures, as a page that needs nothing
                    else
  --json            one JSON object for machines
  --program 'COMMAND'  the program in one word, in place of -- PROGRAM, so that
                    options may come behind it, as behind deno task censor
  -- PROGRAM...     the program that has the transport, and its arguments; with
                    --tor, {cookie} in a command stands for the file with the
                    cookie of tor's Extended ORPort

Status 0: it was looked at, whatever was seen. 1: a rule of --fail-on sees it or
was not looked at, or it could not be watched. 2: the command line is wrong, or
the capture has nothing to judge.

Example: ptlib censor --transport obfs4 -- obfs4proxy`;

/** How many messages of a connection machines are told. */
const TOLD = 20;

function readRules(text: string): string[] {
  const ids = text.split(",").map((id) => id.trim());
  const known = [...rules, ndpiRule, ...probeRules].map((rule) => rule.id);
  for (const id of ids) {
    if (known.includes(id)) continue;
    const what = id === "" ? "the name of a rule is missing" : `there is no rule ${id}`;
    throw new SyntaxError(`${what}; there are ${known.join(", ")}`);
  }
  return ids;
}

function readPatience(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds >= 1 && seconds <= MOST_PATIENCE) return 1000 * seconds;
  throw new SyntaxError(`it is a whole number from 1 to ${MOST_PATIENCE}`);
}

function readLoopback(text: string): Address {
  const address = parseAddress(text);
  if (isLoopback(address[0])) return address;
  throw new SyntaxError("it is not on loopback, and nothing is sent elsewhere");
}

/** Reads an option that may be missing. */
function readOptional<T>(
  request: TunnelRequest,
  name: string,
  parse: (text: string) => T,
): T | undefined {
  const text = request.optional(name);
  return text === undefined ? undefined : request.parse(name, text, parse);
}

async function readOptions(request: TunnelRequest): Promise<ObserveOptions> {
  return {
    bind: readOptional(request, "bind", readLoopback),
    front: readOptional(request, "front", readLoopback),
    patience: readOptional(request, "patience", readPatience),
    args: request.parse("args", request.optional("args") ?? "", parseArguments),
    serverOptions: request.all("option").map((text) => request.parse("option", text, parseOption)),
    peer: readOptional(request, "peer", splitWords),
    transport: await chooseKnownTransport(
      request.optional("transport"),
      request.program,
      "to watch",
    ),
  };
}

/** The sizes of a connection's first messages, those from the server below zero. */
function sizesOf(flow: Flow): number[] {
  return bursts(flow).slice(0, TOLD).map(({ fromClient, bytes }) =>
    fromClient ? bytes.length : -bytes.length
  );
}

function sizesByLoad(recording: Recording): Record<string, number[][]> {
  return Object.fromEntries(
    Object.entries(recording).map(([load, flows]) => [load, flows.map(sizesOf)]),
  );
}

function probeOf({ kind, name, bytes, answer, ending, milliseconds }: ProbeOutcome) {
  return { kind, name, sent: bytes.length, answer: answer.toHex(), ending, milliseconds };
}

/** The report for machines. */
function documentOf(
  command: readonly string[],
  transport: string,
  { through, plain, probing }: Observation,
  findings: readonly Finding[],
) {
  const messages = { through: sizesByLoad(through), plain: sizesByLoad(plain) };
  const probes = probing && {
    reached: probing.reached,
    heard: probing.heard,
    exit: probing.exit,
    outcomes: probing.outcomes.map(probeOf),
  };
  return { command, transport, caution: CAUTION, ...count(findings), findings, messages, probes };
}

async function writeCapture(values: OptionValues, recording: Recording): Promise<void> {
  const file = values["pcap"];
  if (typeof file !== "string") return;
  const flows = Object.values(recording).flat();
  await writeOutput(file, toPcap(flows));
  note(`${flows.length} connections are in ${file}`);
}

async function writePage(values: OptionValues, page: ReportPage): Promise<void> {
  const file = values["html"];
  if (typeof file !== "string") return;
  await writeOutput(file, reportPage(page));
  note(`the pictures are in ${file}`);
}

/** The report for people, with what else is to be shown. */
function printFindings(findings: readonly Finding[], others: readonly string[]): void {
  const paint = painter(Deno.stdout);
  for (const finding of findings) print(findingText(finding, paint));
  for (const other of [...others, paint("bold", fold("", CAUTION))]) print(`\n${other}`);
  print(countText(findings));
}

function pictures(observation: Observation): string[] {
  return [shapes(observation), reactions(observation.probing?.outcomes ?? [])];
}

/** What came of all rules, and how it ends by what one is to fail on. */
function statusOf(
  findings: readonly Finding[],
  failing: readonly string[],
  exit: string | null = null,
): number {
  const missing = failing.find((wanted) => findings.every(({ id }) => id !== wanted));
  if (missing !== undefined) {
    complain(`ptlib censor: --fail-on ${missing}: that was not looked at`);
    return 1;
  }
  const active = failing.find((wanted) => probeRules.some(({ id }) => id === wanted));
  if (exit !== null && active !== undefined) {
    complain(`ptlib censor: --fail-on ${active}: while it was probed, ${harmless(exit)}`);
    return 1;
  }
  return findings.some(({ id, sight }) => sight === "seen" && failing.includes(id)) ? 1 : 0;
}

function readFailing(values: OptionValues): string[] {
  const text = values["fail-on"];
  if (typeof text !== "string") return [];
  try {
    return readRules(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`--fail-on is malformed: ${cause.message}`, { cause });
  }
}

/** What stands beside `--from`; everything else is about a program. */
const BESIDE_FROM = ["from", "json", "fail-on", "html"];

/** Reads the connections of a capture: one at least, and tells what is left out. */
async function readFlows(file: string): Promise<Flow[]> {
  const told: string[] = [];
  let flows: Flow[];
  try {
    flows = fromCapture(await Deno.readFile(file), (sentence) => told.push(sentence));
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new UsageError(`--from cannot be read: ${cause.message}`, { cause });
  }
  if (flows.length === 0) {
    const why = told.length === 0 ? "their first packets are not there" : told.join("; ");
    throw new UsageError(`--from has no TCP connections that can be judged: ${why}`);
  }
  told.forEach((sentence) => note(sentence));
  return flows;
}

/** Judges a capture. */
async function judgeFile(file: string, values: OptionValues): Promise<number> {
  const failing = readFailing(values);
  const captured = await readFlows(file);
  note(`${captured.length} connections are in ${file}`);
  const named = await askNdpi(captured);
  const findings = [...await judge({ captured }), ...named === null ? [] : [named]];
  const messages = sizesByLoad({ captured });
  const document = { from: file, caution: CAUTION, ...count(findings), findings, messages };
  if (values["json"] === true) print(JSON.stringify(document, null, 2));
  else printFindings(findings, []);
  await writePage(values, { title: file, caution: CAUTION, findings, recording: { captured } });
  return statusOf(findings, failing);
}

async function run(args: readonly string[]): Promise<number> {
  const { values, program } = splitArguments(args, OPTIONS);
  const { from } = values;
  await checkWritable(values, ["html", "pcap"]);
  if (typeof from !== "string") return await watchProgram(values, program);
  if (program.length > 0 || Object.keys(values).some((name) => !BESIDE_FROM.includes(name))) {
    throw new UsageError(
      "--from stands alone, with --json, --html and --fail-on: there is no program then",
    );
  }
  return await judgeFile(from, values);
}

/** Watches it, with a tor inside besides where that is wanted, and shows how far it is. */
async function watch(
  program: readonly string[],
  options: Readonly<ObserveOptions>,
  values: OptionValues,
): Promise<Observation> {
  // Not `using`: Node has to get far enough to say that this needs Deno.
  const progress = new CensorProgress();
  try {
    const observation = await observe(program, {
      ...options,
      onLoad: (part) => progress.goOn(part),
    });
    if (values["tor"] !== true) return observation;
    progress.goOn("tor");
    const tell = (sentence: string) => note(`tor: ${harmless(sentence)}`);
    const tor = await recordTor(observation.halves, options, tell);
    return { ...observation, through: { ...observation.through, tor } };
  } finally {
    progress[Symbol.dispose]();
  }
}

async function watchProgram(values: OptionValues, program: readonly string[]): Promise<number> {
  const request = new TunnelRequest(values, program, "");
  const failing = readFailing(values);
  const options = await readOptions(request);
  const missing = values["tor"] === true ? torMissing() : null;
  if (missing !== null) {
    complain(missing);
    return 1;
  }
  const interrupt = new Interrupt();
  const { transport } = options;
  note(`watching the transport ${transport} of ${program.join(" ")} ...`);
  try {
    const observation = await watch(program, { ...options, signal: interrupt.signal }, values);
    const passive = await judge(observation.through);
    const active = observation.probing === null ? [] : judgeProbes(observation.probing);
    const named = await askNdpi(observation.through.https ?? []);
    const findings = [...passive, ...named === null ? [] : [named], ...active];
    if (values["json"] !== true) printFindings(findings, pictures(observation));
    else print(JSON.stringify(documentOf(program, transport, observation, findings), null, 2));
    await writeCapture(values, observation.through);
    await writePage(values, {
      title: `${transport} of ${program.join(" ")}`,
      caution: CAUTION,
      findings,
      recording: observation.through,
      plain: observation.plain,
      probes: observation.probing?.outcomes,
    });
    return statusOf(findings, failing, observation.probing?.exit);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    return 1;
  } finally {
    interrupt[Symbol.dispose]();
  }
}

/** The command `ptlib censor`. */
export const censorCommand: Command = {
  summary: "shows a transport with a censor's eyes",
  help: HELP,
  run,
};
