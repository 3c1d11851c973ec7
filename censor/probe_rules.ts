/**
 * The active rules: what a server's answers to probes say.
 *
 * @module
 */

import type { Finding, Judgement, RuleInfo } from "./finding.ts";
import { beginsLikeHttp, beginsLikeTls } from "./fully_encrypted.ts";
import type { Probing } from "./probe_server.ts";
import {
  type GivingUp,
  givingUp,
  isByte,
  isRandom,
  reactionsByByte,
  reactionsByLength,
  repeated,
} from "./reactions.ts";
import { readableBytes } from "./readable_bytes.ts";
import type { Probe, ProbeOutcome } from "./send_probe.ts";

interface ProbeRule extends RuleInfo {
  /** Whether it is about such a probe; `null` where it is about those that met nobody. */
  readonly about: ((outcome: ProbeOutcome) => boolean) | null;
  judge(probing: Probing): Judgement;
}

const FROLOV = "Frolov et al., NDSS 2020";
const ENSAFI = "Ensafi et al., IMC 2015";
const GFW_REPORT = "GFW Report, IMC 2020";
const HOUMANSADR = "Houmansadr et al., IEEE S&P 2013";

/** A version, 32 random bytes, an empty session, a cipher and a compression, with their head. */
const SHORTEST_HELLO = 42;
/** How much of an answer a report has, in bytes. */
const SHOWN = 24;

/** How it begins, as text. */
function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 16));
}

/** The name of the ordinary protocol that an answer speaks; null for none. */
function protocolOf(answer: Uint8Array): string | null {
  const start = ascii(answer);
  if (/^HTTP\/1\.[01] [1-5]\d\d/.test(start)) return "HTTP";
  if (/^SSH-(?:2\.0|1\.99)-/.test(start)) return "SSH";
  return isAlert(answer) || isServerHello(answer) ? "TLS" : null;
}

/** RFC 8446 section 6: a level and a description, not encrypted. */
function isAlert([type, major, , high, low, level]: Uint8Array): boolean {
  return type === 21 && major === 3 && high === 0 && low === 2 && (level === 1 || level === 2);
}

/** RFC 8446 section 4.1.3: a record of a handshake in which this is the first message. */
function isServerHello(answer: Uint8Array): boolean {
  const [type, major, , high = 0, low = 0, message, ...rest] = answer;
  const isLong = high * 256 + low >= SHORTEST_HELLO && rest[0] === 0;
  return type === 22 && major === 3 && message === 2 && isLong && rest[3] === 3;
}

function ofKind(kind: Probe["kind"]): (outcome: ProbeOutcome) => boolean {
  return (outcome) => outcome.kind === kind;
}

const isGarbage = ofKind("garbage");

function answered({ outcomes }: Probing): ProbeOutcome[] {
  return outcomes.filter((outcome) => isGarbage(outcome) && outcome.answer.length > 0);
}

/** The ordinary protocols that a server speaks with those who are no clients. */
function protocolsOf(probing: Probing): string[] {
  const names = answered(probing).map(({ answer }) => protocolOf(answer));
  return [...new Set(names.filter((name) => name !== null))];
}

const answer: ProbeRule = {
  id: "probe-answer",
  title: "what is no client gets an answer of no ordinary protocol",
  threshold: "an answer that is not of HTTP, TLS or SSH",
  source: ENSAFI,
  limits: "A server that never answers is rare by itself, and was told apart by how it closes.",
  remedy: "answer as an ordinary server does, by being behind one; or say nothing",
  about: isGarbage,
  judge: (probing) => {
    const all = answered(probing);
    const odd = all.find(({ answer }) => protocolOf(answer) === null);
    if (odd !== undefined) {
      const length = `${odd.answer.length} bytes to ${odd.name}`;
      const start = readableBytes(odd.answer.subarray(0, SHOWN));
      return { sight: "seen", figure: `${length}, which begin with ${start}` };
    }
    const names = protocolsOf(probing).join(" and ");
    return all.length === 0
      ? { sight: "clear", figure: "nothing is answered, whatever is sent" }
      : { sight: "clear", figure: `it answers as a server of ${names} does` };
  },
};

/** What servers of the protocol that a client speaks answer: those of TLS tell HTTP that it is wrong. */
function answersTo(flight: Uint8Array): string[] {
  if (beginsLikeHttp(flight)) return ["HTTP"];
  if (beginsLikeTls(flight)) return ["TLS", "HTTP"];
  return ascii(flight).startsWith("SSH-") ? ["SSH"] : [];
}

const otherProtocol: ProbeRule = {
  id: "other-protocol",
  title: "what the server speaks with strangers is not what its clients speak with it",
  threshold: "answers in ordinary protocols, none of which the client's first message is of",
  source: HOUMANSADR,
  limits: "Only how both begin is compared. Ports with several protocols behind them exist.",
  remedy: "let clients speak the protocol that strangers are answered in",
  about: isGarbage,
  judge: (probing) => {
    const names = protocolsOf(probing);
    if (names.length === 0) return { sight: "clear", figure: "no answer names a protocol" };
    if (probing.flight.length === 0) {
      return { sight: "unclear", figure: "it is not known what clients say" };
    }
    const known = answersTo(probing.flight);
    const figure = `it answers in ${names.join(" and ")}`;
    return names.some((name) => known.includes(name))
      ? { sight: "clear", figure: `${figure}, as its clients speak` }
      : { sight: "seen", figure: `${figure}; its clients begin in no such way` };
  },
};

/**
 * Whether a server connects to the service for each stranger, but lets nothing of what they say
 * through: such connections say nothing.
 */
function connectsForAll({ reached, heard, outcomes }: Probing): boolean {
  // Where it is torn down, it may not get as far.
  const whole = outcomes.filter((outcome) => isGarbage(outcome) && outcome.then !== "reset");
  return heard.garbage === 0 && reached.garbage > 0 && reached.garbage >= whole.length;
}

const door: ProbeRule = {
  id: "open-door",
  title: "what is no client gets through to the service behind",
  threshold: "one probe that does, and not only a connection for whoever comes",
  source: ENSAFI,
  limits: "What the service says to a stranger is its own; tor's speaks TLS with everybody.",
  remedy: "let nobody through before the client has proved that it knows a secret",
  about: isGarbage,
  judge: (probing) => {
    const { reached, outcomes } = probing;
    const count = outcomes.filter(isGarbage).length;
    if (connectsForAll(probing)) {
      return {
        sight: "clear",
        figure: `it connects for all ${count} probes, and passes no byte on`,
      };
    }
    return {
      sight: reached.garbage > 0 ? "seen" : "clear",
      figure: `${reached.garbage} of ${count} probes`,
    };
  },
};

/** How many messages of a kind a server took for a client's; `null` where that cannot be known. */
function taken(kind: "replay" | "changed", probing: Probing): number | null {
  const { reached, heard, outcomes } = probing;
  if (reached.garbage === 0) return reached[kind];
  // Where everybody gets through, a replay shows nothing more.
  if (!connectsForAll(probing)) return null;
  const replies = outcomes.filter((outcome) => outcome.kind === kind && outcome.answer.length > 0);
  if (replies.length > 0 && answered(probing).length > 0) return null;
  return Math.max(heard[kind], replies.length);
}

/** Judges by how many of some messages are taken for a client's. */
function byTaken(kind: "replay" | "changed", what: string): ProbeRule["judge"] {
  return (probing) => {
    const count = probing.outcomes.filter(ofKind(kind)).length;
    if (count === 0) return { sight: "unclear", figure: "there was nothing to replay" };
    const through = taken(kind, probing);
    if (through === null) {
      return { sight: "unclear", figure: "everybody gets through, not replays alone" };
    }
    const figure = `${through} of ${count} ${what} get through`;
    return { sight: through > 0 ? "seen" : "clear", figure };
  };
}

const replay: ProbeRule = {
  id: "replay",
  title: "the first message of a client is taken a second time",
  threshold: "one replay that gets through to the service",
  source: GFW_REPORT,
  limits: "It was replayed at once; a server may take it later, when it has forgotten it.",
  remedy: "remember what was seen, for as long as it is valid, or let the server begin",
  about: ofKind("replay"),
  judge: byTaken("replay", "replays"),
};

const changed: ProbeRule = {
  id: "changed-replay",
  title: "the first message of a client is taken with a byte changed",
  threshold: "one changed or shortened message that gets through to the service",
  source: GFW_REPORT,
  limits: "Four places are tried. What a protocol leaves to chance, such as a header, may change.",
  remedy: "authenticate all of the first message before anything else",
  about: ofKind("changed"),
  judge: byTaken("changed", "changed messages"),
};

/**
 * The ordinary protocols that a server speaks whatever comes. A server of HTTP answers random bytes,
 * too; one of SSH speaks first; those of TLS may close without a word what is no TLS.
 */
function ordinaryProtocolsOf(probing: Probing): string[] {
  const always = protocolsOf({ ...probing, outcomes: probing.outcomes.filter(isRandom) });
  return protocolsOf(probing).filter((name) => name === "TLS" || always.includes(name));
}

/** What has such a reaction among servers of ordinary protocols, too: for those it says nothing. */
function ofOwn(judge: (probing: Probing) => Judgement): ProbeRule["judge"] {
  return (probing) => {
    const ordinary = ordinaryProtocolsOf(probing);
    return ordinary.length > 0
      ? { sight: "clear", figure: `it is a server of ${ordinary.join(" and ")}` }
      : judge(probing);
  };
}

/** So many lengths may be taken differently from time to time where there is a threshold. */
const CHANGING = 0.05;

const threshold: ProbeRule = {
  id: "probe-threshold",
  title: "random bytes are taken differently from some length on",
  threshold: "one length at which the reaction changes, of a server of no ordinary protocol",
  source: FROLOV,
  limits:
    "What comes later than after 4 seconds does not count. Ordinary servers have thresholds, " +
    "too; one that no other has marks a proxy.",
  remedy: "read on and do nothing until a time that is drawn for each connection, whatever comes",
  about: isRandom,
  judge: ofOwn(({ outcomes }) => {
    const reactions = reactionsByLength(outcomes);
    const changes = reactions.flatMap(([length, reaction], index) => {
      const [, before] = reactions[index - 1] ?? [0, reaction];
      if (before === reaction || before === null || reaction === null) return [];
      return [`from ${length} bytes on ${reaction}, before ${before}`];
    });
    const unsteady = reactions.filter(([, reaction]) => reaction === null).length;
    // What depends on the bytes agrees now and then by chance.
    const isByChance = unsteady > CHANGING * reactions.length;
    if (changes.length > 0 && !isByChance) {
      return { sight: "seen", figure: changes.slice(0, 3).join("; ") };
    }
    return unsteady > 0
      ? {
        sight: "unclear",
        figure: `${unsteady} of ${reactions.length} lengths with changing reactions`,
      }
      : { sight: "clear", figure: `none from 1 to ${reactions.at(-1)?.[0] ?? 0} bytes` };
  }),
};

const reset: ProbeRule = {
  id: "probe-reset",
  title: "random bytes are answered by a RST",
  threshold: "one RST of a server of no ordinary protocol",
  source: FROLOV,
  limits: "A system sends it for whoever closes a connection before all was read. Where a FIN " +
    "comes before it, it counts as FIN here; a censor sees both.",
  remedy: "read what has come before the connection is closed",
  about: isRandom,
  judge: ofOwn(({ outcomes }) => {
    const random = outcomes.filter(isRandom);
    const resets = random.filter(({ ending }) => ending === "rst");
    const figure = `${resets.length} of ${random.length} probes`;
    return { sight: resets.length > 0 ? "seen" : "clear", figure };
  }),
};

const firstByte: ProbeRule = {
  id: "probe-byte",
  title: "a single byte is taken differently by its value",
  threshold: "two values with different reactions, of a server of no ordinary protocol",
  source: FROLOV,
  limits: "Eight values are tried, twice each; others may be treated otherwise.",
  remedy: "decide nothing by the first byte: read on, whatever comes",
  about: isByte,
  judge: ofOwn(({ outcomes }) => {
    const reactions = reactionsByByte(outcomes);
    const groups = Map.groupBy(reactions, ([, reaction]) => reaction);
    if (reactions.length === 0) return { sight: "unclear", figure: "no reaction that is steady" };
    const figure = Array.from(groups, ([reaction, group]) => {
      const names = group.map(([name]) => name).join(", ");
      return `${groups.size === 1 ? "each byte" : names}: ${reaction}`;
    });
    return { sight: groups.size > 1 ? "seen" : "clear", figure: figure.join("; ") };
  }),
};

function isRefused({ ending }: ProbeOutcome): boolean {
  return ending === "refused";
}

const refusal: ProbeRule = {
  id: "probe-refusal",
  title: "after the other probes the server takes no connection any more",
  threshold: "one connection that is refused",
  source: ENSAFI,
  limits: "All probes come from one address, within a minute. What only slows down is not seen.",
  remedy: "bear connections that are torn down and bytes that mean nothing, and turn nobody away",
  about: null,
  judge: ({ outcomes, exit }) => {
    const refused = outcomes.filter(isRefused);
    const end = exit === null ? "" : `; ${exit}`;
    if (refused.length > 0) {
      return { sight: "seen", figure: `${refused.length} of ${outcomes.length} probes${end}` };
    }
    const { all, differing } = repeated(outcomes);
    return {
      sight: exit === null ? "clear" : "seen",
      figure: `none; of ${all.length} probes that came again ` +
        (differing.length === 0
          ? "all were taken the same"
          : `${differing.length} were taken otherwise: ${differing.slice(0, 3).join(", ")}`) +
        end,
    };
  },
};

/** How near to each other times are the same: a share of them, and milliseconds of a busy machine. */
const [NEAR, NEAREST] = [0.05, 250];

/** Web servers give up after 60 or 75 seconds, obfs4 after up to 90. */
const LONG = 95_000;

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Whether a server gave up so many of the connections with one content after the same time. */
function isExact({ times, count, soonest }: GivingUp, least: number): boolean {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined || times.length < least * count) return false;
  return first >= soonest && last - first <= Math.max(NEAREST, NEAR * first);
}

function whenGivenUp({ name, times, count }: GivingUp): string {
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const when = seconds(first) === seconds(last)
    ? seconds(first)
    : `${seconds(first)} to ${seconds(last)}`;
  return `${name}: ${times.length} of ${count} after ${when}`;
}

const timeout: ProbeRule = {
  id: "probe-timeout",
  title: "connections in which too little comes are given up after an exact time",
  threshold: "all with one content within 5 % of it, of a server of no ordinary protocol",
  source: FROLOV,
  limits: "Longer times than it was waited for are not seen: --patience 95 waits for longer. " +
    "Ordinary servers have exact times, too; one that no other has marks a proxy.",
  remedy: "draw the time for each connection anew from a wide range, or wait for as long as the " +
    "client does",
  about: ({ patience }) => patience !== undefined,
  judge: ofOwn(({ outcomes }) => {
    const contents = givingUp(outcomes);
    if (contents.length === 0) return { sight: "unclear", figure: "it was not waited for" };
    const patience = Math.max(...contents.map(({ patience }) => patience));
    const ended = contents.filter(({ times, soonest }) => (times.at(-1) ?? 0) >= soonest);
    const exact = ended.filter((content) => isExact(content, 1));
    if (exact.length > 0) return { sight: "seen", figure: exact.map(whenGivenUp).join("; ") };
    const isOver = contents.every(({ times, count }) => times.length === count);
    if (ended.length === 0 && isOver) return { sight: "clear", figure: "all are ended at once" };
    if (ended.length === 0) {
      const figure = `none is given up within ${seconds(patience)}`;
      return patience >= LONG
        ? { sight: "clear", figure }
        : { sight: "unclear", figure: `${figure}; ${LONG / 1000} s are long enough for most` };
    }
    // It was waited just as long as that: some are yet to come.
    const sight = ended.some((content) => isExact(content, 0.5)) ? "unclear" : "clear";
    return { sight, figure: ended.map(whenGivenUp).join("; ") };
  }),
};

const catalogue: readonly ProbeRule[] = [
  answer,
  otherProtocol,
  door,
  replay,
  changed,
  threshold,
  reset,
  firstByte,
  timeout,
  refusal,
];

function infoOf({ about: _about, judge: _judge, ...info }: ProbeRule): RuleInfo {
  return info;
}

/**
 * Judges by those probes that the server took. Where some met nobody, or the server has ended of one
 * of them, nothing is clear.
 */
function judgeTaken(rule: ProbeRule, probing: Probing): Judgement {
  if (rule.about === null) return rule.judge(probing);
  const outcomes = probing.outcomes.filter((outcome) => !isRefused(outcome));
  const judgement = rule.judge({ ...probing, outcomes });
  const asked = probing.outcomes.filter(rule.about);
  const missed = asked.filter(isRefused).length;
  if (judgement.sight === "seen" || missed === 0 && probing.exit === null) return judgement;
  const why = missed > 0
    ? `${missed} of ${asked.length} probes met nobody`
    : "the server has ended";
  const others = missed < asked.length ? `; else ${judgement.figure}` : "";
  return { sight: "unclear", figure: why + others };
}

/**
 * Every active rule.
 *
 * @example
 * ```ts
 * import { probeRules } from "@ptlib/ptlib/censor";
 *
 * if (!probeRules.some(({ id }) => id === "replay")) throw new Error();
 * ```
 */
export const probeRules: readonly RuleInfo[] = catalogue.map(infoOf);

/**
 * Judges a server by what became of the probes.
 *
 * @param probing The probes.
 * @returns A finding for each rule, in the order of {@linkcode probeRules}.
 *
 * @example
 * ```ts
 * import { judgeProbes } from "@ptlib/ptlib/censor";
 *
 * const reached = { garbage: 1, replay: 0, changed: 0 };
 * const probing = { flight: new Uint8Array(), outcomes: [], reached, heard: reached, exit: null };
 * const findings = judgeProbes(probing);
 * if (findings.find(({ id }) => id === "open-door")?.sight !== "seen") throw new Error();
 * ```
 */
export function judgeProbes(probing: Probing): Finding[] {
  return catalogue.map((rule) => ({ ...infoOf(rule), ...judgeTaken(rule, probing) }));
}
