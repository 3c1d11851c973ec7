/** Every shell block of the documents is run, and prints what is shown below it. */

import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { granted, permitted } from "../permitted.ts";
import { type Block, type Document, placeOf, readDocuments, ROOT } from "./markdown.ts";
import { isShown } from "./printed.ts";
import { missingFor, Session } from "./session.ts";
import { type Elsewhere, type Run, SHELL_BLOCKS, type Way } from "./shell_blocks.ts";

const NEEDS = ["env", "net", "read", "run", "write"] as const;

/** What is compared with what the block before it prints. */
const SHOWN = ["", "text"];

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
    const shown = next?.follows && SHOWN.includes(next.language) ? next : undefined;
    return [{ block, ways, shown }];
  });
}

/** Runs the blocks of a document that are not run elsewhere. */
async function runAll(t: Deno.TestContext, tried: readonly Tried[]): Promise<void> {
  await using session = await Session.begin();
  for (const { block, ways: [way], shown } of tried) {
    if (way === undefined || "by" in way) continue;
    const missing = missingFor(way);
    const [first = ""] = block.text.split("\n");
    await t.step({
      name: `${placeOf(block)}: ${first}${missing === null ? "" : ` [${missing}]`}`,
      ignore: missing !== null,
      fn: () => session.run(block, way, shown),
    });
  }
}

for (const document of documents) {
  const tried = triedOf(document);
  if (!tried.some(({ ways }) => ways.some((way) => !("by" in way)))) continue;
  permitted(
    NEEDS,
    `the shell blocks of ${document.path} do what they say`,
    (t) => runAll(t, tried),
  );
}

permitted(
  ["read"],
  "each shell block has one entry in SHELL_BLOCKS, and each entry one block",
  () => {
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
  },
);

permitted(["read"], "what runs a shell block elsewhere is there", () => {
  const elsewhere = Object.values(SHELL_BLOCKS).flatMap((ways) => Object.values(ways))
    .filter((way): way is Elsewhere => "by" in way);
  for (const { by, as } of elsewhere) {
    assert(Deno.readTextFileSync(new URL(by, ROOT)).includes(as), `${by} has no ${as}`);
  }
});
