/** The page with pictures: complete, safe to open, and drawn from what was seen. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Finding, reportPage, rules } from "../../censor/mod.ts";
import {
  heatMap,
  lengthsPicture,
  messagesPicture,
  printablePicture,
  timesPicture,
} from "../../censor/pictures.ts";
import { ascii, flowOf, flowOfLengths, random, thirty, varied } from "./flows.ts";

const HOSTILE = `<script>alert("1")</script>&'\x1b`;

function finding(sight: Finding["sight"]): Finding {
  return { ...rules[0]!, sight, figure: HOSTILE };
}

const PROBE = {
  kind: "garbage",
  name: HOSTILE,
  bytes: random(7),
  answer: Uint8Array.of(1, 0x3c, 0xff),
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
  assertStringIncludes(html, "<b>1 seen, 1 clear, 0 unclear</b>");
  assertMatch(
    html,
    /<td>1<\/td><td>7<\/td><td>3<\/td><td>01 3c ff<\/td><td>RST<\/td><td>12 ms<\/td>/,
  );
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

Deno.test("messagesPicture() draws a bar for each of the first 20 messages, and no more", () => {
  const sizes = Array.from({ length: 25 }, (_, index) => 10 + index);
  const picture = messagesPicture([flowOfLengths(...sizes), flowOfLengths(5)], "a title");
  assertEquals(picture.match(/class="client"/g)?.length, 11);
  assertEquals(picture.match(/class="server"/g)?.length, 10);
  assertStringIncludes(picture, 'aria-label="a title"');
});

Deno.test("heatMap() names the value that most messages have at a place", () => {
  const flows = thirty((index) => flowOf(varied(index, [0x42])));
  const titles = heatMap(flows, true, "a title").match(/<title>[^<]*<\/title>/g);
  assertEquals(titles, ["<title>byte 0: 100 % from 64 to 71</title>"]);
  assertEquals(heatMap([], true, "a title").match(/class="client"/g), null);
});

Deno.test("lengthsPicture() draws one bar where all have one length", () => {
  const bars = (picture: string) => picture.match(/class="client"/g)?.length;
  assertEquals(bars(lengthsPicture(thirty(() => flowOfLengths(500)), true, "a title")), 1);
  assertEquals(bars(lengthsPicture([flowOfLengths(1), flowOfLengths(500)], true, "a title")), 2);
});

/** Where the bars of one side stand, from left to right. */
function placesOf(picture: string, side: string): number[] {
  const bars = picture.matchAll(new RegExp(`<rect x="([^"]*)"[^>]* class="${side}"`, "g"));
  return Array.from(bars, ([, x]) => Number(x));
}

Deno.test("timesPicture() has each message when it began, and marks the times", () => {
  const times = [50, 51, 53, 149, 1_049];
  const flow = times.map((time, index) => ({
    fromClient: index % 2 === 0,
    time,
    bytes: random(10),
  }));
  const more = { ...flow[1]!, time: 52 };
  const picture = timesPicture([[flow[0]!, flow[1]!, more, ...flow.slice(2)]], "a title");
  const [client, server] = [placesOf(picture, "client"), placesOf(picture, "server")];
  assertEquals([client.length, server.length], [3, 2], "what was said in two parts is one message");
  assertEquals(client[0], 0);
  assertEquals(client.at(-1), 637, "the last stands at the right");
  const all = [client[0]!, server[0]!, client[1]!, server[1]!, client[2]!];
  assertEquals(all, all.toSorted((one, other) => one - other));
  assertMatch(picture, />1 ms<.*>10 ms<.*>100 ms</);
  assert(!picture.includes(">1000 ms<"), "that is later than the last of them");
});

Deno.test("timesPicture() bears a message, none, and such that come at once", () => {
  const once = flowOfLengths(5, 6).map((segment) => ({ ...segment, time: 7 }));
  for (const flows of [[], [[]], [flowOfLengths(5)], [once]]) {
    assert(!/NaN|Infinity/.test(timesPicture(flows, "a title")));
  }
});

Deno.test("printablePicture() shows the share of what can be printed", () => {
  const flows = thirty((index) => flowOf(Uint8Array.of(0x41, index % 2 === 0 ? 0x41 : 0x80, 0x80)));
  const titles = printablePicture(flows, true, "a title").match(/<title>[^<]*<\/title>/g);
  const shares = [100, 50, 0].map((share, at) => `<title>byte ${at}: ${share} %</title>`);
  assertEquals(titles, shares);
});

Deno.test("lengthsPicture() says how many connections the tallest bar is", () => {
  const flows = [500, 500, 500, 9].map((length) => flowOfLengths(length));
  assertStringIncludes(lengthsPicture(flows, true, "a title"), ">3 connections<");
});

Deno.test("messagesPicture() draws what is larger taller, whatever size it has", () => {
  const flow = flowOf(...[70_000, 600_000, 1_200_000].map((length) => new Uint8Array(length)));
  const picture = messagesPicture([flow], "a title");
  const heights = Array.from(
    picture.matchAll(/height="([^"]*)" class="(?:cli|ser)/g),
    ([, text]) => Number(text),
  );
  assert(heights[0]! < heights[1]! && heights[1]! < heights[2]!, heights.join());
  assertEquals(heights[2], 90);
  assert(picture.includes(">1000000<") && !messagesPicture([], "a").includes(">100000<"));
});
