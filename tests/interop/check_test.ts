import { assert, assertEquals } from "@std/assert";
import { check, type CheckOptions } from "../../check/mod.ts";
import { skippedHere } from "../check/broken_program.ts";
import { granted, permitted } from "../permitted.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";

const NEEDS = ["net", "read", "write", "run"] as const;

/** Registers a test that is ignored, with the reason in its name, where the peer is missing. */
function withPeer(name: PeerName, title: string, fn: (program: string) => Promise<void>): void {
  const missing = granted(NEEDS) ? peerMissing(name) : null;
  permitted(NEEDS, title, async () => {
    const program = await peer(name);
    if (program !== null) await fn(program);
  }, missing);
}

/** Whether a failure shows on this machine. */
function seenHere(failure: string): boolean {
  return !skippedHere(failure);
}

async function failures(program: string, options: CheckOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const result of check([program], options)) {
    const { outcome, role, id, level } = result;
    assert(outcome !== "error", `${role}/${id}: the checker itself fails: ${Deno.inspect(result)}`);
    if (outcome === "failed") found.push(`${role}/${id} ${level}`);
  }
  return found;
}

withPeer(
  "goptlib-dummy-client",
  "check() finds what goptlib's dummy client lacks",
  async (program) => {
    assertEquals(
      await failures(program, { transport: "dummy", role: "client", timeout: 5_000 }),
      [
        // It starts without a state location, because it keeps no state.
        "client/state-missing SHOULD",
        "client/state-relative SHOULD",
        "client/mode-both extra",
        "client/outbound-used SHOULD",
        "client/outbound-used-ipv6 SHOULD",
        "client/name-twice extra",
        "client/name-unknown-silent MUST",
        // It ends without a word.
        "client/proxy-no-scheme MUST",
        "client/proxy-no-port MUST",
        "client/socks-refused-code robustness",
        // It counts it as an error when anything has come behind a message.
        "client/socks-pipelined extra",
        "client/socks-early-data extra",
        // It takes its clients through their handshakes one after the other.
        "client/socks-half-open robustness",
        "client/relay-eof-up robustness",
        "client/relay-reset-up robustness",
        "client/relay-eof-down robustness",
        "client/relay-reset-down robustness",
        "client/parent-gone SHOULD",
      ].filter(seenHere),
    );
  },
);

withPeer(
  "goptlib-dummy-server",
  "check() finds what goptlib's dummy server lacks",
  async (program) => {
    assertEquals(
      await failures(program, { transport: "dummy", role: "server", timeout: 5_000 }),
      [
        "server/state-missing SHOULD",
        "server/state-relative SHOULD",
        "server/mode-both extra",
        "server/bindaddr-omitted SHOULD",
        "server/outbound-used SHOULD",
        "server/outbound-used-ipv6 SHOULD",
        "server/name-unknown-silent SHOULD",
        "server/relay-eof-up robustness",
        "server/relay-reset-up robustness",
        "server/relay-eof-down robustness",
        "server/relay-reset-down robustness",
        // It fails on commands that it does not know.
        "server/ext-unknown MUST",
        "server/ext-control MUST",
        "server/parent-gone SHOULD",
      ].filter(seenHere),
    );
  },
);

withPeer("obfs4proxy", "check() takes both halves of obfs4proxy back to back", async (program) => {
  const options = { transport: "obfs4", timeout: 5_000 };
  assertEquals(
    await failures(program, options),
    [
      "client/state-relative SHOULD",
      // It says so on stderr only.
      "client/mode-neither SHOULD",
      "client/outbound-used SHOULD",
      "client/outbound-used-ipv6 SHOULD",
      "client/name-twice extra",
      "client/name-unknown-silent MUST",
      "client/proxy-no-scheme MUST",
      "client/proxy-no-port MUST",
      "client/socks-refused-code robustness",
      "client/socks-pipelined extra",
      "client/socks-early-data extra",
      // That it cuts off the other direction with the first end may be either half: skipped.
      "client/sigint robustness",
      "server/state-relative SHOULD",
      "server/mode-neither SHOULD",
      "server/bindaddr-omitted SHOULD",
      "server/outbound-used SHOULD",
      "server/outbound-used-ipv6 SHOULD",
      "server/name-unknown-silent SHOULD",
      "server/ext-unknown MUST",
      "server/ext-control MUST",
      "server/sigint robustness",
    ].filter(seenHere),
  );
});

permitted(NEEDS, "check() finds nothing to fail in our dummies", async () => {
  for (const role of ["client", "server"] as const) {
    const path = new URL(`../../examples/dummy_${role}.ts`, import.meta.url).pathname;
    const command = [Deno.execPath(), "run", "--no-check", "--allow-all", path];
    const found = await Array.fromAsync(check(command, { transport: "dummy", role }));
    assertEquals(found.filter(({ outcome }) => outcome === "failed"), [], role);
  }
});
