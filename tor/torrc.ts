/**
 * Words and lines of a torrc.
 *
 * @module
 */

/** What every relay of the private network has in its torrc. */
export function relayTorrc(nickname: string): string[] {
  return [
    `Nickname ${nickname}`,
    "Address 127.0.0.1",
    "AddressDisableIPv6 1",
    "AssumeReachable 1",
    "SocksPort 0",
    // An exit would ask the machine's name servers whether they tell the truth.
    "ServerDNSResolvConfFile /dev/null",
    "ServerDNSDetectHijacking 0",
    "ServerDNSTestAddresses",
  ];
}

/** A path for a torrc. */
export function quote(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** Whether a word can stand in a torrc where tor splits at spaces and knows no quotes. */
export function isPlainWord(word: string): boolean {
  return /^[^\s#"\\]+$/.test(word);
}

/** A command for a torrc, where tor splits at spaces and knows no quotes. */
export function plainWords(command: readonly string[]): string {
  for (const word of command) {
    if (!isPlainWord(word)) {
      throw new TypeError(
        `A transport's command in a torrc cannot have a space or any of # " \\ in a word: ${word}`,
      );
    }
  }
  return command.join(" ");
}

/** What makes a bridge, behind what is every relay's: a server transport in front of it. */
export function bridgeTorrc(
  cookie: string,
  transport: string,
  command: string,
  address: string,
): string[] {
  return [
    "BridgeRelay 1",
    "PublishServerDescriptor 0",
    "ORPort 127.0.0.1:auto",
    "ExtORPort auto",
    `ExtORPortCookieAuthFile ${quote(cookie)}`,
    `ServerTransportPlugin ${transport} exec ${command}`,
    `ServerTransportListenAddr ${transport} ${address}`,
  ];
}

/** What makes a client that goes through a transport to one bridge. */
export function clientTorrc(transport: string, command: string, bridgeLine: string): string[] {
  return [
    "UseBridges 1",
    `Bridge ${bridgeLine}`,
    `ClientTransportPlugin ${transport} exec ${command}`,
  ];
}
