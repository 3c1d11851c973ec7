// Run by Node or Bun: loads every export of ../../deno.json and prints what came of each as JSON.
import { readFileSync } from "node:fs";

const root = new URL("../../", import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));
const outcomes = {};
for (const [name, path] of Object.entries(exports)) {
  try {
    outcomes[name] = Object.keys(await import(new URL(path, root).href)).sort();
  } catch (error) {
    outcomes[name] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(outcomes));
