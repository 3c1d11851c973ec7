/**
 * Three directory authorities that are also exits: what a private Tor network has in the place of
 * the public one.
 *
 * No packet leaves the machine: addresses are fixed, names are never resolved and the exits only
 * lead to loopback.
 *
 * @module
 */

import { allEnded } from "./all_ended.ts";
import { createAuthority, dirAuthorityLine } from "./authority.ts";
import type { TorProcess } from "./tor_process.ts";
import type { TorProcesses } from "./tor_processes.ts";
import { freePorts } from "../testing/free_port.ts";
import { relayTorrc } from "./torrc.ts";

const AUTHORITIES = ["authority1", "authority2", "authority3"];

const AUTHORITY_TORRC = [
  "AuthoritativeDirectory 1",
  "V3AuthoritativeDirectory 1",
  "ContactInfo nobody@localhost",
  "TestingV3AuthInitialVotingInterval 5",
  "TestingV3AuthInitialVoteDelay 2",
  "TestingV3AuthInitialDistDelay 2",
  "V3AuthVotingInterval 10",
  "V3AuthVoteDelay 2",
  "V3AuthDistDelay 2",
  // Three relays earn no flags by themselves in their first seconds.
  "TestingDirAuthVoteExit *",
  "TestingDirAuthVoteGuard *",
  "ExitRelay 1",
  "ExitPolicyRejectPrivate 0",
  // Clients know just a summary of the policy, which leaves private addresses out.
  "ExitPolicy accept *:*",
  // This is what keeps the exits on this machine.
  "OutboundBindAddressExit 127.0.0.1",
];

/**
 * Starts the authorities, and waits until they agree on a consensus.
 *
 * @param tell Is told what goes on, one sentence at a time.
 * @returns The torrc lines that make a tor trust them.
 */
export async function startAuthorities(
  processes: TorProcesses,
  signal: AbortSignal,
  tell: (sentence: string) => void,
): Promise<string[]> {
  tell("Making the keys of three directory authorities");
  const authorities = await allEnded(
    AUTHORITIES.map((name) => createAuthority(name, processes.dataDirectory(name), signal)),
  );
  const ports = freePorts(authorities.length * 2);
  const placed = authorities.map((authority) => {
    const [orPort = 0, dirPort = 0] = ports.splice(0, 2);
    return { authority, orPort, dirPort };
  });
  const trusted = placed.map((p) => dirAuthorityLine(p.authority, p.orPort, p.dirPort));
  tell("Starting the authorities; they exchange descriptors and vote");
  await Promise.all(placed.map(async ({ authority, orPort, dirPort }) => {
    const process = processes.start(authority.nickname, [
      ...trusted,
      ...relayTorrc(authority.nickname),
      ...AUTHORITY_TORRC,
      "Log notice stdout",
      `ORPort 127.0.0.1:${orPort}`,
      `DirPort 127.0.0.1:${dirPort}`,
    ]);
    await fullConsensus(process, authority.dataDirectory, signal);
  }));
  tell("Authorities have a consensus that lists all three of them");
  return trusted;
}

/**
 * Waits until an authority has published a consensus with all relays. The first
 * one may come before they know each other; a bridge that gets hold of it would
 * not ask for another for a minute.
 */
async function fullConsensus(
  authority: TorProcess,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  for await (const line of authority.log(signal)) {
    if (!line.includes("Published microdesc consensus")) continue;
    const consensus = await Deno.readTextFile(`${dataDirectory}/cached-microdesc-consensus`);
    const relays = consensus.match(/^r /gm) ?? [];
    if (relays.length === AUTHORITIES.length) return;
  }
}
