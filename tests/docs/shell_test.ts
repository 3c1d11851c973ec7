/** Every shell block of the documents is run, and prints what is shown below it. */

import { assert, assertEquals } from "@std/assert";
import { granted, permitted } from "../permitted.ts";
import { type Block, type Document, fileOf, placeOf, readDocuments, ROOT } from "./markdown.ts";
import { missingFor, Session } from "./session.ts";
import { SHELL_BLOCKS } from "./shell_blocks.ts";
import type { Elsewhere, Run, Way } from "./way.ts";

const NEEDS = ["env", "net", "read", "run", "write"] as const;

/** What steps have to be that are not one after the other. */
const SIDE_BY_SIDE = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

const documents = granted(["read"]) ? readDocuments() : [];

function shellBlocks({ blocks }: Document): Block[] {
  return blocks.filter(({ language }) => language === "sh");
}

/** How a block is tried, and what is shown below it. */
interface Tried {
  block: Block;
  ways: Way[];
  shown: Block | undefined;
}

function triedOf({ path, blocks }: Document): Tried[] {
  return blocks.flatMap((block, i) => {
    if (block.language !== "sh") return [];
    const ways = Object.entries(SHELL_BLOCKS[path] ?? {})
      .filter(([begin]) => block.text.startsWith(begin))
      .map(([, way]) => way);
    const next = blocks[i + 1];
    const shown = next?.follows && next.language === "text" ? next : undefined;
    return [{ block, ways, shown }];
  });
}

/** A block that is run here. */
interface Running extends Tried {
  way: Run;
  /** The files that its document has shown before, which its reader has written. */
  files: Map<string, string>;
}

/** The files that a document shows before a line. */
function filesBefore(line: number, { blocks }: Document): Map<string, string> {
  const before = blocks.filter((block) => block.line < line);
  return new Map(before.flatMap((block) => {
    const path = fileOf(block);
    return path === null ? [] : [[path, block.text]];
  }));
}

/** The blocks of a document that are run here. */
function runningOf(document: Document): Running[] {
  return triedOf(document).flatMap((tried): Running[] => {
    const [way] = tried.ways;
    return way === undefined || "by" in way
      ? []
      : [{ ...tried, way, files: filesBefore(tried.block.line, document) }];
  });
}

/** Runs one block, where what it needs is there. */
async function runOne(t: Deno.TestContext, session: Session, { block, way, shown }: Running) {
  const missing = missingFor(way);
  const [first = ""] = block.text.split("\n");
  await t.step({
    name: `${placeOf(block)}: ${first}${missing === null ? "" : ` [${missing}]`}`,
    ignore: missing !== null,
    fn: () => session.run(block, way, shown),
    ...SIDE_BY_SIDE,
  });
}

async function runApart(t: Deno.TestContext, session: Session, running: Running): Promise<void> {
  await using copy = session;
  await runOne(t, copy, running);
}

/** Runs the blocks of a document in their order. */
async function runAll(t: Deno.TestContext, blocks: readonly Running[]): Promise<void> {
  await using session = await Session.begin();
  const written = new Map<string, string>();
  const apart: Promise<void>[] = [];
  for (const running of blocks) {
    for (const [path, text] of running.files) {
      if (written.get(path) === text) continue;
      await session.write(path, text);
      written.set(path, text);
    }
    if (running.way.apart) apart.push(runApart(t, await session.copy(), running));
    else await runOne(t, session, running);
  }
  await Promise.all(apart);
}

// Most of them wait for something most of the time.
permitted(NEEDS, "the shell blocks of the documents do and print what they say", async (t) => {
  const running = documents.map(runningOf).filter((blocks) => blocks.length > 0);
  await Promise.all(running.map((blocks) => runAll(t, blocks)));
});

permitted(["read"], "each shell block has one entry in SHELL_BLOCKS, and each entry one", () => {
  const all = documents.flatMap(triedOf);
  const wrong = all.filter(({ ways }) => ways.length !== 1)
    .map(({ block, ways }) => `${placeOf(block)}: ${ways.length} entries`);
  for (const [path, entries] of Object.entries(SHELL_BLOCKS)) {
    const document = documents.find((document) => document.path === path);
    for (const begin of Object.keys(entries)) {
      const blocks = document === undefined
        ? []
        : shellBlocks(document).filter(({ text }) => text.startsWith(begin));
      if (blocks.length !== 1) wrong.push(`${path}, ${begin}: ${blocks.length} blocks`);
    }
  }
  assertEquals(wrong, []);
});

permitted(["read"], "what runs a shell block elsewhere is there", () => {
  const elsewhere = Object.values(SHELL_BLOCKS).flatMap((ways) => Object.values(ways))
    .filter((way): way is Elsewhere => "by" in way);
  for (const { by, as } of elsewhere) {
    assert(Deno.readTextFileSync(new URL(by, ROOT)).includes(as), `${by} has no ${as}`);
  }
});
