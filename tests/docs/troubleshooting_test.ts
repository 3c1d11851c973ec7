/** docs/troubleshooting.md has every error text of the published sources, and none that is gone. */

import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { permitted, withDirectory } from "../permitted.ts";
import { ErrorTextFinder, type ErrorTexts, normal } from "./error_texts.ts";

const ROOT = new URL("../../", import.meta.url);
const DOCUMENT = new URL("docs/troubleshooting.md", ROOT);

/** The published modules, by their paths. */
function publishedFiles(): string[] {
  const files: string[] = [];
  const add = (directory: URL, below: boolean) => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(directory)) {
      if (isFile && name.endsWith(".ts")) files.push(new URL(name, directory).pathname);
      if (isDirectory && below) add(new URL(`${name}/`, directory), true);
    }
  };
  for (const pattern of config.publish.include) {
    const [, directory, deep] = /^(.*?)(\*\*\/)?\*\.ts$/.exec(pattern) ?? [];
    if (directory !== undefined) add(new URL(directory, ROOT), deep !== undefined);
  }
  return files;
}

async function textsOf(files: readonly string[], root: string): Promise<ErrorTexts> {
  const { default: compiler } = await import("npm:typescript@6.0.3");
  return new ErrorTextFinder(compiler, files, root).find();
}

/** The texts in the first column of the tables that have one of this name. */
function documentedTexts(markdown: string): Set<string> {
  const texts = new Set<string>();
  let inTable = false;
  for (const line of markdown.split("\n")) {
    if (!line.startsWith("|")) inTable = false;
    else if (/^\| text +\|/.test(line)) inTable = true;
    else if (inTable) {
      const [, cell = ""] = /^\|(.*?[^\\])\|/.exec(line) ?? [];
      for (const [, text = ""] of cell.matchAll(/`([^`]+)`/g)) {
        texts.add(normal(text.replaceAll("\\|", "|")));
      }
    }
  }
  return texts;
}

permitted(["read", "env", "sys"], "the document has every error text", async () => {
  const [texts, markdown] = await Promise.all([
    textsOf(publishedFiles(), ROOT.pathname),
    Deno.readTextFile(DOCUMENT),
  ]);
  const documented = documentedTexts(markdown);
  const missing = [...texts].filter(([text]) => !documented.has(text));
  const stale = [...documented].filter((text) => !texts.has(text));
  assertEquals(
    {
      missing: missing.map(([text, place]) => `${text} (${place})`),
      stale: stale.map((text) => `${text} (docs/troubleshooting.md)`),
    },
    { missing: [], stale: [] },
  );
});

/** The texts that a module is found to have. */
async function textsIn(source: string): Promise<string[]> {
  return await withDirectory(async (directory) => {
    const file = `${directory}/module.ts`;
    await Deno.writeTextFile(file, source);
    return [...(await textsOf([file], `${directory}/`)).keys()];
  });
}

const FOLLOWED: readonly [what: string, source: string, texts: readonly string[]][] = [
  [
    "literals, templates and what is joined",
    "throw new Error(`no ${name} in ${place}: ` + 'give one');",
    ["no ... in ...: give one"],
  ],
  [
    "conditions, in a template, too",
    "const why = a ? 'it is gone' : 'it is late';\nthrow new Deno.errors.NotFound(`no: ${why}`);",
    ["no: it is gone", "no: it is late"],
  ],
  [
    "parameters",
    "function fail(what: string): never { throw new TypeError(`it is ${what}`); }\n" +
    "fail('too long');\nfail('too short');",
    ["it is too long", "it is too short"],
  ],
  [
    "functions that return texts",
    "function why() { if (a) return 'too wide'; return null; }\nconst fault = why();\n" +
    "throw new SyntaxError(fault);",
    ["too wide"],
  ],
  [
    "classes of errors that make their text",
    "class OddError extends Error { constructor(n: number) { super(`odd: ${n}`); } }\n" +
    "throw new OddError(3);",
    ["odd: ..."],
  ],
  [
    "tables",
    "const ROWS = [[1, 'it is one'], [2, 'it is two']];\n" +
    "const [, words] = ROWS.find(([n]) => n === x) ?? [0, 'it is none'];\nthrow new Error(words);",
    ["it is one", "it is two", "it is none"],
  ],
  ["logs", "log('warning', `${name}: beware`);\nconsole.log('nothing');", ["...: beware"]],
  ["no values alone", "throw new Error(`${a}: ${b}`);\nthrow new Error(message);", []],
];

for (const [what, source, expected] of FOLLOWED) {
  permitted(["read", "write", "env", "sys"], `error texts are found: ${what}`, async () => {
    assertEquals(await textsIn(source), expected);
  });
}

Deno.test("the document's texts are those of its tables' first column", () => {
  const markdown = [
    "`no text`",
    "| text | cause |",
    "| --- | --- |",
    "| `one`<br>`two   \\| ...` | `no text` |",
    "",
    "| other | cause |",
    "| --- | --- |",
    "| `no text` | |",
  ];
  assertEquals([...documentedTexts(markdown.join("\n"))], ["one", "two | ..."]);
});
