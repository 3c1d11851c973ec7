/** The page with pictures: complete, safe to open, and drawn from what was seen. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Finding, reportPage, rules } from "../../censor/mod.ts";
import { heatMap, lengthsPicture, messagesPicture } from "../../censor/pictures.ts";
import { ascii, flowOf, flowOfLengths, random, thirty, varied } from "./flows.ts";

const HOSTILE = `<script>alert("1")</script>&'\x1b`;

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
