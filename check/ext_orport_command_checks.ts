/**
 * Checks of how a server introduces its clients at the Extended ORPort (ext-orport-spec section 3).
 *
 * @module
 */

import { type Address, formatAddress, parseAddress, unmappedIp } from "../address.ts";
import { isTransportName } from "../grammar.ts";
import { concat } from "../net/conn.ts";
import { bodyText, CODES, formatMessage } from "../net/ext_orport.ts";
import { endWords, type Fixture } from "./fixture.ts";
import type { Check } from "./definition.ts";
import {
  authenticate,
  extended,
  type Introduced,
  introduced,
  offer,
  readCommands,
} from "./test_ext_orport.ts";
import { endArrives } from "./blame.ts";
import { EARLY } from "./test_tunnel.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex } from "./probe.ts";
import {
  ANSWER,
  arrives,
  connected,
  goesOn,
  nextUser,
  PAYLOAD,
  WATCH,
} from "./ext_orport_steps.ts";

const SERVER: readonly Role[] = ["server"];
/** The pause that makes it likely that a byte is read alone, in milliseconds. */
const BETWEEN_BYTES = 10;
const UNKNOWN_COMMAND = 0x2abc;
/** A command that the spec names and does not use. */
const CONTROL = 0x1002;

/** Expects the payload to flow behind odd answers; a plain OKAY has to work, too. */
async function goesOnAlso(fixture: Fixture, ...answers: readonly Uint8Array[]): Promise<void> {
  await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
  await goesOn(fixture, ...answers);
}

/** The address in a text, as tor reads it; null where there is none. */
function addressIn(text: string): Address | null {
  try {
    const address = parseAddress(text);
    return address[1] > 0 ? address : null;
  } catch {
    return null;
  }
}

/** Whether a text is an address as tor reads it. */
function isAddress(text: string): boolean {
  return addressIn(text) !== null;
}

/** What the commands of one kind say. */
function textsOf(commands: Introduced["commands"], code: number): string[] {
  return commands.filter((command) => command.code === code).map(({ body }) => bodyText(body));
}

/** The same of a server that has introduced its client. */
async function told(fixture: Fixture, code: number): Promise<string[]> {
  const { commands } = await introduced(await extended(fixture));
  return textsOf(commands, code);
}

/** The checks of the commands and their answer. */
export const extOrPortCommandChecks: readonly Check[] = [
  {
    id: "ext-useraddr",
    roles: SERVER,
    title: "tells the client's address",
    section: "ext-orport-spec 3.2.1",
    level: "robustness",
    async run(fixture) {
      const server = await extended(fixture);
      const { user, commands } = await introduced(server);
      const texts = textsOf(commands, CODES.USERADDR);
      // Whether a NUL hangs on it is another check's.
      const told = texts.map((text) => addressIn(text.replace(/\0$/, "")))
        .filter((address) => address !== null);
      if (texts.length > 0 && told.length === 0) {
        throw new Skipped(`needs an address in USERADDR: ${JSON.stringify(texts)}`);
      }
      if (server.tunnel.target === null) {
        const { hostname, port } = (user.conn as Deno.TcpConn).localAddr;
        const right = told.some(([host, its]) => unmappedIp(host) === hostname && its === port);
        expect(right, `USERADDR ${formatAddress([hostname, port])}`, JSON.stringify(texts));
      } else {
        // The client half has made the connection, from a port that only it knows.
        const form = told.some(([host]) => unmappedIp(host) === "127.0.0.1");
        expect(form, "USERADDR 127.0.0.1:port", JSON.stringify(texts));
      }
    },
  },
  {
    id: "ext-useraddr-form",
    roles: SERVER,
    title: "writes the client's address as 1.2.3.4:5678 or [1:2::3:4]:5678",
    section: "ext-orport-spec 3.2.1",
    level: "MUST",
    async run(fixture) {
      const texts = await told(fixture, CODES.USERADDR);
      if (texts.length === 0) throw new Skipped("needs a USERADDR command");
      expect(texts.every(isAddress), "ip:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-useraddr-ipv6",
    roles: SERVER,
    title: "writes an IPv6 client's address in brackets",
    section: "ext-orport-spec 3.2.1",
    level: "MUST",
    async run(fixture) {
      fixture.listenIpv6(); // Or there is no such address.
      const { transport } = fixture.subject;
      const server = await extended(fixture, {
        changes: { TOR_PT_SERVER_BINDADDR: `${transport}-[::1]:0` },
      });
      const [host] = server.tunnel.checked.method.address;
      if (!host.includes(":")) throw new Skipped(`needs a server that listens at ::1, not ${host}`);
      const { commands } = await introduced(server);
      const texts = textsOf(commands, CODES.USERADDR);
      if (texts.length === 0) throw new Skipped("needs a USERADDR command");
      const hosts = texts.map((text) => /^\[(.*)\]:\d+/.exec(text)?.[1] ?? "");
      const good = hosts.every((host) => unmappedIp(host) === "::1");
      expect(good, "[::1]:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-transport",
    roles: SERVER,
    title: "tells the transport's name",
    section: "ext-orport-spec 3.2.2",
    level: "robustness",
    async run(fixture) {
      const names = await told(fixture, CODES.TRANSPORT);
      const { transport } = fixture.subject;
      // What else there is in it is another check's.
      const right = names.length === 1 && names[0]?.replace(/\W/g, "") === transport;
      expect(right, `TRANSPORT ${transport}`, JSON.stringify(names));
    },
  },
  {
    id: "ext-transport-form",
    roles: SERVER,
    title: "writes the transport's name as an identifier, without a NUL",
    section: "ext-orport-spec 3.2.2",
    level: "MUST",
    async run(fixture) {
      const names = await told(fixture, CODES.TRANSPORT);
      if (names.length === 0) throw new Skipped("needs a TRANSPORT command");
      expect(names.every(isTransportName), "an identifier", JSON.stringify(names));
    },
  },
  {
    id: "ext-done",
    roles: SERVER,
    title: "ends its introduction with DONE",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    async run(fixture) {
      const { backend, cookie } = await connected(fixture);
      await precondition(authenticate(backend, cookie));
      await backend.send(Uint8Array.of(1));
      await readCommands(backend);
    },
  },
  {
    id: "ext-waits",
    roles: SERVER,
    title: "sends no payload before it is told OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    async run(fixture) {
      const { backend } = await introduced(await extended(fixture), PAYLOAD);
      const arrival = await backend.peek(WATCH);
      expect(arrival !== "bytes", "nothing before OKAY", hex(backend.take()));
    },
  },
  {
    id: "ext-okay",
    roles: SERVER,
    title: "carries the payload after OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    crosses: "bytes",
    run: (fixture) => goesOn(fixture, formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-okay-body",
    roles: SERVER,
    title: "ignores a body of OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) =>
      goesOnAlso(fixture, formatMessage(CODES.OKAY, new TextEncoder().encode("welcome"))),
  },
  {
    id: "ext-okay-joined",
    roles: SERVER,
    title: "takes what comes along with OKAY for the first of the payload",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    crosses: "bytes",
    async run(fixture) {
      await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
      const { user, backend } = await introduced(await extended(fixture));
      await backend.send(concat(formatMessage(CODES.OKAY), ANSWER));
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-deny",
    roles: SERVER,
    title: "sends no payload after DENY",
    section: "ext-orport-spec 3.1",
    level: "SHOULD",
    async run(fixture) {
      const { user, backend } = await introduced(await extended(fixture));
      await backend.send(formatMessage(CODES.DENY));
      await backend.next(WATCH);
      backend.take(); // What came without waiting for an answer is another check's.
      await user.send(PAYLOAD);
      const arrival = await backend.peek(WATCH);
      expect(arrival !== "bytes", "no payload after DENY", hex(backend.take()));
    },
  },
  {
    id: "ext-deny-user",
    roles: SERVER,
    title: "ends the user's connection on DENY",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    crosses: "end",
    async run(fixture) {
      const { user, backend } = await introduced(await extended(fixture));
      fixture.wire?.mark();
      await backend.send(formatMessage(CODES.DENY));
      await precondition(backend.ended("the end of the connection to the Extended ORPort"));
      await endArrives(fixture, "down", () => user.ended("the end of the user's connection"));
    },
  },
  {
    id: "ext-unknown",
    roles: SERVER,
    title: "ignores commands it does not know",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) =>
      goesOnAlso(
        fixture,
        formatMessage(UNKNOWN_COMMAND, Uint8Array.of(1, 2, 3)),
        formatMessage(CODES.OKAY),
      ),
  },
  {
    id: "ext-control",
    roles: SERVER,
    title: "ignores the command CONTROL, which is not used",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) => goesOnAlso(fixture, formatMessage(CONTROL), formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-chunked",
    roles: SERVER,
    title: "takes answers that come a byte at a time",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    async run(fixture) {
      await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
      const { user, backend } = await introduced(await extended(fixture), PAYLOAD);
      for (const byte of formatMessage(CODES.OKAY)) {
        await backend.send(Uint8Array.of(byte));
        await backend.next(BETWEEN_BYTES);
      }
      await arrives(backend, PAYLOAD, "the Extended ORPort");
      await backend.send(ANSWER);
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-stalled",
    roles: SERVER,
    title: "serves a client beside one for whom the parent does not answer",
    section: "ext-orport-spec 2",
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const server = await extended(fixture);
      await server.tunnel.openSaying(EARLY);
      await nextUser(server.tunnel);
      const backend = await server.port.accept();
      if (backend === null) throw new Failed("a second connection at the Extended ORPort", "none");
      await offer(backend, 1);
    },
  },
  {
    id: "ext-again",
    roles: SERVER,
    title: "goes on after a connection that was denied",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const server = await extended(fixture);
      const { backend } = await introduced(server);
      await backend.send(formatMessage(CODES.DENY));
      await precondition(backend.ended("the end of the connection"));
      const { program } = server.tunnel.checked;
      expect(program.status === null, "a server that goes on", endWords(program.status));
      await nextUser(server.tunnel).catch((error) => {
        if (error instanceof Skipped) throw new Failed("a server that goes on", error.reason);
        throw error;
      });
      const next = await server.port.accept();
      expect(next !== null, "the next connection at the Extended ORPort", "none comes");
    },
  },
];
