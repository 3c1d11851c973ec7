/**
 * Checks of what a transport makes of its environment (pt-spec section 3.2).
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { endWords, type Fixture, freshPath, isDone, methodOf, outputOf } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { isAside, type Program } from "./checked_program.ts";
import type { Variables } from "./program_environment.ts";
import { refuses, refusingAddress } from "./listener.ts";
import { carries, noise } from "./carried_bytes.ts";
import { filesOutside } from "./files_outside.ts";
import { joinArguments } from "./socks_message.ts";
import { openPair, type TunnelledPair } from "./test_tunnel.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const STATE = "TOR_PT_STATE_LOCATION";
const CLIENT = "TOR_PT_CLIENT_TRANSPORTS";
const SERVER = "TOR_PT_SERVER_TRANSPORTS";
const BINDADDR = "TOR_PT_SERVER_BINDADDR";
const OPTIONS = "TOR_PT_SERVER_TRANSPORT_OPTIONS";
const ORPORT = "TOR_PT_ORPORT";
const EXTENDED = "TOR_PT_EXTENDED_SERVER_PORT";

/** Starts the program and waits until it has refused, has started, or has fallen silent. */
async function decision(fixture: Fixture, changes: Variables): Promise<Program> {
  fixture.needsPlain("started");
  const program = await fixture.start(changes);
  await program.line(({ message }) =>
    message?.kind === "env-error" || isDone(fixture.role, message)
  );
  return program;
}

/** Expects ENV-ERROR, or for one transport its METHOD-ERROR line. */
async function refused(fixture: Fixture, why: string, changes: Variables): Promise<void> {
  const program = await decision(fixture, changes);
  const kinds = program.lines.map(({ message }) => message?.kind);
  const error = kinds.some((kind) =>
    kind === "env-error" || kind === "cmethod-error" || kind === "smethod-error"
  );
  expect(error, `ENV-ERROR, because ${why}`, outputOf(program));
}

/** Expects the transport to listen. */
async function started(fixture: Fixture, although: string, changes: Variables): Promise<Program> {
  const program = await decision(fixture, changes);
  const listens = methodOf(program, fixture.subject.transport) !== null;
  expect(listens, `a start, although ${although}`, outputOf(program));
  return program;
}

async function carriesBothWays({ user, backend }: TunnelledPair): Promise<void> {
  await carries(user, backend, noise(16));
  await carries(backend, user, noise(16));
}

/** Expects the transport to listen and then to work, as far as it does in the plain environment. */
async function works(fixture: Fixture, although: string, changes: Variables): Promise<void> {
  await started(fixture, although, changes);
  try {
    await precondition((async () => await carriesBothWays(await openPair(fixture)))());
  } catch (error) {
    if (error instanceof Skipped) return; // Its start was all that can be seen.
    throw error;
  }
  try {
    await carriesBothWays(await openPair(fixture, { changes }));
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    throw new Failed(`a connection, although ${although}`, error.reason);
  }
}

/** An option that no transport has, with a value as tor writes it. */
function option({ subject }: Fixture, value: string): Variables {
  const own = `${subject.transport}:ptlib-check=${value}`;
  return { [OPTIONS]: joinArguments(subject.options, own) };
}

/** Expects a server to take a value of an option that is odd; a plain one has to work first. */
async function takesOption(fixture: Fixture, value: string): Promise<void> {
  const program = await decision(fixture, option(fixture, "plain"));
  if (methodOf(program, fixture.subject.transport) === null) {
    throw new Skipped(`needs a server that takes an unknown option: ${outputOf(program)}`);
  }
  await works(fixture, `an option is ${value}`, option(fixture, value));
}

/** A program that has said ENV-ERROR. */
async function refusing(fixture: Fixture): Promise<Program> {
  const unusable: Variables[] = [{ [CLIENT]: null, [SERVER]: null }, { [STATE]: null }];
  for (const changes of unusable) {
    const program = await decision(fixture, changes);
    if (program.lines.some(({ message }) => message?.kind === "env-error")) return program;
  }
  throw new Skipped("needs an ENV-ERROR, for no transports or for no state location");
}

/** How often a server is told where to listen: somebody else may have taken that meanwhile. */
const ATTEMPTS = 3;

/** Starts a server that is told to listen at a free port of an address. */
async function startedAt(
  fixture: Fixture,
  host: string,
): Promise<{ program: Program; address: Address }> {
  const { transport } = fixture.subject;
  for (let attempt = 1;; attempt++) {
    const address = await refusingAddress(host);
    if (address === null) throw new Skipped(`needs a free port of ${host}`);
    const bind = `${transport}-${formatAddress(address)}`;
    const program = await decision(fixture, { [BINDADDR]: bind });
    if (methodOf(program, transport) !== null) return { program, address };
    if (attempt === ATTEMPTS) {
      throw new Skipped(`needs a server that takes ${bind}: ${outputOf(program)}`);
    }
  }
}

/** Checks that both halves share. */
const commonChecks: readonly Check[] = [
  {
    id: "state-missing",
    roles: BOTH,
    title: "refuses to start without a state location",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    run: (fixture) => refused(fixture, `${STATE} is not set`, { [STATE]: null }),
  },
  {
    id: "state-relative",
    roles: BOTH,
    title: "refuses a state location that is not absolute",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    run(fixture) {
      // A program that does not refuse it shall litter our directory, not the user's.
      const up = Deno.cwd().split("/").map(() => "..").join("/");
      const path = `${up}${freshPath(fixture.subject, "relative")}`;
      return refused(fixture, `${STATE} is relative`, { [STATE]: path });
    },
  },
  {
    id: "state-absent",
    roles: BOTH,
    title: "starts when the state directory does not exist yet",
    section: "pt-spec 3.2.1",
    level: "SHOULD",
    async run(fixture) {
      const path = `${freshPath(fixture.subject, "absent")}/deep/state`;
      await started(fixture, "the state directory does not exist yet", { [STATE]: path });
    },
  },
  {
    id: "state-only",
    roles: BOTH,
    title: "writes no file outside of the state directory",
    section: "pt-spec 3.2.1",
    level: "MUST",
    hand: "use it, and look into its HOME, its TMPDIR and its working directory",
    async run(fixture) {
      const files = await filesOutside(fixture);
      const where = "HOME, TMPDIR and the working directory as empty as before";
      expect(files.length === 0, where, `new files: ${files.join(", ")}`);
    },
  },
  {
    id: "mode-neither",
    roles: BOTH,
    title: "refuses to start when neither client nor server transports are asked for",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    run: (fixture) =>
      refused(fixture, "neither list of transports is set", { [CLIENT]: null, [SERVER]: null }),
  },
  {
    id: "mode-empty",
    roles: BOTH,
    title: "starts no transport for an empty list of them",
    section: { client: "pt-spec 3.2.2", server: "pt-spec 3.2.3" },
    level: "robustness",
    async run(fixture) {
      const list = fixture.role === "client" ? CLIENT : SERVER;
      const program = await decision(fixture, { [list]: "" });
      const method = methodOf(program, fixture.subject.transport);
      expect(method === null, `no transport for an empty ${list}`, outputOf(program));
    },
  },
  {
    id: "mode-both",
    roles: BOTH,
    title: "refuses to be client and server at once",
    section: "pt-spec 2",
    level: "extra",
    run(fixture) {
      const { transport } = fixture.subject;
      const changes = { [CLIENT]: transport, [SERVER]: transport };
      return refused(fixture, "both lists of transports are set", changes);
    },
  },
  {
    id: "env-error-ends",
    roles: BOTH,
    title: "ends after ENV-ERROR and says nothing more",
    section: "pt-spec 3.3.1",
    level: "MUST",
    async run(fixture) {
      const program = await refusing(fixture);
      const status = await program.ended();
      expect(status !== null, "the program's end after ENV-ERROR", endWords(status));
      const last = program.lines.findLast(({ message }) => !isAside(message));
      expect(last?.message?.kind === "env-error", "ENV-ERROR as the last word", outputOf(program));
    },
  },
  {
    id: "env-error-status",
    roles: BOTH,
    title: "ends with a status other than 0 after ENV-ERROR",
    section: "pt-spec 3.3.1",
    level: "robustness",
    hand: "look at $?",
    async run(fixture) {
      const status = await (await refusing(fixture)).ended();
      if (status === null) throw new Skipped("needs a program that ends after ENV-ERROR");
      expect(!status.success, "a status other than 0", endWords(status));
    },
  },
  {
    id: "env-error-text",
    roles: BOTH,
    title: "says in ENV-ERROR what is wrong",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    async run(fixture) {
      const program = await refusing(fixture);
      // A word alone names nothing, unless it has the variable's name in it.
      const useful = program.lines.some(({ text }) =>
        /^ENV-ERROR .*(?:[A-Za-z]{2}[^A-Za-z]+[A-Za-z]{2}|state|transport)/i.test(text)
      );
      expect(useful, "ENV-ERROR and a text that names what is wrong", outputOf(program));
    },
  },
  {
    id: "outbound-empty",
    roles: BOTH,
    title: "takes an empty source address for none",
    section: "pt-spec 3.2.1",
    level: "MUST",
    run: (fixture) =>
      works(fixture, "the source addresses are empty", {
        TOR_PT_OUTBOUND_BIND_ADDRESS_V4: "",
        TOR_PT_OUTBOUND_BIND_ADDRESS_V6: "",
      }),
  },
  {
    id: "outbound-loopback",
    roles: BOTH,
    title: "ignores the source address on connections to loopback",
    section: "pt-spec 3.2.1",
    level: "MUST",
    async run(fixture) {
      // 203.0.113.0/24 is for documentation: nobody's address, so a bind to it fails.
      const changes = { TOR_PT_OUTBOUND_BIND_ADDRESS_V4: "203.0.113.4" };
      await openPair(fixture);
      const opened = await openPair(fixture, { changes }).catch((error) => {
        if (error instanceof Skipped) return error.reason;
        throw error;
      });
      expect(
        typeof opened !== "string",
        "a connection to loopback, whatever the source address",
        String(opened),
      );
    },
  },
  {
    id: "variables-unknown",
    roles: BOTH,
    title: "ignores variables it does not know",
    section: "pt-spec 3.2",
    level: "robustness",
    async run(fixture) {
      await started(fixture, "there is an unknown variable", { TOR_PT_OF_THE_FUTURE: "yes" });
    },
  },
];

/** Checks of where a server listens and what it is told. */
const serverChecks: readonly Check[] = [
  {
    id: "bindaddr-honoured",
    roles: ["server"],
    title: "listens at the address that is given",
    section: "pt-spec 3.3.3",
    level: "MUST",
    async run(fixture) {
      const { program, address } = await startedAt(fixture, "127.0.0.1");
      // The line names the address that clients should use, which can be another one.
      const got = `nobody listens there; ${outputOf(program)}`;
      expect(!await refuses(address), `a listener at ${formatAddress(address)}`, got);
    },
  },
  {
    id: "bindaddr-alone",
    roles: ["server"],
    title: "listens at no other address than the one that is given",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      const { program, address } = await startedAt(fixture, "127.0.0.1");
      const wanted = formatAddress(address);
      if (await refuses(address)) {
        throw new Skipped(`needs a listener at ${wanted}: ${outputOf(program)}`);
      }
      // Where there is a whole network of loopback addresses, who listens at one does not listen
      // at another, unless it listens everywhere.
      const elsewhere = await refuses(["127.0.0.2", address[1]]);
      expect(elsewhere, `a listener at ${wanted} alone`, "it listens at 127.0.0.2, too");
    },
  },
  {
    id: "bindaddr-ipv6",
    roles: ["server"],
    title: "listens at an IPv6 address that is given",
    section: "pt-spec 3.3.3",
    level: "MUST",
    async run(fixture) {
      fixture.listenIpv6();
      const { program, address } = await startedAt(fixture, "::1");
      const got = `nobody listens there; ${outputOf(program)}`;
      expect(!await refuses(address), `a listener at ${formatAddress(address)}`, got);
    },
  },
  {
    id: "bindaddr-host-name",
    roles: ["server"],
    title: "refuses a host name as the address to listen at",
    section: "pt-spec 3.2.3",
    level: "SHOULD",
    run: (fixture) =>
      refused(fixture, `${BINDADDR} holds a host name`, {
        [BINDADDR]: `${fixture.subject.transport}-localhost:0`,
      }),
  },
  {
    id: "bindaddr-malformed",
    roles: ["server"],
    title: "refuses an address to listen at that has no port",
    section: "pt-spec 3.2.3",
    level: "SHOULD",
    run: (fixture) =>
      refused(fixture, `${BINDADDR} has no port`, {
        [BINDADDR]: `${fixture.subject.transport}-127.0.0.1`,
      }),
  },
  {
    id: "bindaddr-omitted",
    roles: ["server"],
    title: "starts without an address to listen at",
    section: "pt-spec 3.2.3",
    level: "SHOULD",
    async run(fixture) {
      await started(fixture, `${BINDADDR} is not set`, { [BINDADDR]: null });
    },
  },
  {
    id: "bindaddr-foreign",
    roles: ["server"],
    title: "ignores the address of a transport that is not asked for",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      const own = `${fixture.subject.transport}-127.0.0.1:0`;
      await started(fixture, `${BINDADDR} names another transport too`, {
        [BINDADDR]: `nobody_asked_for_it-127.0.0.1:0,${own}`,
      });
    },
  },
  {
    id: "bindaddr-twice",
    roles: ["server"],
    title: "refuses two addresses for one transport",
    section: "pt-spec 3.2.3",
    level: "robustness",
    run(fixture) {
      const own = `${fixture.subject.transport}-127.0.0.1:0`;
      return refused(fixture, `${BINDADDR} names the transport twice`, {
        [BINDADDR]: `${own},${own}`,
      });
    },
  },
  {
    id: "orport-malformed",
    roles: ["server"],
    title: "refuses an ORPort that is no address",
    section: "pt-spec 3.2.3",
    level: "SHOULD",
    run: (fixture) => refused(fixture, `${ORPORT} has no port`, { [ORPORT]: "127.0.0.1" }),
  },
  {
    id: "orport-ipv6",
    roles: ["server"],
    title: "connects to an ORPort with an IPv6 address",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      const backend = fixture.listenIpv6();
      await precondition((async () => await carriesBothWays(await openPair(fixture)))());
      const opened = await openPair(fixture, { backend }).catch((error) => {
        if (!(error instanceof Skipped)) throw error;
        throw new Failed("a connection to the ORPort", error.reason);
      });
      await carriesBothWays(opened);
    },
  },
  {
    id: "orport-missing",
    roles: ["server"],
    title: "refuses to start when there is no ORPort of either kind",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    run: (fixture) => refused(fixture, "there is nowhere to send to", { [ORPORT]: null }),
  },
  {
    id: "extended-empty",
    roles: ["server"],
    title: "takes an empty Extended ORPort for none",
    section: "pt-spec 3.2.3",
    level: "MUST",
    run: (fixture) => works(fixture, `${EXTENDED} is empty`, { [EXTENDED]: "" }),
  },
  {
    id: "extended-without-cookie",
    roles: ["server"],
    title: "refuses an Extended ORPort without a cookie file",
    section: "pt-spec 3.3.1",
    level: "SHOULD",
    run: (fixture) =>
      refused(fixture, "there is no TOR_PT_AUTH_COOKIE_FILE", {
        [EXTENDED]: formatAddress(fixture.backend.address),
      }),
  },
  {
    id: "options-malformed",
    roles: ["server"],
    title: "refuses server options without a value",
    section: "pt-spec 3.2.3",
    level: "SHOULD",
    run: (fixture) =>
      refused(fixture, `${OPTIONS} has no =`, { [OPTIONS]: `${fixture.subject.transport}:key` }),
  },
  {
    id: "options-escaped",
    roles: ["server"],
    title: "understands the escapes in server options",
    section: "pt-spec 3.2.3",
    level: "MUST",
    run: (fixture) => takesOption(fixture, "a\\;b\\:c\\\\d"),
  },
  {
    id: "options-equals",
    roles: ["server"],
    title: "takes a server option with an = in its value, which tor does not escape",
    section: "tor get_transport_options_for_server_proxy()",
    level: "MUST",
    run: (fixture) => takesOption(fixture, "a=b"),
  },
  {
    id: "options-foreign",
    roles: ["server"],
    title: "ignores the options of a transport that is not asked for",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      await started(fixture, `${OPTIONS} names another transport`, {
        [OPTIONS]: joinArguments(fixture.subject.options, "nobody_asked_for_it:key=value"),
      });
    },
  },
];

/** The checks of the environment. */
export const environmentChecks: readonly Check[] = [...commonChecks, ...serverChecks];
