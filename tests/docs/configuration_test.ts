/**
 * Blocks that are configurations are read by the program that they are for, and every block is of a
 * language that something tries.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { isInstalled } from "../../tor/programs.ts";
import { finished } from "../cli/ptlib_process.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { type Block, placeOf, readDocuments, ROOT } from "./markdown.ts";

const NEEDS = ["env", "read", "run", "write"] as const;

/** What has tests of its own: programs, commands, what these print, and messages. */
const OTHERS = ["ts", "ts ignore", "sh", "text", "log"];

/** What a program that reads a configuration says, and how it ends. */
interface Said {
  code: number;
  said: string;
}

/** A program that reads blocks of a language. */
interface Reader {
  program: string;
  /** Reads a block, with the help of a directory. */
  read(text: string, directory: string): Promise<Said>;
}

async function say(program: string, ...args: string[]): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, said: `${out}${err}` };
}

/** Writes a configuration, and has it read. */
async function sayOf(path: string, text: string, program: string, ...args: string[]) {
  await Deno.writeTextFile(path, text);
  return await say(program, ...args, path);
}

const READERS: Readonly<Record<string, Reader>> = {
  torrc: {
    program: "tor",
    read(text, directory) {
      const lines = text.split("\n").filter((line) => !line.startsWith("DataDirectory "));
      const torrc = [`DataDirectory ${directory}/tor`, ...lines].join("\n");
      const none = `${directory}/none`;
      const options = ["--verify-config", "--defaults-torrc", none, "-f"];
      return sayOf(`${directory}/torrc`, torrc, "tor", ...options);
    },
  },
  haproxy: {
    program: "haproxy",
    read: (text, directory) => sayOf(`${directory}/cfg`, text, "haproxy", "-c", "-f"),
  },
  nginx: {
    program: "nginx",
    read(text, directory) {
      const head = `pid ${directory}/pid; error_log stderr; events {}`;
      const whole = `${head}\nhttp { access_log off;\n${text}\n}\n`;
      return sayOf(`${directory}/conf`, whole, "nginx", "-t", "-p", directory, "-c");
    },
  },
  apparmor: {
    program: "apparmor_parser",
    read: (text, directory) =>
      sayOf(`${directory}/profile`, `profile p {\n${text}\n}\n`, "apparmor_parser", "-QK"),
  },
  flags: {
    program: "deno",
    read(text) {
      const program = new URL("util.ts", ROOT).pathname;
      return say(Deno.execPath(), "run", ...text.trim().split(/\s+/), program);
    },
  },
  ini: {
    program: "systemd-analyze",
    async read(text, directory) {
      const path = `${directory}/ptlib.service`;
      // The programs of the unit are not here, and a part of a unit has none.
      const unit = text.replace(/^(Exec\w+=)\S+/gm, "$1/bin/true");
      const whole = unit.includes("ExecStart=")
        ? unit
        : `${unit}\n[Service]\nExecStart=/bin/true\n`;
      const { code, said } = await sayOf(path, whole, "systemd-analyze", "verify");
      // It ends with 0 where it does not know a word.
      return { code: said.includes(path) ? 1 : code, said };
    },
  },
};

const documents = granted(["read"]) ? readDocuments() : [];
const blocks = documents.flatMap(({ blocks }) => blocks);

function blocksOf(language: string): Block[] {
  return blocks.filter((block) => block.language === language);
}

for (const [language, { program, read }] of Object.entries(READERS)) {
  const missing = granted(["run"]) && program !== "deno" && !isInstalled(program)
    ? `needs ${program}`
    : null;
  permitted(
    NEEDS,
    `${program} takes the blocks of ${language}, and not what is broken`,
    async () => {
      for (const block of blocksOf(language)) {
        const { code, said } = await withDirectory((directory) => read(block.text, directory));
        assertEquals(code, 0, `${placeOf(block)}: ${said}`);
      }
      const { code } = await withDirectory((directory) => read("]broken broken", directory));
      assert(code !== 0, `${program} takes anything`);
    },
    missing,
  );
}

permitted(NEEDS, "blocks of json are JSON, and what has tunnels ptlib takes", async () => {
  for (const block of blocksOf("json")) {
    const { tunnels } = JSON.parse(block.text);
    if (tunnels === undefined) continue;
    const half = tunnels[0].forward === undefined ? "client" : "server";
    await withDirectory(async (directory) => {
      await Deno.writeTextFile(`${directory}/config.json`, block.text);
      const args = [half, "--config", `${directory}/config.json`];
      // The file is read whole before any program is started, and here is none.
      const { code, err } = await finished(args, { PATH: directory });
      assertMatch(err, /There is no program "\w+": install it, or give its path/, placeOf(block));
      assertEquals(code, 1);
    });
  }
});

permitted(["read"], "every block is of a language that something tries", () => {
  const tried = [...OTHERS, ...Object.keys(READERS), "json"];
  const others = blocks.filter(({ language }) => !tried.includes(language));
  assertEquals(others.map((block) => `${placeOf(block)}: ${block.language || "no language"}`), []);
});
