/**
 * What goptlib and we make of the same inputs. A difference that is not listed fails, and so does
 * an entry that is of no use any more.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { permitted } from "../permitted.ts";
import { ask } from "./goptlib_answers.ts";
import { forEachSubject, type Subject } from "./goptlib_subjects.ts";
import { peerMissing } from "./peers.ts";

/** Compares what has come of the inputs of a subject. */
async function compare<C, R>(subject: Subject<C, R>): Promise<void> {
  const { same, generated, differences } = subject;
  const examples = differences.map(({ example }) => example);
  const inputs = [...same, ...examples, ...generated];
  const answers = await ask(inputs.map((input) => subject.question(input)));
  const unlisted: string[] = [];
  for (const [index, input] of inputs.entries()) {
    const answer = answers[index];
    assert(answer !== undefined);
    const theirs = subject.theirs(answer, input);
    const ours = await subject.ours(input);
    const found = { input, theirs, ours, answer };
    const isSame = fc.stringify(theirs) === fc.stringify(ours);
    const difference = differences[index - same.length];
    if (difference?.olderGo && isSame) continue;
    if (difference !== undefined) {
      assert(!isSame, `There is no difference any more: ${difference.input}`);
      const applies = difference.applies(found);
      assert(applies, `The difference is another one: ${difference.input}: ${fc.stringify(found)}`);
    } else if (!isSame && (index < same.length || !differences.some((d) => d.applies(found)))) {
      unlisted.push(fc.stringify({ input, theirs, ours, refused: answer.refused }));
    }
  }
  assertEquals(unlisted.slice(0, 5), [], `${unlisted.length} differences that are not listed`);
}

const missing = peerMissing("goptlib-parsers");

forEachSubject((subject) => {
  const { title } = subject;
  Deno.test({
    name: `${title}: goptlib and we make the same of it, but for the listed differences` +
      (missing === null ? "" : ` [${missing}]`),
    ignore: missing !== null,
    fn: () => compare(subject),
  });
});

permitted(["read"], "docs/differences-from-goptlib.md has every listed difference", () => {
  const url = new URL("../../docs/differences-from-goptlib.md", import.meta.url);
  // The formatter pads the cells.
  const rows = Deno.readTextFileSync(url).split("\n").map((row) => row.replaceAll(/ +/g, " "));
  const listed: string[] = [];
  forEachSubject(({ title, differences }) => {
    listed.push(`## ${title}`);
    for (const { input, goptlib, ours, why } of differences) {
      listed.push(`| ${[input, goptlib, ours, why].join(" | ")} |`);
    }
  });
  assertEquals(rows.filter((row) => /^## |^\| (?!input|-)/.test(row)), listed);
});
