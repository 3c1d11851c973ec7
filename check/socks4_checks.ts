/**
 * Checks of a client whose listener speaks SOCKS4, where tor has the arguments in the user id
 * (pt-spec section 3.5).
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { needsConnection } from "./granted_plainly.ts";
import { refuses, refusingAddress } from "./listener.ts";
import { socks4Reply } from "./socks_connect.ts";
import { joinArguments, KEY, SECOND_KEY, SOCKS4_GRANTED } from "./socks_message.ts";
import { clientTarget } from "./test_tunnel.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

const CLIENT: readonly Role[] = ["client"];

/** A connection to the SOCKS4 listener. */
async function dial(fixture: Fixture): Promise<Probe> {
  const { method } = await fixture.sharedClient();
  if (method.kind !== "cmethod" || method.socksVersion !== 4) {
    throw new Skipped("needs a transport that speaks SOCKS4");
  }
  return await fixture.dial(method.address);
}

/** Expects a request with some more arguments to be granted. */
async function grants(fixture: Fixture, args: string): Promise<void> {
  const probe = await dial(fixture);
  const target = await clientTarget(fixture, fixture.backend);
  const reply = await socks4Reply(probe, { ...target, args: joinArguments(target.args, args) });
  expect(reply[1] === SOCKS4_GRANTED, "a grant, 00 5a", hex(reply));
}

/** The checks of a SOCKS4 listener. */
export const socks4Checks: readonly Check[] = [
  {
    id: "socks4-granted",
    roles: CLIENT,
    title: "grants a SOCKS4 connection to a target that takes it",
    section: "tor connection_read_proxy_handshake()",
    level: "MUST",
    crosses: "bytes",
    run: (fixture) => grants(fixture, ""),
  },
  {
    id: "socks4-args",
    roles: CLIENT,
    title: "takes arguments in the user id of SOCKS4, with their escapes",
    section: "pt-spec 3.5",
    level: "MUST",
    async run(fixture) {
      // A transport may refuse arguments that it does not know.
      await precondition(grants(fixture, `${KEY}=value;${SECOND_KEY}=one`));
      await grants(fixture, `${KEY}=a=b;${SECOND_KEY}=c\\;d`);
    },
  },
  {
    id: "socks4-refused",
    roles: CLIENT,
    title: "does not grant a SOCKS4 connection to a target that refuses it",
    section: "pt-spec 3.5",
    level: "robustness",
    async run(fixture) {
      const probe = await dial(fixture);
      await needsConnection(fixture.subject);
      await needsDestination(fixture.subject);
      const { args } = await clientTarget(fixture, fixture.backend);
      const address = await refusingAddress();
      if (address === null) throw new Skipped("needs a port where nobody listens");
      const reply = await socks4Reply(probe, { address, args }).catch((error) => {
        if (error instanceof Failed) return null;
        throw error;
      });
      if (!await refuses(address)) throw new Skipped("needs a port where nobody listens");
      expect(reply?.[1] !== SOCKS4_GRANTED, "no reply 00 5a", "a grant");
    },
  },
];
