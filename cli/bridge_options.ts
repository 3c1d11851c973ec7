/**
 * Which bridges a tunnel of `ptlib client` goes to: by `--bridge-line` and `--bridge-file`, or by
 * `--transport`, `--bridge` and `--args`.
 *
 * @module
 */

import { formatSocksArgs, MOST_ARGUMENT_BYTES, parseSocksArgs } from "../args.ts";
import { parseBridgeLine } from "../bridge_line.ts";
import type { TunnelBridge } from "../parent/mod.ts";
import { checkReplaced, isName } from "./places.ts";
import type { TunnelRequest } from "./tunnel_options.ts";

/** Checks arguments that every connection has to carry. */
function checkLength(args: URLSearchParams): URLSearchParams {
  const { length } = new TextEncoder().encode(formatSocksArgs(args));
  if (length <= MOST_ARGUMENT_BYTES) return args;
  throw new SyntaxError(`it has ${length} bytes, and SOCKS5 carries up to ${MOST_ARGUMENT_BYTES}`);
}

/** Reads `--args`. A space comes from a bridge line, where it stands between two of them. */
export function parseArguments(text: string): URLSearchParams {
  if (/\s/.test(text.replace(/\\./gs, ""))) {
    throw new SyntaxError(
      "there is a space in it, but arguments are separated by ; (--bridge-line takes a bridge line " +
        "as it is, and a space in a value is written with a \\ before it)",
    );
  }
  return checkLength(parseSocksArgs(text));
}

/** Checks of the address in a line what the parser of bridge lines cannot know. */
function checkPlace(line: string): void {
  const [, host] = /^\s*(?:bridge\s+)?\w+\s+([^\s:=]+):\d+(?:\s|$)/i.exec(line) ?? [];
  if (host === undefined) return;
  checkReplaced(host);
  if (!isName(host)) return;
  throw new SyntaxError(
    "a bridge line has an IP address, and no name: look it up, or give --transport, --bridge and " +
      "--args in place of the line",
  );
}

/** Reads a bridge line, which must name a transport here. */
function parseLine(line: string): TunnelBridge {
  checkPlace(line);
  const { transport, address, args } = parseBridgeLine(line);
  if (transport === null) throw new SyntaxError("it names no transport before the address");
  return { transport, address, args: checkLength(args) };
}

/** Reads the lines of a text but for comments; an error names the line. */
function parseLines(text: string): TunnelBridge[] {
  return text.replace(/^\ufeff/, "").split("\n").flatMap((line, index) => {
    if (/^\s*(?:#|$)/.test(line)) return [];
    try {
      return [parseLine(line)];
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new SyntaxError(`in line ${index + 1}, ${cause.message}`, { cause });
    }
  });
}

async function readFile(request: TunnelRequest, path: string): Promise<TunnelBridge[]> {
  const text = await Deno.readTextFile(path).catch((cause) => {
    throw request.fault("bridge-file", `cannot be read: ${cause.message}`);
  });
  const bridges = request.parse("bridge-file", text, parseLines);
  if (bridges.length === 0) throw request.fault("bridge-file", "has no bridge line in it");
  return bridges;
}

/**
 * Reads the bridges of a tunnel.
 *
 * @param request What the tunnel was asked for.
 * @returns The bridges, in the order in which they are to be tried.
 * @throws {UsageError} When an option is missing, malformed or one too many.
 */
export async function readBridges(
  request: TunnelRequest,
): Promise<[TunnelBridge, ...TunnelBridge[]]> {
  const path = request.optional("bridge-file");
  const [first, ...others] = [
    ...request.all("bridge-line").map((line) => request.parse("bridge-line", line, parseLine)),
    ...path === undefined ? [] : await readFile(request, path),
  ];
  if (first === undefined) {
    if (request.optional("transport") === undefined && request.optional("bridge") === undefined) {
      throw request.fault(
        "bridge-line",
        "is missing: where the server's end is, and how it is reached",
      );
    }
    const args = request.parse("args", request.optional("args") ?? "", parseArguments);
    return [{ transport: request.transport(), address: request.destination("bridge"), args }];
  }
  for (const name of ["transport", "bridge", "args"]) {
    if (request.optional(name) === undefined) continue;
    throw request.fault(name, "is one too many: a bridge line says it already");
  }
  return [first, ...others];
}
