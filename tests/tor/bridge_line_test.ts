/** Bridge lines as tor itself reads them. */

import { assertEquals } from "@std/assert";
import { parseBridgeLine } from "../../bridge_line.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";

const FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567";
const IP = "192.0.2.7:443";

/** Lines, and whether tor takes them. */
const SAME: [line: string, taken: boolean][] = [
  [`obfs4 ${IP} ${FINGERPRINT} cert=a=b+/ iat-mode=0`, true],
  [`obfs4 ${IP} ${FINGERPRINT.toLowerCase()} k= k=v`, true],
  [`\tobfs4  192.0.2.7 \t k=\\;`, true],
  [`obfs4 [2001:db8::7] k=v`, true],
  [`${IP} 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567`, true],
  [`obfs4 ${IP} k=${";".repeat(254)}`, true],
  [`obfs4 ${IP} k=${";".repeat(254)}v`, false],
  [`obfs4 ${IP} k=${"é".repeat(254)}`, true],
  [`obfs4 ${IP} k=${"é".repeat(254)}v`, false],
  [`obfs4 ${IP} a=b k=${"=".repeat(504)}`, true],
  [`obfs4 ${IP} a=b k=${"=".repeat(505)}`, false],
  [`obfs4 ${IP} 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567`, false],
  [`obfs4 ${IP} k=v ${FINGERPRINT}`, false],
  [`obfs4 ${IP} ${FINGERPRINT} cert`, false],
  [`obfs4 ${IP} =v`, false],
  [`obfs4 ${IP.replace("443", "0")}`, false],
  [`obfs4 bridge.example:443`, false],
  [`obfs-4 ${IP}`, false],
  [`${IP} k=v`, false],
  ["obfs4", false],
];

/** Lines of which we and tor make something different, and whether tor takes them. */
const DIFFERENT: [line: string, takenByTor: boolean][] = [
  [`obfs4 ${IP} $${FINGERPRINT}`, false],
  ["obfs4 192.0.2.7:0443", true],
  ["obfs4 2001:db8::7:443", true], // As the address 2001:db8::7:443, whose port is 443 by chance.
];

async function tookByTor(line: string, directory: string): Promise<boolean> {
  const torrc = `${directory}/torrc`;
  const plugin = "ClientTransportPlugin obfs4 exec /bin/false";
  const text = ["UseBridges 1", plugin, `DataDirectory ${directory}`, `Bridge ${line}`, ""];
  await Deno.writeTextFile(torrc, text.join("\n"));
  const { success } = await new Deno.Command("tor", {
    args: ["--quiet", "--verify-config", "-f", torrc, "--defaults-torrc", `${directory}/none`],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

function taken(line: string): boolean {
  try {
    parseBridgeLine(line);
    return true;
  } catch {
    return false;
  }
}

const missing = granted(["run"]) ? missingPrograms() : [];
const reason = missing.length === 0 ? null : `needs ${missing.join(" and ")}; ${INSTALL}`;

permitted(
  ["read", "write", "run"],
  "parseBridgeLine() takes the lines that tor takes, but for a few",
  () =>
    withDirectory(async (directory) => {
      for (const [line, expected] of SAME) {
        const both = [await tookByTor(line, directory), taken(line)];
        assertEquals(both, [expected, expected], line);
      }
      for (const [line, byTor] of DIFFERENT) {
        assertEquals([await tookByTor(line, directory), taken(line)], [byTor, !byTor], line);
      }
    }),
  reason,
);
