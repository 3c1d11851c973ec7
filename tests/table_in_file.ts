/** Tables that commands write into the project's pages. */

/** Puts a table between the two comments of its name, such as `<!-- faults -->` and `<!-- /faults -->`. */
export async function writeTable(file: URL, name: string, table: string): Promise<void> {
  const [first, last] = [`<!-- ${name} -->\n`, `<!-- /${name} -->\n`];
  const text = await Deno.readTextFile(file);
  const [start, end] = [text.indexOf(first), text.indexOf(last)];
  if (start === -1 || end < start) throw new Error(`${file.pathname} has no ${first}${last}`);
  const [before, after] = [text.slice(0, start + first.length), text.slice(end)];
  // Cells of one row have very different lengths: filled up they would be hard to read.
  const plain = `<!-- deno-fmt-ignore-start -->\n\n${table}\n\n<!-- deno-fmt-ignore-end -->`;
  await Deno.writeTextFile(file, `${before}\n${plain}\n\n${after}`);
}
