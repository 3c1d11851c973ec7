/**
 * The Markdown of the repository: its documents, and their blocks, headings and links.
 *
 * @module
 */

/** The root of the checkout. */
export const ROOT = new URL("../../", import.meta.url);

/** A block of code between fences. */
export interface Block {
  /** The path of its document, from the root. */
  document: string;
  /** The line of its first fence. */
  line: number;
  /** What stands behind the first fence, such as `ts ignore`; empty where nothing does. */
  language: string;
  /** What is in it, with the line's end, without the indentation of its fences. */
  text: string;
  /** Whether nothing but empty lines is between it and the block before. */
  follows: boolean;
}

/** A document, taken apart. */
export interface Document {
  /** Its path from the root. */
  path: string;
  blocks: Block[];
  /** What is outside of all blocks; their lines are empty here. */
  prose: string;
}

/** Where a block is, for people. */
export function placeOf({ document, line }: Block): string {
  return `${document}:${line}`;
}

/** The path of the file that a block is, by its first line, such as `// mumble/transport.ts`. */
export function fileOf({ text }: Block): string | null {
  return /^\/\/ ([\w./-]+\.ts)\n/.exec(text)?.[1] ?? null;
}

/** The document of this text. */
export function parseMarkdown(path: string, text: string): Document {
  const blocks: Block[] = [];
  const prose: string[] = [];
  let open: { indent: string; fence: string; block: Block } | null = null;
  let follows = false;
  for (const [i, line] of text.split("\n").entries()) {
    prose.push("");
    if (open === null) {
      const [, indent, fence, language = ""] = /^( *)(`{3,}) *([^`]*)$/.exec(line) ?? [];
      if (indent === undefined || fence === undefined) {
        if (line.trim() !== "") follows = false;
        prose[i] = line;
        continue;
      }
      const block = { document: path, line: i + 1, language: language.trim(), text: "", follows };
      open = { indent, fence, block };
    } else if (line.trim() === open.fence) {
      blocks.push(open.block);
      open = null;
      follows = true;
    } else {
      open.block.text +=
        (line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart()) + "\n";
    }
  }
  if (open !== null) throw new Error(`${placeOf(open.block)}: the block has no end`);
  return { path, blocks, prose: prose.join("\n") };
}

/** The paths of the files below a directory, from the root, whose names end so. */
export function* filesBelow(ending: string, directory = ""): Generator<string> {
  const entries = Array.from(Deno.readDirSync(new URL(directory, ROOT)));
  for (const { name, isDirectory } of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    if (isDirectory) yield* filesBelow(ending, `${directory}${name}/`);
    else if (name.endsWith(ending)) yield directory + name;
  }
}

/** Every document of the repository. */
export function readDocuments(): Document[] {
  return Array.from(
    filesBelow(".md"),
    (path) => parseMarkdown(path, Deno.readTextFileSync(new URL(path, ROOT))),
  );
}

/** The docstrings of a program, as a document with the same lines. */
export function readDocstrings(path: string): Document {
  const source = Deno.readTextFileSync(new URL(path, ROOT));
  const lines = source.split("\n").map(() => "");
  for (const { 0: comment, index } of source.matchAll(/^ *\/\*\*[^]*?\*\//gm)) {
    const first = source.slice(0, index).split("\n").length - 1;
    const text = comment.replace(/^ *\/\*\*|\*\/$/g, "").replace(/^ *\* ?/gm, "");
    text.split("\n").forEach((line, i) => lines[first + i] = line);
  }
  return parseMarkdown(path, lines.join("\n"));
}

/** The anchors of a document, as GitHub names them after its headings. */
export function anchorsOf({ prose }: Document): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose.matchAll(/^#{1,6} +(.*?)[ #]*$/gm)) {
    const shown = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = shown.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "").replaceAll(
      " ",
      "-",
    );
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What the links and pictures of a piece of Markdown lead to. */
export function linksIn(prose: string): string[] {
  const text = prose.replace(/(`+)(?:(?!`)[^])*?\1(?!`)/g, " ");
  const patterns = [
    /\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)/g,
    /^ *\[[^\]]+\]: +<?(\S+?)>?$/gm,
    /<([a-z]+:\/\/[^>\s]*)>/g,
    /\b(?:src|href)="([^"]*)"/g,
  ];
  return patterns.flatMap((pattern) => Array.from(text.matchAll(pattern), ([, to = ""]) => to));
}
