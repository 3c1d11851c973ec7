/**
 * Heads of HTTP/1.1, of requests and of answers: the first line, and the fields behind it (RFC 9112
 * sections 2.1 and 5).
 *
 * @module
 */

/** A head. */
export interface HttpHead {
  /** The first line, without its end. */
  line: string;
  /** The values of the fields by names in lower case; several of a name in one list. */
  fields: ReadonlyMap<string, string>;
}

/**
 * Parses a head. Lines that are no fields are skipped.
 *
 * @param head All of it.
 * @returns What it says.
 */
export function parseHead(head: Uint8Array): HttpHead {
  const text = new TextDecoder("latin1").decode(head);
  const lineEnd = text.indexOf("\n");
  // A line that begins with a space goes on with the one before (RFC 9112 section 5.2).
  const lines = text.slice(lineEnd + 1).replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const name = line.slice(0, colon).toLowerCase();
    const before = fields.get(name);
    const value = line.slice(colon + 1);
    fields.set(name, before === undefined ? value : `${before},${value}`);
  }
  return { line: text.slice(0, lineEnd).replace(/\r$/, ""), fields };
}

/** The entries of a field that is a list (RFC 9110 section 5.6.1). */
export function listOf({ fields }: HttpHead, name: string): string[] {
  return fields.get(name)?.split(",").map((entry) => entry.trim()) ?? [];
}

/** Whether a head asks for the tunnel, or grants it: in any case, and among other words. */
export function isUpgrade(head: HttpHead): boolean {
  const has = (name: string, word: string) =>
    listOf(head, name).some((entry) => entry.toLowerCase() === word);
  return has("connection", "upgrade") && has("upgrade", "websocket");
}
