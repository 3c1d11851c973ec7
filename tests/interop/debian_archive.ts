/**
 * Reads where a machine gets its Debian packages, and points that at another suite.
 *
 * @module
 */

/** One of apt's source files: its name tells its format. */
export interface SourceFile {
  name: string;
  text: string;
}

/** Suites by which a machine may name a whole release of Debian, beside its codename. */
const RELEASES = new Set(["oldstable", "stable", "testing", "unstable", "sid"]);

/** Parts of the archive that are no release: another suite has none of these. */
function isRelease(suite: string, codename: string): boolean {
  return suite === codename || RELEASES.has(suite);
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/** Reads one deb822 stanza; a continuation line stays part of its field. */
function readStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value = ""] = /^([^\s:]+):(.*)$/.exec(line) ?? [];
    if (name === undefined) {
      fields.set(current, `${fields.get(current) ?? ""}\n${line}`);
    } else {
      current = name.toLowerCase();
      fields.set(current, value);
    }
  }
  fields.delete("");
  return fields;
}

/** What a stanza says of how to reach and trust the archive. */
const KEPT = ["uris", "signed-by", "trusted", "check-valid-until", "check-date"];

function retargetStanza(stanza: string, codename: string, suite: string): string | null {
  const fields = readStanza(stanza);
  if (
    !words(fields.get("types")).includes("deb") ||
    !words(fields.get("suites")).some((name) => isRelease(name, codename)) ||
    !words(fields.get("components")).includes("main") ||
    words(fields.get("enabled"))[0] === "no" ||
    (fields.get("uris") ?? "").includes("cdrom:")
  ) return null;
  return [
    "Types: deb",
    `Suites: ${suite}`,
    "Components: main",
    "Targets: Packages",
    ...KEPT.filter((name) => fields.has(name)).map((name) => `${name}:${fields.get(name)}`),
  ].join("\n");
}

function retargetLine(line: string, codename: string, suite: string): string | null {
  const [, options = "", uri = "", name = "", components] =
    /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line) ?? [];
  if (
    !isRelease(name, codename) || !words(components).includes("main") || uri.startsWith("cdrom:")
  ) return null;
  const stanza = ["Types: deb", `URIs: ${uri}`, `Suites: ${name}`, "Components: main"];
  for (const option of words(options)) {
    const [key = "", value = ""] = option.split("=", 2);
    stanza.push(`${key}: ${value.replaceAll(",", " ")}`);
  }
  return retargetStanza(stanza.join("\n"), codename, suite);
}

/**
 * Finds the archives that a machine gets its release of Debian from, as sources of another suite.
 * Others than Debian's own may be among them: their owners use the names of Debian's releases too.
 *
 * @param files apt's source files, deb822 (`.sources`) or one line each (`.list`).
 * @param codename The machine's own release.
 * @param suite The suite that is wanted.
 * @returns One deb822 stanza for each archive, with its keys, in the order of the files.
 */
export function archivesOf(
  files: readonly SourceFile[],
  codename: string,
  suite: string,
): string[] {
  const archives = files.flatMap(({ name, text }) =>
    name.endsWith(".sources")
      ? text.split(/\n(?:[ \t]*\n)+/).map((part) => retargetStanza(part, codename, suite))
      : text.split("\n").map((line) => retargetLine(line, codename, suite))
  );
  return [...new Set(archives.filter((archive) => archive !== null))];
}
