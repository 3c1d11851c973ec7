/** Starting programs under strace. Linux only. */

import { granted } from "../permitted.ts";

/**
 * What is recorded: the network's calls but for those that receive, which are many and reach
 * nobody; the names of files that are opened; what is written; what could do all that unseen; and
 * programs that are started. Those with a question mark exist on some processors only.
 */
const CALLS = [
  "socket",
  "?socketcall",
  "bind",
  "connect",
  "listen",
  "accept",
  "accept4",
  "getsockname",
  "?send",
  "sendto",
  "sendmsg",
  "sendmmsg",
  "?open",
  "openat",
  "openat2",
  "write",
  "writev",
  "io_uring_setup",
  "execve",
];

/** More than any message of a handshake has. */
const LONGEST_STRING = 2048;

/** The command that records what `command` and all its children do in a file. */
export function traced(command: readonly string[], file: string): string[] {
  const options = ["-f", "-y", "-qq", "--seccomp-bpf", "-s", `${LONGEST_STRING}`];
  return ["strace", ...options, "-e", `trace=${CALLS.join()}`, "-o", file, ...command];
}

/** Why nothing can be recorded here; null when it can. */
export function straceMissing(): string | null {
  if (!granted(["env", "net", "read", "run", "write"])) return "needs --allow-all";
  if (Deno.build.os !== "linux") return "needs Linux";
  const [program = "", ...args] = traced(["true"], "/dev/null");
  try {
    const { success } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? null : "needs the right to trace processes (ptrace)";
  } catch {
    return "there is no strace: apt-get install strace";
  }
}
