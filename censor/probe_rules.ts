/**
 * The active rules: what a server's answers to probes say.
 *
 * @module
 */

import type { Finding, Judgement, RuleInfo } from "./finding.ts";
import { beginsLikeTls } from "./fully_encrypted.ts";
import { type Probing, reactionsByLength } from "./probe_server.ts";
import type { ProbeOutcome } from "./send_probe.ts";

interface ProbeRule extends RuleInfo {
  judge(probing: Probing): Judgement;
}

const FROLOV = "Frolov et al., NDSS 2020";
const ENSAFI = "Ensafi et al., IMC 2015";
const GFW_REPORT = "GFW Report, IMC 2020";

/** The name of the ordinary protocol that an answer speaks; null for none. */
function protocolOf(answer: Uint8Array): string | null {
  const start = String.fromCharCode(...answer.subarray(0, 8));
  if (/^HTTP\/1\.[01]/.test(start)) return "HTTP";
  if (start.startsWith("SSH-")) return "SSH";
  const isAlert = answer[0] === 0x15 && answer[1] === 3;
  return isAlert || beginsLikeTls(answer) ? "TLS" : null;
}

function answered({ outcomes }: Probing): ProbeOutcome[] {
  return outcomes.filter(({ kind, answer }) => kind === "garbage" && answer.length > 0);
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
  judge: (probing) => {
    const all = answered(probing);
    const odd = all.find(({ answer }) => protocolOf(answer) === null);
    if (odd !== undefined) {
      return { sight: "seen", figure: `${odd.answer.length} bytes to ${odd.name}` };
    }
    const names = protocolsOf(probing).join(" and ");
    return all.length === 0
      ? { sight: "clear", figure: "nothing is answered, whatever is sent" }
      : { sight: "clear", figure: `it answers as a server of ${names} does` };
  },
};

const door: ProbeRule = {
  id: "open-door",
  title: "what is no client gets through to the service behind",
  threshold: "one probe that does",
  source: ENSAFI,
  limits: "What the service says to a stranger is its own; tor's speaks TLS with everybody.",
  remedy: "let nobody through before the client has proved that it knows a secret",
  judge: ({ reached, outcomes }) => ({
    sight: reached.garbage > 0 ? "seen" : "clear",
    figure: `${reached.garbage} of ${
      outcomes.filter(({ kind }) => kind === "garbage").length
    } probes`,
  }),
};

/** Where the door is open to all, a replay shows nothing more. */
const EVERYBODY: Judgement = {
  sight: "unclear",
  figure: "everybody gets through, not replays alone",
};

const replay: ProbeRule = {
  id: "replay",
  title: "the first message of a client is taken a second time",
  threshold: "one replay that gets through to the service",
  source: GFW_REPORT,
  limits: "It was replayed within seconds; a server may forget later what it has seen.",
  remedy: "remember what was seen, for as long as it is valid, or let the server begin",
  judge: ({ reached, outcomes }) => {
    const count = outcomes.filter(({ kind }) => kind === "replay").length;
    if (count === 0) return { sight: "unclear", figure: "there was nothing to replay" };
    if (reached.garbage > 0) return EVERYBODY;
    const figure = `${reached.replay} of ${count} replays get through`;
    return { sight: reached.replay > 0 ? "seen" : "clear", figure };
  },
};

const changed: ProbeRule = {
  id: "changed-replay",
  title: "the first message of a client is taken with a byte changed",
  threshold: "one changed or shortened message that gets through to the service",
  source: GFW_REPORT,
  limits: "Four places are tried. What a protocol leaves to chance, such as a header, may change.",
  remedy: "authenticate all of the first message before anything else",
  judge: ({ reached, outcomes }) => {
    const count = outcomes.filter(({ kind }) => kind === "changed").length;
    if (count === 0) return { sight: "unclear", figure: "there was nothing to replay" };
    if (reached.garbage > 0) return EVERYBODY;
    const figure = `${reached.changed} of ${count} changed messages get through`;
    return { sight: reached.changed > 0 ? "seen" : "clear", figure };
  },
};

const threshold: ProbeRule = {
  id: "probe-threshold",
  title: "random bytes are taken differently from some length on",
  threshold: "one length at which the reaction changes, of a server of no ordinary protocol",
  source: FROLOV,
  limits:
    "It was waited for 4 seconds. Ordinary servers have thresholds, too; one that no other has " +
    "marks a proxy.",
  remedy: "read on and do nothing until a time that is drawn for each connection, whatever comes",
  judge: (probing) => {
    const ordinary = protocolsOf(probing);
    if (ordinary.length > 0) {
      return { sight: "clear", figure: `it is a server of ${ordinary.join(" and ")}` };
    }
    const reactions = reactionsByLength(probing.outcomes);
    const changes = reactions.flatMap(([length, reaction], index) => {
      const [, before] = reactions[index - 1] ?? [0, reaction];
      if (before === reaction || before === null || reaction === null) return [];
      return [`from ${length} bytes on ${reaction}, before ${before}`];
    });
    if (changes.length > 0) return { sight: "seen", figure: changes.slice(0, 3).join("; ") };
    const unsteady = reactions.filter(([, reaction]) => reaction === null).length;
    return unsteady > 0
      ? { sight: "unclear", figure: `${unsteady} lengths with changing reactions` }
      : { sight: "clear", figure: `none from 1 to ${reactions.at(-1)?.[0] ?? 0} bytes` };
  },
};

const reset: ProbeRule = {
  id: "probe-reset",
  title: "random bytes are answered by a RST",
  threshold: "one RST of a server of no ordinary protocol",
  source: FROLOV,
  limits: "A system sends it for whoever closes a connection before all was read. Where a FIN " +
    "comes before it, it counts as FIN here; a censor sees both.",
  remedy: "read what has come before the connection is closed",
  judge: (probing) => {
    const ordinary = protocolsOf(probing);
    if (ordinary.length > 0) {
      return { sight: "clear", figure: `it is a server of ${ordinary.join(" and ")}` };
    }
    const random = probing.outcomes.filter(({ name }) => name.endsWith(" random bytes"));
    const resets = random.filter(({ ending }) => ending === "rst");
    const figure = `${resets.length} of ${random.length} probes`;
    return { sight: resets.length > 0 ? "seen" : "clear", figure };
  },
};

const catalogue: readonly ProbeRule[] = [answer, door, replay, changed, threshold, reset];

function infoOf({ judge: _, ...info }: ProbeRule): RuleInfo {
  return info;
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
 * const findings = judgeProbes({ outcomes: [], reached: { garbage: 1, replay: 0, changed: 0 } });
 * if (findings.find(({ id }) => id === "open-door")?.sight !== "seen") throw new Error();
 * ```
 */
export function judgeProbes(probing: Probing): Finding[] {
  return catalogue.map((rule) => ({ ...infoOf(rule), ...rule.judge(probing) }));
}
