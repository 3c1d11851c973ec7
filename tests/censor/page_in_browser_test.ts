/**
 * The page with pictures in a browser: nothing is loaded, nothing sticks out, no word lies over
 * another, light and dark.
 */

import { assertEquals } from "@std/assert";
import { judge, reportPage } from "../../censor/mod.ts";
import { isInstalled } from "../../tor/programs.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { flowOfLengths, random, thirty } from "./flows.ts";

const NEEDS = ["env", "net", "read", "write", "run", "sys"] as const;
const PROGRAM = "chromium";

function missing(): string | null {
  if (!granted(NEEDS)) return null;
  return isInstalled(PROGRAM) ? null : `needs ${PROGRAM}: apt-get install ${PROGRAM}`;
}

const PROBE = {
  kind: "garbage",
  name: "half a request of HTTP, waiting",
  bytes: random(7),
  answer: random(3),
  ending: "rst",
  milliseconds: 12_345,
} as const;

async function page(): Promise<string> {
  const turns = thirty((index) => flowOfLengths(600 + index, 90, 2_000, 60_000));
  // Where numbers are the longest: much, and a minute of it.
  const text = [...turns, [{ fromClient: true, time: 0, bytes: new Uint8Array(512 * 1024) }, {
    fromClient: false,
    time: 60_000,
    bytes: new Uint8Array(512 * 1024),
  }]];
  const recording = { text };
  const findings = await judge(recording);
  const title = `webtunnel of /usr/${"directory".repeat(12)}/program`;
  return reportPage({ title, caution: "", findings, recording, plain: recording, probes: [PROBE] });
}

/**
 * Words of pictures that lie over each other or over bars, or stick out, as far as letters go: a line of text is
 * higher than they are.
 */
const CLASHES = `Array.from(document.querySelectorAll("svg"), (svg) => {
  const around = svg.getBoundingClientRect();
  const words = Array.from(svg.querySelectorAll("text"), (word) => {
    const { left, right, top, bottom, height } = word.getBoundingClientRect();
    const inner = { left, right, top: top + height / 4, bottom: bottom - height / 4 };
    return { text: word.textContent, ...inner };
  });
  const isOut = (a) => a.left < around.left - 1 || a.right > around.right + 1 ||
    a.top < around.top || a.bottom > around.bottom;
  const isOver = (a, b) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const bars = Array.from(svg.querySelectorAll(".client, .server"), (bar) =>
    bar.getBoundingClientRect());
  return words.filter((a, index) =>
    isOut(a) || [...bars, ...words.slice(0, index)].some((b) => isOver(a, b))
  ).map(({ text }) => text);
}).flat()`;

/** The colours of what is seen, for each scheme. */
const SEEN = { light: "rgb(200, 30, 30)", dark: "rgb(255, 138, 138)" } as const;

permitted(NEEDS, "reportPage() in Chromium: wide and narrow, light and dark", async (t) => {
  const { chromium } = await import("npm:playwright-core@1.56.1");
  await withDirectory(async (directory) => {
    const file = `${directory}/report.html`;
    await Deno.writeTextFile(file, await page());
    // The sandbox does not run as root.
    const browser = await chromium.launch({
      executablePath: `/usr/bin/${PROGRAM}`,
      args: ["--no-sandbox"],
    });
    try {
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [1_000, 400]) {
          await t.step(`${colorScheme}, ${width} pixels`, async () => {
            const tab = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
            const complaints: string[] = [];
            const loaded: string[] = [];
            tab.on("console", (message) => complaints.push(message.text()));
            tab.on("request", (request) => loaded.push(request.url()));
            await tab.goto(`file://${file}`);
            await tab.locator("summary").last().click();
            assertEquals(await tab.evaluate("document.documentElement.scrollWidth"), width);
            assertEquals(await tab.locator("svg").count(), 16);
            assertEquals(await tab.evaluate(CLASHES), []);
            assertEquals(
              await tab.evaluate("getComputedStyle(document.querySelector('.seen')).color"),
              SEEN[colorScheme],
            );
            assertEquals(complaints, []);
            assertEquals(loaded, [`file://${file}`]);
            await tab.close();
          });
        }
      }
    } finally {
      await browser.close();
    }
  });
}, missing());
