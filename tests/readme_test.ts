import { assertStringIncludes } from "@std/assert";
import { permitted } from "./permitted.ts";

permitted(["read"], "README.md shows the program of examples/rot13.ts", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  const program = await read("../examples/rot13.ts");
  const [, code = ""] = /@module\n \*\/\n\n(.*)$/s.exec(program) ?? [];
  assertStringIncludes(await read("../README.md"), `\`\`\`ts ignore\n${code}\`\`\`\n`);
});
