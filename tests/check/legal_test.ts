import { assertEquals } from "@std/assert";
import { check, type CheckOptions, type CheckResult } from "../../check/mod.ts";
import { permitted } from "../permitted.ts";
import { skippedHere } from "./broken_program.ts";
import { accusations, program, variants } from "./legal_program.ts";

const NEEDS = ["net", "read", "write", "run"] as const;

/** Variants at a time: each spends most of its time waiting. */
const SIDE_BY_SIDE = 4;

/** Those that see where it connects. */
const CONNECTING =
  /client\/(?:proxy|socks-(?:granted|as-tor|early)|relay-bytes)|server\/(?:relay|ext)/;

/**
 * The checks that have to do with a variant, most of which accused it once; check_matrix.ts makes
 * all of them on all variants.
 */
const CONCERNED: Readonly<Record<string, RegExp>> = {
  "reply-ipv6": /client\/(?:relay-bytes|relay-far|socks-(?:granted|reply|early|refused))/,
  "reply-name": /client\/(?:relay-bytes|relay-far|socks-(?:granted|reply|early|refused))/,
  "grants-first": /client\/(?:proxy|socks-(?:stalled|refused)|relay-bytes|outbound)/,
  "grants-lazily": /client\/(?:proxy|socks-(?:stalled|ipv6|name|refused)|relay-bytes|outbound)/,
  "bind-silent": /client\/socks-(?:reply|command|chunked|pipelined)/,
  "closes-late": /client\/socks-(?:reply|refused)/,
  "gssapi": /client\/socks-(?:unacceptable|methods)/,
  "args-known": /client\/socks-/,
  "args-letters": /client\/socks-/,
  "args-none": /client\/(?:socks-|relay-bytes)/,
  "password-only": /client\/(?:socks-|relay-bytes|outbound)/,
  "listens-ipv6": /client\/(?:method-|socks-granted|outbound)/,
  "socks4": /client\/(?:socks|relay-(?:bytes|eof|concurrent)|proxy-http|method|outbound)/,
  "methods-reversed": /\/name-/,
  "names-similar": /\/name-/,
  "list-empty": /\/mode-/,
  "slow": /relay-(?:large|concurrent|stall)/,
  "status-string": /(?:status|log|line)-/,
  "status-name": /(?:status|log|line)-/,
  "logs": /(?:log|line|done|version-error|env-error)-/,
  "status-after-error": /error-ends/,
  "method-error":
    /\/(?:method|done|name|outbound|extended|state|variables|bindaddr|options|mode|orport|proxy)-/,
  "spaces": /\/(?:method|name|line)-/,
  "published-address": /server\/(?:bindaddr|method|name|relay-bytes|ext-okay|stdin|outbound)/,
  "published-args": /server\/(?:method|relay-bytes|ext-okay|outbound)/,
  "options-known": /server\/options-/,
  "version-2": /\/version-/,
  "proxy-name": /client\/proxy-/,
  "proxy-challenged": /client\/proxy-/,
  "proxy-challenged-anew": /client\/proxy-/,
  "looks-first": CONNECTING,
  "races": CONNECTING,
  "serves-lazily": /server\/(?:relay|ext|orport|outbound)/,
  "ipv6-long": /server\/(?:ext-useraddr|bindaddr)/,
  "ext-no-method": /server\/ext-auth/,
  "ext-anonymous": /server\/ext-(?:useraddr|transport|done|okay$)/,
  "ext-mapped": /server\/ext-useraddr/,
  "ext-more": /server\/ext-(?:useraddr|transport|done|okay$)/,
  "ext-ignored": /server\/ext-/,
  "secret-needed": /client\/(?:proxy|socks-|relay-bytes|outbound)/,
  "sigterm-143": /\/sigterm/,
  "sigterm-reraised": /\/sigterm/,
};

const known = variants();
const missing = known === null ? "needs Python 3" : null;

permitted(NEEDS, "check() finds nothing wrong with a correct program in Python", async () => {
  const results = await Array.fromAsync(
    check(program(), { transport: "dummy", beside: "second", timeout: 5_000 }),
  );
  const named = (outcome: CheckResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).map(({ role, id }) => `${role}/${id}`);
  assertEquals(named("failed"), []);
  assertEquals(named("error"), []);
  // What a program may say and this one does not, and what a machine cannot try that has no IPv6, or
  // lets nobody make a network.
  const expected = /ipv6|grammar|method-args|log-addresses|socks4/;
  assertEquals(
    named("skipped").filter((name) => !expected.test(name) && !skippedHere(name)),
    [],
  );
}, missing);

permitted(NEEDS, "check() accuses no variant that is legal", async () => {
  assertEquals(Object.keys(CONCERNED).sort(), known?.toSorted());
  const queue = Object.entries(CONCERNED);
  const accused: string[] = [];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [variant, concerned] = next;
      const found = await accusations(program(variant), concerned);
      accused.push(...found.map((accusation) => `${variant}: ${accusation}`));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  assertEquals(accused, []);
}, missing);

permitted(NEEDS, "check() judges a server that dials with the first byte of its user", async () => {
  const only =
    /server\/(?:relay-(?:bytes|far-first|eof|orport)|ext-(?:auth|useraddr$|okay|stalled|again))/;
  const command = program("serves-lazily", "ext-mapped");
  const results = await Array.fromAsync(
    check(command, { transport: "dummy", role: "server", only, timeout: 5_000 }),
  );
  assertEquals(
    results.filter(({ outcome }) => outcome !== "ok").map(({ id, outcome }) => `${id} ${outcome}`),
    ["relay-far-first skipped"],
  );
}, missing);

permitted(NEEDS, "check() calls what goes wrong in itself an error, and no failure", async () => {
  // The directory that the checker works in is gone as soon as the program has started.
  const script = 'rm -rf "${TOR_PT_STATE_LOCATION%/*}"; exec "$@"';
  const command = ["sh", "-c", script, "sh", ...program()];
  const results = await Array.fromAsync(
    check(command, { transport: "dummy", only: /state-missing|version-list/, timeout: 5_000 }),
  );
  assertEquals(results.filter(({ outcome }) => outcome === "failed"), []);
  assertEquals(results.some(({ outcome }) => outcome === "error"), true);
}, missing);

permitted(NEEDS, "check() calls it an error when it may open no more files", async () => {
  if (Deno.build.os === "windows") return;
  const cli = new URL("../../cli.ts", import.meta.url).pathname;
  const flags = ["--json", "--transport", "dummy", "--only", "client/relay-(?:bytes|concurrent)$"];
  const checker = [Deno.execPath(), "run", "--allow-all", cli, "check", ...flags, "--"];
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 70; exec "$@"', "sh", ...checker, ...program()],
    stderr: "null",
  }).output();
  const results: CheckResult[] = JSON.parse(new TextDecoder().decode(stdout)).checks;
  assertEquals(results.map(({ id, outcome }) => `${id} ${outcome}`), [
    "relay-bytes ok",
    "relay-concurrent error",
  ]);
}, missing);

permitted(
  NEEDS,
  "check() gives a transport the arguments and options without which it does nothing",
  async () => {
    const outcomes = async (variants: string[], options: Partial<CheckOptions>) => {
      const all = check(program(...variants), { transport: "dummy", timeout: 5_000, ...options });
      return (await Array.fromAsync(all)).map(({ id, outcome }) => `${id} ${outcome}`);
    };
    const client = { role: "client", only: /relay-bytes|socks-args$/ } as const;
    const picky = ["password-only", "args-known"];
    assertEquals(await outcomes(picky, { ...client, args: [["secret", "a;b"]] }), [
      "socks-args skipped",
      "relay-bytes ok",
    ]);
    assertEquals(await outcomes(picky, client), ["socks-args skipped", "relay-bytes skipped"]);
    const server = { role: "server", only: /method-line|bindaddr-omitted/ } as const;
    assertEquals(
      await outcomes(["options-known"], { ...server, serverOptions: [["secret", "a;b:c"]] }),
      ["bindaddr-omitted ok", "method-line ok"],
    );
    assertEquals(
      await outcomes(["options-known"], { ...server, serverOptions: [["other", "1"]] }),
      ["bindaddr-omitted skipped", "method-line skipped"],
    );
  },
  missing,
);
