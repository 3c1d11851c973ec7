import { assertEquals } from "@std/assert";
import { archivesOf } from "./debian_archive.ts";

const key = "/usr/share/keyrings/debian-archive-keyring.gpg";

const wanted = `Types: deb
Suites: forky
Components: main
Targets: Packages
uris: http://mirror.invalid/debian`;

Deno.test("archivesOf() points the machine's release at the suite, in both formats", () => {
  const rows: [file: string, text: string, archives: string[]][] = [
    ["debian.sources", "", []],
    [
      "debian.sources",
      `Types: deb deb-src
URIs: http://mirror.invalid/debian
# a comment
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: ${key}

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
`,
      [`${wanted}\nsigned-by: ${key}`],
    ],
    [
      "key.sources",
      `Types: deb
URIs: http://mirror.invalid/debian
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJ`,
      [`${wanted}\nsigned-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJ`],
    ],
    [
      "off.sources",
      "Enabled: no\nTypes: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\nComponents: main",
      [],
    ],
    [
      "src.sources",
      "Types: deb-src\nURIs: http://mirror.invalid/debian\nSuites: bookworm\nComponents: main",
      [],
    ],
    ["sources.list", "deb http://mirror.invalid/debian bookworm main contrib # why", [wanted]],
    [
      "sources.list",
      `deb [arch=amd64 signed-by=${key}]  http://mirror.invalid/debian\tbookworm main`,
      [`${wanted}\nsigned-by: ${key}`],
    ],
    [
      "sources.list",
      `# deb http://mirror.invalid/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb-src http://mirror.invalid/debian bookworm main
deb http://mirror.invalid/debian bookworm-backports main
deb http://mirror.invalid/debian bookworm contrib`,
      [],
    ],
    [
      "sources.list",
      "deb http://mirror.invalid/debian bookworm main\ndeb http://mirror.invalid/debian stable main",
      [wanted],
    ],
  ];
  for (const [name, text, archives] of rows) {
    const found = archivesOf([{ name, text }], "bookworm", "forky");
    assertEquals(found, archives, text);
  }
});

Deno.test("archivesOf() keeps the order of the files", () => {
  const line = (host: string) => `deb http://${host}.invalid/debian bookworm main`;
  const files = ["a", "b"].map((host) => ({ name: `${host}.list`, text: line(host) }));
  assertEquals(
    archivesOf(files, "bookworm", "forky").map((archive) => archive.includes("//a.")),
    [true, false],
  );
});
