/**
 * A request of plain HTTP, as everybody on its way can read it.
 *
 * @module
 */

/**
 * The head of a request.
 *
 * @example
 * ```ts
 * import type { HttpRequest } from "@ptlib/ptlib/censor";
 *
 * const isUpgrade = (request: HttpRequest) => request.headers.some(([name]) => name === "upgrade");
 * ```
 */
export interface HttpRequest {
  /** Its first line. */
  readonly line: string;
  /** Its fields in their order: a name in small letters, and a value. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A method, which is any token, a target and the version (RFC 9112 section 3). */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP\/1\.[01]$/;

/** A longer head is not read on. */
const LONGEST_HEAD = 16_384;

/**
 * Reads the head of a request of HTTP/1.
 *
 * @param bytes What a client sent first.
 * @returns The head, as much of it as is there; `null` for what does not begin with a request line.
 *
 * @example
 * ```ts
 * import { parseHttpRequest } from "@ptlib/ptlib/censor";
 *
 * const bytes = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
 * if (parseHttpRequest(bytes)?.headers[0]?.[1] !== "example.com") throw new Error();
 * ```
 */
export function parseHttpRequest(bytes: Uint8Array): HttpRequest | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, LONGEST_HEAD));
  const [line = "", ...fields] = (text.split("\r\n\r\n")[0] ?? "").split("\r\n");
  if (!REQUEST_LINE.test(line)) return null;
  const headers = fields.flatMap((field): [string, string][] => {
    const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(field) ?? [];
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value]];
  });
  return { line, headers };
}
