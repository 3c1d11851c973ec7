/** The page with pictures: complete, safe to open, and drawn from what was seen. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Finding, type Flow, reportPage, rules } from "../../censor/mod.ts";
import { PLOT } from "../../censor/drawing.ts";
import { lengthsPicture } from "../../censor/lengths_picture.ts";
import { extentOf, orderPicture, timePicture } from "../../censor/messages_picture.ts";
import { heatMap, placesPicture } from "../../censor/places_picture.ts";
import { ascii, flowOf, flowOfLengths, random, thirty, varied } from "./flows.ts";

const HOSTILE = `<script>alert("1")</script>&'\x1b`;

/** The rectangles of a class: those that stand alone, and those that are one shape. */
function bars(picture: string, style: string) {
  const [number, end] = ['="([^"]*)"', `class="${style}"`];
  const alone = picture.matchAll(
    RegExp(`<rect x${number} y${number} width${number} height${number} ${end}`, "g"),
  );
  const shapes = picture.match(RegExp(`<path d${number} ${end}`, "g")) ?? [];
  const together = shapes.join().matchAll(/M([^ ]*) ([^h]*)h([^v]*)v([^h]*)h/g);
  return [...alone, ...together].map((found) => {
    const [x = NaN, y = NaN, width = NaN, height = NaN] = found.slice(1).map(Number);
    return { x, y, width, height };
  });
}

/** What is written in a picture. */
function wordsOf(picture: string): string[] {
  return Array.from(picture.matchAll(/<text [^>]*>(.*?)<\/text>/g), ([, text = ""]) => text);
}

/** A connection in which client and server take turns at certain times. */
function flowAt(...times: readonly number[]): Flow {
  return flowOfLengths(...times.map(() => 100)).map((segment, index) => ({
    ...segment,
    time: times[index]!,
  }));
}

function finding(sight: Finding["sight"]): Finding {
  return { ...rules[0]!, sight, figure: HOSTILE };
}

const PROBE = {
  kind: "garbage",
  name: HOSTILE,
  bytes: random(7),
  answer: random(3),
  ending: "rst",
  milliseconds: 12.4,
} as const;

Deno.test("reportPage() has every finding, load and probe, and no markup of strangers", () => {
  const html = reportPage({
    title: HOSTILE,
    caution: "No promise.",
    findings: [finding("seen"), finding("clear")],
    recording: { text: [flowOf(ascii(HOSTILE))], https: [flowOfLengths(9)] },
    plain: { text: [flowOfLengths(5)] },
    probes: [PROBE],
  });
  for (const part of ["No promise.", "With text inside", "With HTTPS inside", "Probes of"]) {
    assertStringIncludes(html, part);
  }
  assert(!html.includes("With random"), "there were no such connections");
  assert(!/<script/i.test(html));
  assert(!/\p{Cc}/u.test(html.replaceAll("\n", "")));
  assertMatch(html, /<td>1<\/td><td>7<\/td><td>3<\/td><td>RST<\/td><td>12 ms<\/td>/);
  assertEquals(html.match(/<dt>What to do<\/dt>/g)?.length, 1, "that is for what is seen");
  assertEquals(html.match(/<details open>/g)?.length, 1);
});

Deno.test("reportPage() has one row for probes that were taken the same", () => {
  const waiting = [3_000.4, 3_021].map((milliseconds) => ({
    ...PROBE,
    name: "silence",
    milliseconds,
  }));
  const torn = { ...PROBE, ending: "open", then: "reset", milliseconds: null } as const;
  const probes = [...waiting, { ...PROBE, name: "silence", ending: "fin" } as const, torn];
  const html = reportPage({ title: "a", caution: "", findings: [], recording: {}, probes });
  assertMatch(html, /<td>silence<\/td><td>2<\/td>.*?<td>RST<\/td><td>3000 to 3021 ms<\/td>/);
  assertMatch(html, /<td>silence<\/td><td>1<\/td>.*?<td>FIN<\/td><td>12 ms<\/td>/);
  assertMatch(html, /<td>torn down by the prober<\/td><td><\/td>/);
});

Deno.test("reportPage() loads nothing from anywhere", () => {
  const html = reportPage({ title: "a", caution: "", findings: [], recording: {} });
  assert(!/(?:src|href)=|url\(|@import|https?:/.test(html));
  assertStringIncludes(html, "default-src 'none'");
});

Deno.test("reportPage() says first how many rules see it", () => {
  const findings = [finding("seen"), finding("clear"), finding("clear"), finding("unclear")];
  const html = reportPage({ title: "a", caution: "", findings, recording: {} });
  assertMatch(html, /<\/h1>\s*<p[^>]*>1 seen, 2 clear, 1 unclear<\/p>/);
});

Deno.test("reportPage() shows how the answers to probes begin, and nothing comes of them", () => {
  const answered = (answer: Uint8Array) =>
    reportPage({
      title: "a",
      caution: "",
      findings: [],
      recording: {},
      probes: [{ ...PROBE, answer }],
    });
  const html = answered(ascii(`${HOSTILE}\\!...`));
  const safe = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\\x1b\\x5c! ...";
  assertStringIncludes(html, `<code>${safe}</code>`);
  assert(!/<script/i.test(html));
  assertStringIncludes(answered(Uint8Array.of(0, 255, 0x41)), "<code>\\x00\\xffA</code>");
  assert(!answered(new Uint8Array()).includes("answer:"));
});

Deno.test("reportPage() says how many answers of one length begin otherwise", () => {
  const probes = [1, 1, 2, 3].map((byte) => ({ ...PROBE, answer: Uint8Array.of(byte) }));
  const html = reportPage({ title: "a", caution: "", findings: [], recording: {}, probes });
  assertStringIncludes(html, "<code>\\x01</code>, or otherwise (2 more)");
});

Deno.test("reportPage() draws what is compared on the same axes, and says whose the times are", () => {
  const html = reportPage({
    title: "a",
    caution: "",
    findings: [],
    recording: { text: [flowAt(0, 1)], captured: [flowAt(0, 1)] },
    plain: { text: [flowAt(0, 5_000)] },
  });
  const axes = html.match(/<svg [^>]*Messages by time.*?<\/svg>/g)!.map((picture) =>
    wordsOf(picture).includes("10")
  );
  assertEquals(axes, [true, true, false]);
  const captions = html.match(/Times are those of [^.]*\. They decide nothing\./g);
  assertEquals(captions, [
    "Times are those of loopback and of this machine. They decide nothing.",
    "Times are those of the capture. They decide nothing.",
  ]);
});

Deno.test("orderPicture() draws a bar for each of the first 20 messages, and no more", () => {
  const sizes = Array.from({ length: 25 }, (_, index) => 10 + index);
  const flows = [flowOfLengths(...sizes), flowOfLengths(5)];
  const picture = orderPicture(flows, "a title", extentOf(flows));
  assertEquals(bars(picture, "client").length, 11);
  assertEquals(bars(picture, "server").length, 10);
  assertStringIncludes(picture, 'aria-label="a title"');
});

Deno.test("orderPicture() has room for bars of any length", () => {
  const flows = [flowOf(...[65_536, 5, 512 * 1024].map((length) => new Uint8Array(length)))];
  const [short, long] = bars(orderPicture(flows, "a title", extentOf(flows)), "client");
  assert(short!.height < long!.height);
  assert(long!.y >= 0);
});

Deno.test("timePicture() places messages by the time since the connection's first byte", () => {
  const places = (flow: Flow) => {
    const picture = timePicture([flow], "a title", extentOf([flow]));
    return [...bars(picture, "client"), ...bars(picture, "server")].map(({ x }) => x);
  };
  const flow = flowAt(0, 0, 1, 5_000);
  const [first = NaN, millisecond = NaN, atOnce, last = NaN] = places(flow);
  assertEquals([first, atOnce], [0, 0]);
  assert(millisecond > PLOT / 10, "a millisecond can be read beside 5 seconds");
  assert(last > millisecond + PLOT / 2 && last < PLOT);
  assertEquals(places(flow.map((segment) => ({ ...segment, time: 7e11 + segment.time }))), [
    first,
    millisecond,
    atOnce,
    last,
  ]);
});

Deno.test("timePicture() takes the first byte of a message that comes in pieces", () => {
  const [hello, start, end] = flowAt(0, 1, 9);
  const flow = [hello!, start!, { ...start!, time: 5 }, end!];
  const whole = [hello!, start!, end!];
  const places = (flow: Flow) =>
    bars(timePicture([flow], "a title", extentOf([flow])), "client").map(({ x }) => x);
  assertEquals(places(flow), places(whole));
  assertEquals(extentOf([flow]), extentOf([whole]));
});

Deno.test("timePicture() has an axis with a unit for short and for long times", () => {
  const axis = (end: number) => {
    const flows = [flowAt(0, end)];
    return wordsOf(timePicture(flows, "a title", extentOf(flows))).slice(-7);
  };
  assertEquals(axis(0.3).slice(-4), ["0.1", "1", "0", "ms"]);
  assertEquals(axis(5_000), ["0.1", "1", "10", "100", "1000", "0", "ms"]);
});

Deno.test("heatMap() names the value that most messages have at a place", () => {
  const flows = thirty((index) => flowOf(varied(index, [0x42])));
  const titles = heatMap(flows, true, "a title").match(/<title>[^<]*<\/title>/g);
  assertEquals(titles, ["<title>byte 0: 100 % from 64 to 71</title>"]);
  assertEquals(bars(heatMap([], true, "a title"), "client"), []);
});

Deno.test("heatMap() draws each value, the higher above", () => {
  const flows = [0, 0, 100, 255].map((value) => flowOf(Uint8Array.of(value)));
  const cells = bars(heatMap(flows, true, "a title"), "client");
  assertEquals(cells.map(({ x }) => x), [0, 0, 0]);
  assertEquals(cells.map(({ y }) => y).toSorted((a, b) => a - b), [0, 95, 155]);
});

Deno.test("placesPicture() tells what can be read and what differs, of who said something", () => {
  const silent = [{ fromClient: false, time: 0, bytes: random(3) }];
  const flows = [flowOf(ascii("a\0")), flowOf(ascii("ab!")), silent];
  const picture = placesPicture(flows, true, "a title");
  assertEquals(Array.from(picture.matchAll(/<title>(.*?)<\/title>/g), ([, title]) => title), [
    "byte 0: 100 % printable",
    "byte 1: 50 % printable",
    "byte 0: 0.0 bits",
    "byte 1: 1.0 bits",
  ]);
  const heights = bars(picture, "client").map(({ height }) => height);
  assertEquals(heights, [36, 18, 0, 36]);
  assertStringIncludes(picture, "2 messages have 1.0 at most");
});

Deno.test("lengthsPicture() draws one bar where all have one length", () => {
  const count = (flows: Flow[]) => bars(lengthsPicture(flows, true, "a title"), "client").length;
  assertEquals(count(thirty(() => flowOfLengths(500))), 1);
  assertEquals(count([flowOfLengths(1), flowOfLengths(500)]), 2);
});

Deno.test("lengthsPicture() has an axis of counts by which the bars can be read", () => {
  const lengths = [...Array(30).fill(500), ...Array(10).fill(1)];
  const picture = lengthsPicture(lengths.map((length) => flowOfLengths(length)), true, "a title");
  assertEquals(wordsOf(picture).slice(0, 4), ["0", "10", "20", "30"]);
  const lines = bars(picture, "line").map(({ y }) => y);
  const tops = bars(picture, "client").map(({ y }) => y);
  assertEquals(tops, [lines[3]!, lines[1]!]);
});
