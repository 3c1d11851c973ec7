/**
 * Rules about what is always the same. They look at random messages of random lengths: what repeats
 * itself there is the transport's own.
 *
 * @module
 */

import { type Judgement, worst } from "./finding.ts";
import { bursts, firstBurst, firstPayload, type Flow } from "./flow.ts";
import { beginsLikeHttp, beginsLikeTls } from "./fully_encrypted.ts";
import type { Recording } from "./recording.ts";
import {
  commonLengths,
  findLengthField,
  findLengthRelation,
  fixedPlaces,
  hasFewLengths,
  lengthsOf,
} from "./regularity.ts";
import type { Rule } from "./rule.ts";

const WANG = "Wang et al., CCS 2015";
const ORDINARY =
  "Ordinary protocols have it, too; it tells a transport apart where nothing else has the same.";

/** How many messages of a connection are held against each other. */
const COMPARED = 4;
const FEWEST_FLOWS = 16;

/** The name of the ordinary protocol with which every connection begins; null for none. */
function ordinaryStart(flows: readonly Flow[]): string | null {
  const firsts = flows.map(firstPayload);
  if (firsts.every(beginsLikeTls)) return "TLS";
  return firsts.every(beginsLikeHttp) ? "HTTP" : null;
}

/** Judges random messages, but for those of a protocol that all the world has. */
function ofOwn(judge: (flows: readonly Flow[]) => Judgement): Rule["judge"] {
  return ({ captured = [], random = captured }: Recording) => {
    if (random.length < FEWEST_FLOWS) {
      return { sight: "unclear", figure: `${random.length} connections are too few` };
    }
    const ordinary = ordinaryStart(random);
    if (ordinary === null) return judge(random);
    return { sight: "clear", figure: `it begins like ${ordinary}, where this is ordinary` };
  };
}

const SIDES = [["client", true], ["server", false]] as const;

/** The first message of each side, of all connections. */
function firstMessages(flows: readonly Flow[]) {
  return SIDES.map(([side, fromClient]) => ({
    side,
    // Who has said nothing has no first message.
    messages: flows.map((flow) => firstBurst(flow, fromClient)).filter(({ length }) => length > 0),
  }));
}

const constantBytes: Rule = {
  id: "constant-bytes",
  title: "a byte of the first message is the same in all connections",
  threshold: "a place among the first 64 with no more than half of the values it could have",
  source: WANG,
  limits: ORDINARY,
  remedy: "encrypt or mask the field, with a key that is new for each connection",
  judge: ofOwn((flows) => {
    const found = firstMessages(flows).flatMap(({ side, messages }) =>
      fixedPlaces(messages).map(({ position, values, commonest }) =>
        `${side}'s byte ${position}: ` +
        (values === 1 ? `always 0x${commonest.toString(16)}` : `only ${values} values`)
      )
    );
    if (found.length === 0) {
      return { sight: "clear", figure: `none in ${flows.length} connections` };
    }
    const more = found.length > 3 ? `, and ${found.length - 3} more` : "";
    return { sight: "seen", figure: found.slice(0, 3).join(", ") + more };
  }),
};

/** What the lengths of one side's first messages show. */
function judgeLengths(side: string, messages: readonly Uint8Array[]): Judgement {
  const { lengths, count } = commonLengths(messages);
  const shared = `${side}: ${count} of ${messages.length} have ${lengths.join(" or ")} bytes`;
  if (hasFewLengths(messages)) return { sight: "seen", figure: shared };
  if (messages.length >= FEWEST_FLOWS && count * 2 >= messages.length) {
    return { sight: "unclear", figure: shared };
  }
  const different = lengthsOf(messages).length;
  return { sight: "clear", figure: `${side}: ${different} lengths in ${messages.length}` };
}

const firstLength: Rule = {
  id: "first-length",
  title: "the first message has one length, or one of few",
  threshold:
    "three quarters have one of an eighth as many lengths as connections, whatever is inside",
  source: WANG,
  limits: ORDINARY,
  remedy: "add a random number of bytes to it, of a range as wide as the protocol bears",
  judge: ofOwn((flows) =>
    worst(firstMessages(flows).map(({ side, messages }) => judgeLengths(side, messages)))
  ),
};

const lengthField: Rule = {
  id: "length-field",
  title: "a field of the first message says how long it is",
  threshold: "a number in the first 32 bytes that is its length, less a constant, in nine of ten",
  source: WANG,
  limits: ORDINARY,
  remedy: "encrypt or mask the length, as obfs4 and Shadowsocks do",
  judge: ofOwn((flows) => {
    const found = firstMessages(flows).flatMap(({ side, messages }) => {
      const field = findLengthField(messages);
      if (field === null) return [];
      const { position, size, difference } = field;
      return [`${side}: the ${size} bytes from byte ${position} on, and ${difference} more`];
    });
    return found.length > 0
      ? { sight: "seen", figure: found.join("; ") }
      : { sight: "clear", figure: `none in ${flows.length} connections` };
  }),
};

const relatedLengths: Rule = {
  id: "related-lengths",
  title: "the length of one message says that of another",
  threshold:
    "two of the first 4 messages whose lengths differ by the same in two of three connections",
  source: WANG,
  limits: "Only the simplest relation is looked for; a censor can learn others from many flows.",
  remedy: "choose the random part of each message by itself",
  judge: ofOwn((flows) => {
    const lengths = flows.map((flow) =>
      bursts(flow).slice(0, COMPARED).map(({ bytes }) => bytes.length)
    );
    const relation = findLengthRelation(lengths);
    if (relation === null) return { sight: "clear", figure: `none in ${flows.length} connections` };
    const { one, other, difference, count } = relation;
    return {
      sight: "seen",
      figure: `message ${other + 1} is ${difference} bytes longer than message ${one + 1} in ` +
        `${count} of ${flows.length} connections`,
    };
  }),
};

/** The rules, in their order. */
export const regularityRules: readonly Rule[] = [
  constantBytes,
  firstLength,
  lengthField,
  relatedLengths,
];
