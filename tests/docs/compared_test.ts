import { assertEquals, assertNotEquals } from "@std/assert";
import { permitted } from "../permitted.ts";

/** The cells of each row of each table of a page, with the table's own header. */
function tables(markdown: string): Record<string, string>[][] {
  const blocks = markdown.match(/(?:^\|.*\n)+/gm) ?? [];
  return blocks.map((block) => {
    const [header = [], , ...rows] = block.trimEnd().split("\n").map((line) =>
      line.slice(1, -1).split("|").map((cell) => cell.trim())
    );
    return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i] ?? ""])));
  });
}

/** The features that docs/compared.md says are here, and the tests that prove them. */
interface Page {
  features: string[];
  proofs: { feature: string; test: string; file: string }[];
}

/** What a page says. */
function read(markdown: string): Page {
  const page: Page = { features: [], proofs: [] };
  for (const rows of tables(markdown)) {
    for (const { feature, ptlib, test, in: link } of rows) {
      if (feature === undefined) continue;
      if (ptlib !== undefined && ptlib !== "no") page.features.push(feature);
      if (test === undefined) continue;
      const [, file = ""] = /\]\(\.\.\/(.*)\)$/.exec(link ?? "") ?? [];
      page.proofs.push({ feature, test: test.replaceAll("\\", ""), file });
    }
  }
  return page;
}

/** What is wrong with a page: rows without a proof, proofs without a row, tests that are gone. */
async function faults(
  { features, proofs }: Page,
  readTest: (file: string) => Promise<string>,
): Promise<string[]> {
  const proved = new Set(proofs.map(({ feature }) => feature));
  const found = features.filter((feature) => !proved.has(feature)).map((feature) =>
    `${feature}: no test`
  );
  for (const { feature, test, file } of proofs) {
    if (!features.includes(feature)) found.push(`${feature}: no such row`);
    const source = await readTest(file).catch(() => "");
    // A test without a name would be found anywhere.
    const there = test !== "" && [`"${test}"`, `\`${test}\``].some((name) => source.includes(name));
    if (!there) found.push(`${feature}: "${test}" is not in ${file}`);
  }
  return found;
}

permitted(["read"], "docs/compared.md names a test that exists for each cell of ours", async () => {
  const readText = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  const page = read(await readText("docs/compared.md"));
  assertNotEquals(page.features, []);
  assertEquals(await faults(page, readText), []);
});

const PAGE = `
| feature | other | ptlib |
| ------- | ----- | ----- |
| a       | no    | yes   |
| b       | yes   | no    |

| feature | test    | in                  |
| ------- | ------- | ------------------- |
| a       | a works | [a](../tests/a.ts)  |
`;

for (
  const [what, from, to, fault] of [
    ["nothing", "", "", []],
    ["a row without a test", "| b       | yes   | no ", "| b | yes | yes ", ["b: no test"]],
    ["a test that is gone", "a works", "a worked", ['a: "a worked" is not in tests/a.ts']],
    ["a file that is gone", "tests/a", "tests/b", ['a: "a works" is not in tests/b.ts']],
    ["a row that is gone", "| a       | no    | yes   |\n", "", ["a: no such row"]],
    ["a test without a name", "a works", "", ['a: "" is not in tests/a.ts']],
  ] as const
) {
  Deno.test(`the check of docs/compared.md finds ${what}`, async () => {
    const readTest = (file: string) =>
      file === "tests/a.ts"
        ? Promise.resolve('Deno.test("a works", () => {}); ""')
        : Promise.reject(new Error());
    assertEquals(await faults(read(PAGE.replace(from, to)), readTest), [...fault]);
  });
}
