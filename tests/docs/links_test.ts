/** Every link of the documents and of the docstrings leads somewhere. No network is used. */

import { assertEquals } from "@std/assert";
import { permitted } from "../permitted.ts";
import {
  anchorsOf,
  filesBelow,
  linksIn,
  parseMarkdown,
  readDocstrings,
  readDocuments,
  ROOT,
} from "./markdown.ts";

/** Where links lead outside of the repository. A new one belongs here after somebody opened it. */
const HOSTS = new Set([
  "crates.io",
  "deno.com",
  "forum.torproject.net",
  "gitlab.torproject.org",
  "jsr.io",
  "lists.torproject.org",
  "pypi.org",
  "spec.torproject.org",
  "www.bamsoftware.com",
]);

/** The anchors of each document. */
function readAnchors(): Map<string, Set<string>> {
  return new Map(readDocuments().map((document) => [document.path, anchorsOf(document)]));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, ROOT));
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with a link in a file; null when nothing is. */
function faultOf(link: string, from: string, anchors: ReturnType<typeof readAnchors>) {
  if (/^[a-z]+:/.test(link)) {
    const url = URL.parse(link);
    if (url?.protocol !== "https:") return "is no link with https";
    return HOSTS.has(url.host) ? null : `leads to ${url.host}, which is not among HOSTS`;
  }
  const { pathname, hash } = new URL(link, new URL(from, "file:///"));
  const path = decodeURIComponent(pathname).slice(1);
  if (!exists(path)) return "leads to no file";
  if (hash === "") return null;
  const known = anchors.get(path);
  if (known === undefined) return "has an anchor, but leads to no Markdown";
  return known.has(hash.slice(1)) ? null : "leads to no heading of that document";
}

/** What is wrong with the links of one file, a line each. */
function faultsIn(path: string, prose: string, anchors: ReturnType<typeof readAnchors>): string[] {
  return linksIn(prose).flatMap((link) => {
    const fault = faultOf(link, path, anchors);
    return fault === null ? [] : [`${path}: ${link} ${fault}`];
  });
}

permitted(["read"], "every link of every document leads somewhere", () => {
  const anchors = readAnchors();
  const faults = readDocuments().flatMap(({ path, prose }) => faultsIn(path, prose, anchors));
  assertEquals(faults, []);
});

permitted(["read"], "every link of every docstring leads somewhere", () => {
  const anchors = readAnchors();
  const faults = Array.from(filesBelow(".ts")).flatMap((path) => {
    return faultsIn(path, readDocstrings(path).prose, anchors);
  });
  assertEquals(faults, []);
});

permitted(["read"], "every {@link} of a docstring leads to something that is declared", () => {
  const sources = Array.from(
    filesBelow(".ts"),
    (path) => Deno.readTextFileSync(new URL(path, ROOT)),
  );
  const declared = new Set(sources.flatMap((source) =>
    Array.from(
      source.matchAll(/\b(?:function\*?|class|const|interface|type|\* as) (\w+)/g),
      ([, name]) => name,
    )
  ));
  const linked = sources.flatMap((source) =>
    Array.from(source.matchAll(/\{@link\w*\s+(\w+)/g), ([, name]) => name)
  );
  assertEquals(linked.filter((name) => !declared.has(name)), []);
});

permitted(["read"], "headings of one name have anchors with numbers, and code has none", () => {
  const text = "# A `b` & [c](d)\n\n## Is_it?\n\n## Is_it?\n\n```sh\n# no heading\n```\n";
  assertEquals([...anchorsOf(parseMarkdown("x", text))], ["a-b--c", "is_it", "is_it-1"]);
});
