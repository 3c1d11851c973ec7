/** What a transport may report when (`stdout_lines.ts`), as a parent hears it. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { client, log, reportVersion, server, status } from "../../mod.ts";
import { EnvError } from "../../config.ts";
import { LaunchError } from "../../parent/launch_error.ts";
import { LineReader, parseLine } from "../../parent/line.ts";
import { CLIENT, Negotiation, SERVER } from "../../parent/negotiation.ts";
import { flushLines } from "../../stdout_lines.ts";
import {
  CLIENT as CLIENT_VARIABLES,
  fullNames,
  SERVER as SERVER_VARIABLES,
} from "../environment.ts";
import { address, rarely, text, transportName } from "./arbitraries.ts";
import { replace } from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

/** A call of a function that reports something. */
type Report = () => void;

const NAMES = ["a", "obfs4"];

const name = fc.oneof(
  { arbitrary: fc.constantFrom(...NAMES), weight: 8 },
  { arbitrary: fc.oneof(transportName, text), weight: 1 },
);
const anyAddress = fc.oneof(
  { arbitrary: address, weight: 8 },
  { arbitrary: fc.tuple(text, fc.double()), weight: 1 },
);
const anyArgs = fc.array(fc.tuple(text, text), { maxLength: 2 });

/** The calls of the half that was asked for, and now and then one of the other. */
function reports(role: "client" | "server"): fc.Arbitrary<Report> {
  const own = {
    client: fc.oneof(
      fc.constant<Report>(() => client.reportProxySuccess()),
      fc.tuple(name, anyAddress).map(([name, address]): Report => () =>
        client.reportSuccess(name, 5, address)
      ),
      fc.tuple(name, text).map(([name, text]): Report => () => client.reportFailure(name, text)),
      rarely(text, 8).map((text): Report => () =>
        text === null ? client.reportEnd() : client.reportProxyError(text)
      ),
    ),
    server: fc.oneof(
      fc.tuple(name, anyAddress, anyArgs).map(([name, address, args]): Report => () =>
        server.reportSuccess(name, address, args)
      ),
      fc.tuple(name, text).map(([name, text]): Report => () => server.reportFailure(name, text)),
      fc.constant<Report>(() => server.reportEnd()),
    ),
  };
  const anytime = fc.oneof(
    text.map((text): Report => () => log("notice", text)),
    fc.tuple(name, anyArgs).map(([name, args]): Report => () => status(name, args)),
    fc.tuple(text, text).map(([program, version]): Report => () => reportVersion(program, version)),
  );
  const other = role === "client" ? own.server : own.client;
  return fc.oneof(
    { arbitrary: own[role], weight: 8 },
    { arbitrary: anytime, weight: 3 },
    { arbitrary: other, weight: 1 },
  );
}

const variable = fc.constantFrom(
  ...Object.keys(fullNames({ ...CLIENT_VARIABLES, ...SERVER_VARIABLES, PROXY: "" })),
);

const life = fc.constantFrom<("client" | "server")[]>("client", "server").chain((role) =>
  fc.record({
    role: fc.constant(role),
    withProxy: fc.boolean(),
    fault: rarely(fc.tuple(variable, text), 5),
    calls: fc.array(reports(role), { maxLength: 10 }),
  })
);

/** The properties of `client.ts`, `server.ts`, `messages.ts` and `stdout_lines.ts` together. */
export const reportProperties: NamedProperty[] = [
  forAllAsync(
    "a parent takes all lines, and in their order, whatever is reported when",
    life,
    async ({ role, withProxy, fault, calls }) => {
      const variables: Record<string, string> = fullNames({
        ...role === "client" ? CLIENT_VARIABLES : SERVER_VARIABLES,
        [`${role.toUpperCase()}_TRANSPORTS`]: NAMES.join(","),
        ...role === "client" && withProxy ? { PROXY: "socks5://127.0.0.1:1080" } : {},
      });
      if (fault !== null) variables[fault[0]] = fault[1];
      const printed: number[] = [];
      const take = (bytes: Uint8Array) => {
        const taken = bytes.subarray(0, 100);
        printed.push(...taken);
        return taken.length;
      };
      using _stdout = replace(Deno.stdout, {
        writeSync: take,
        write: (bytes: Uint8Array) => Promise.resolve(take(bytes)),
      });
      using _env = replace(Deno.env, { get: (name: string) => variables[name] });

      let proxyAsked = false;
      let started = true;
      try {
        if (role === "client") proxyAsked = client.init(NAMES).proxy !== null;
        else server.init(NAMES);
      } catch (error) {
        if (!(error instanceof EnvError)) throw error;
        started = false;
      }
      let reported = printed.filter((byte) => byte === 10).length;
      for (const call of calls) {
        const before = printed.length;
        try {
          call();
          reported++;
        } catch (error) {
          // Each of them says what was wrong, and has printed nothing.
          assert(error instanceof Error && !(error instanceof EnvError), String(error));
          assertEquals(printed.length, before);
        }
      }
      await flushLines(1_000);

      const parent = role === "client"
        ? new Negotiation(CLIENT, NAMES, proxyAsked)
        : new Negotiation(SERVER, NAMES, false);
      const reader = new LineReader();
      const lines = reader.push(Uint8Array.from(printed));
      assertEquals([reader.unfinished, lines.length], ["", reported]);
      for (const line of lines) assert(line !== null && /^[ -~]*$/.test(line), line ?? "");
      const first = parseLine(lines[0] ?? "").kind;
      if (started) assertEquals(first, "version");
      else assert(["version", "version-error", "env-error"].includes(first), first);
      try {
        for (const line of lines) parent.receive(line);
      } catch (error) {
        if (!(error instanceof LaunchError)) throw error;
        // A name that was not asked for, or a last word; never a broken line or one out of order.
        assert(error.reason !== "line" && error.reason !== "order", error.message);
        if (!started) assert(["version", "environment", "proxy"].includes(error.reason));
      }
    },
  ),
];
