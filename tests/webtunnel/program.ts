/** The commands of WebTunnel's program, with exactly the flags that its head comment names. */

const MAIN = new URL("../../webtunnel/main.ts", import.meta.url);

/** A client, a server behind a reverse proxy, and one alone: in the order of the head comment. */
const WAYS = ["client", "behind", "alone"] as const;

/**
 * The command of one way to run it.
 *
 * @param way The way.
 * @param places What stands in place of the addresses and paths of the head comment.
 */
export async function program(
  way: typeof WAYS[number],
  places: Readonly<Record<string, string>>,
): Promise<string[]> {
  const [head = ""] = (await Deno.readTextFile(MAIN)).split("*/");
  const text = head.replaceAll(/^ \* ?/gm, "").replaceAll(/ \\\n +/g, " ");
  const commands = Array.from(text.matchAll(/^ {4}deno (run .*) main\.ts$/gm), ([, run]) => run!);
  let command = commands[WAYS.indexOf(way)] ?? "";
  for (const [place, mine] of Object.entries(places)) {
    if (!command.includes(place)) throw new Error(`The head comment does not have ${place}`);
    command = command.replaceAll(place, mine);
  }
  return [Deno.execPath(), ...command.split(" "), MAIN.pathname];
}
