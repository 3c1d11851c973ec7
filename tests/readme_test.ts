import { assertStringIncludes } from "@std/assert";
import { permitted } from "./permitted.ts";

for (const name of ["rot13", "keyed"]) {
  permitted(["read"], `README.md shows the program of examples/${name}.ts`, async () => {
    const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
    const program = await read(`../examples/${name}.ts`);
    const [, code = ""] = /@module\n \*\/\n\n(.*)$/s.exec(program) ?? [];
    assertStringIncludes(await read("../README.md"), `\`\`\`ts ignore\n${code}\`\`\`\n`);
  });
}
