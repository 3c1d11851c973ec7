/** What HTTP/1.1 says of a head, by its grammar (RFC 9112), for properties to compare with. */

/** The head at the beginning of a text: lines that are not blank, and then a blank one. */
export function headOf(text: string): string | undefined {
  return /^(?:(?!\r?\n)[^\n]*\n)*\r?\n/.exec(text)?.[0];
}

/** Whether a field of a head has a word in its list, in any case. */
function hasWord(head: string, name: string, word: string): boolean {
  const fields = head.slice(head.indexOf("\n") + 1).matchAll(
    new RegExp(`(?<=^|\\n)${name}:([^\\n]*(?:\\n[ \\t]+(?=[^ \\t])(?!\\r?\\n)[^\\n]*)*)`, "gi"),
  );
  const list = Array.from(fields, ([, value]) => value).join(",").toLowerCase().split(",");
  return list.some((entry) => entry.trim() === word);
}

/** Whether a head asks for WebTunnel's upgrade, or grants it. */
export function isWebTunnel(head: string): boolean {
  return hasWord(head, "connection", "upgrade") && hasWord(head, "upgrade", "websocket");
}
