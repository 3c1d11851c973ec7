/**
 * Rules about how bytes look: too random, or not random enough.
 *
 * @module
 */

import { entropy, printableShare } from "./byte_statistics.ts";
import { type Judgement, worst } from "./finding.ts";
import { bursts, firstPacket, firstPayload, type Flow, saidBy } from "./flow.ts";
import { beginsLikeHttp, beginsLikeTls, isFullyEncrypted } from "./fully_encrypted.ts";
import type { Recording } from "./recording.ts";
import type { Rule } from "./rule.ts";

/** Wu et al. */
const WU = "Wu et al., USENIX Security 2023";
/** Wang et al. */
const WANG = "Wang et al., CCS 2015";

/** A sample with less bytes has no entropy to speak of. */
const SMALLEST_SAMPLE = 768;
/** Random bytes have 8 bits each; the sample of a text or a header has clearly less. */
const RANDOM_START = 7.8;
/** English has about 4.2 bits per byte, whatever each letter is replaced by. */
const READABLE = 7;
/** Base 64 has 6 bits per byte. Headers between random bytes take less than a tenth of a bit. */
const ENCODED = 7.5;
/** Random bytes are printable for 37 %. */
const MOSTLY = 0.5;

function ofBlocked(inside: string, firsts: readonly Uint8Array[]): Judgement {
  // Where the client has said nothing, there is nothing to judge.
  const payloads = firsts.filter(({ length }) => length > 0);
  const blocked = payloads.filter(isFullyEncrypted).length;
  const figure = `${blocked} of ${payloads.length} connections${inside} are blocked`;
  if (payloads.length === 0) return { sight: "unclear", figure };
  const sight = blocked === 0 ? "clear" : blocked * 2 >= payloads.length ? "seen" : "unclear";
  return { sight, figure };
}

const fullyEncrypted: Rule = {
  id: "fully-encrypted",
  title: "the first packet is encrypted from its first byte on",
  threshold: "half of the connections, by none of the exemptions Ex1 to Ex5",
  source: WU,
  limits: "The rule was seen in China from November 2021 to March 2023, for a quarter of the " +
    "connections to certain addresses; other censors and later rules look at other things. What a " +
    "client says before it is answered counts as one packet here, but in a capture.",
  remedy: "begin with what an ordinary protocol begins with, such as TLS, and go on as it does; " +
    "six printable bytes at the start satisfy this one rule",
  judge: ({ text, https, tor, captured }: Recording) => {
    const judged = Object.entries({ text, https, tor }).flatMap(([load, flows]) =>
      flows === undefined ? [] : [ofBlocked(` with ${load} inside`, flows.map(firstPayload))]
    );
    if (captured !== undefined) judged.push(ofBlocked("", captured.map(firstPacket)));
    return worst(judged);
  },
};

function isKnownStart(flow: Flow): boolean {
  const first = firstPayload(flow);
  return beginsLikeTls(first) || beginsLikeHttp(first);
}

const randomStart: Rule = {
  id: "random-start",
  title: "the first packet has the entropy of random bytes",
  threshold: `${RANDOM_START} bits per byte and more, with text inside`,
  source: WANG,
  limits: "Compressed files and new protocols have it, too; the paper found that a censor who " +
    "relies on it alone blocks much else.",
  remedy: "begin with what is not random, as an ordinary protocol does",
  judge: ({ captured = [], text = captured }: Recording) => {
    if (text.length > 0 && text.every(isKnownStart)) {
      return { sight: "clear", figure: "it begins like TLS or HTTP" };
    }
    const bytes = text.flatMap((flow) => [...firstPayload(flow)]);
    if (bytes.length < SMALLEST_SAMPLE) {
      return { sight: "unclear", figure: `${bytes.length} bytes are too few` };
    }
    const bits = entropy(bytes);
    return {
      sight: bits >= RANDOM_START ? "seen" : "clear",
      figure: `${bits.toFixed(2)} bits per byte in ${bytes.length} bytes`,
    };
  },
};

/** Some messages behind the first two, which may be the transport's own handshake. */
function laterMessages(flow: Flow): number[] {
  return bursts(flow).slice(2, 6).flatMap(({ bytes }) => [...bytes]);
}

const readable: Rule = {
  id: "readable",
  title: "text inside is still text outside, if in other letters",
  threshold: `less than ${READABLE} bits per byte, with text inside`,
  source: WANG,
  limits: "What the transport carries may be encrypted itself, as everything of tor's is.",
  remedy: "encrypt, with a key of its own for each connection",
  judge: ({ text = [] }: Recording) => {
    const bytes = text.flatMap(laterMessages);
    if (bytes.length < SMALLEST_SAMPLE) {
      return { sight: "unclear", figure: `${bytes.length} bytes are too few` };
    }
    const bits = entropy(bytes);
    return {
      sight: bits < READABLE ? "seen" : "clear",
      figure: `${bits.toFixed(2)} bits per byte in ${bytes.length} bytes`,
    };
  },
};

const encoded: Rule = {
  id: "encoded",
  title: "random bytes inside are text outside, or have few values",
  threshold: `less than ${ENCODED} bits per byte or more than half printable, with bulk inside`,
  source: "Wang et al., CCS 2015, and Ex3 of Wu et al., USENIX Security 2023",
  limits: "Text in place of random bytes is let through by some rules, and is odd for others.",
  remedy: "send bytes as they are, or in a protocol in which such text is ordinary",
  // All that a side says is looked at, so that it makes no difference who says it how fast.
  judge: ({ bulk = [] }: Recording) => {
    const sides = ([["client", true], ["server", false]] as const).map(([side, fromClient]) => {
      const bytes = saidBy(bulk, fromClient);
      return { side, bytes, bits: entropy(bytes), printable: printableShare(bytes) };
    });
    if (sides.some(({ bytes }) => bytes.length < SMALLEST_SAMPLE)) {
      return { sight: "unclear", figure: "no connection with bulk inside" };
    }
    const isSeen = sides.some(({ bits, printable }) => bits < ENCODED || printable > MOSTLY);
    const figure = sides.map(({ side, bits, printable }) =>
      `${side}: ${bits.toFixed(2)} bits per byte, ${Math.round(100 * printable)} % printable`
    );
    return { sight: isSeen ? "seen" : "clear", figure: figure.join("; ") };
  },
};

/** The rules, in their order. */
export const encryptionRules: readonly Rule[] = [fullyEncrypted, randomStart, readable, encoded];
