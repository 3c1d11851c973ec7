/**
 * What a client asks an upstream proxy for, in every form that the proxy's protocol has: the IP
 * address of a target may be sent as a name, and be written in another way.
 *
 * @module
 */

import { type Address, bytesToIp, formatAddress, unmappedIp } from "../address.ts";
import { expect, Failed } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

const LONGEST_HEAD = 4096;
const LONGEST_NAME = 255;
const [IPV4, NAME, IPV6] = [1, 3, 4];

function port(bytes: Uint8Array): number {
  return ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
}

/** Expects the target that was asked for, by whatever words. */
function expectTarget(target: Readonly<Address>, [host, port]: Readonly<Address>): void {
  const same = unmappedIp(host) === unmappedIp(target[0]) && port === target[1];
  expect(same, `a request for ${formatAddress(target)}`, `one for ${host}, port ${port}`);
}

async function receiveHost(proxy: Probe, type: number): Promise<string> {
  const expected = "the address of a SOCKS5 request";
  if (type === IPV4 || type === IPV6) {
    return bytesToIp(await proxy.receive(type === IPV4 ? 4 : 16, expected));
  }
  if (type !== NAME) throw new Failed("an address type of 1, 3 or 4", String(type));
  const [length = 0] = await proxy.receive(1, expected);
  return new TextDecoder().decode(await proxy.receive(length, expected));
}

/** Takes a SOCKS5 request, which has to be for a target. */
export async function expectSocks5Request(
  proxy: Probe,
  target: Readonly<Address>,
): Promise<void> {
  const head = await proxy.receive(4, "a SOCKS5 request");
  expect(head[0] === 5 && head[1] === 1, "a SOCKS5 request: 05 01 00 ATYP", hex(head));
  const host = await receiveHost(proxy, head[3] ?? 0);
  expectTarget(target, [host, port(await proxy.receive(2, "the port of a SOCKS5 request"))]);
}

/** Takes text up to a NUL. */
async function receiveText(proxy: Probe, what: string): Promise<string> {
  let text = "";
  while (text.length <= LONGEST_NAME) {
    const [byte = 0] = await proxy.receive(1, `${what} that ends`);
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
  throw new Failed(`${what} that ends`, `${text.length} bytes`);
}

/**
 * Takes a SOCKS4 or SOCKS4a request, which has to be for a target.
 *
 * @returns The user id.
 */
export async function expectSocks4Request(
  proxy: Probe,
  target: Readonly<Address>,
): Promise<string> {
  const head = await proxy.receive(8, "a SOCKS4a request");
  expect(head[0] === 4 && head[1] === 1, "a SOCKS4a request: 04 01 ...", hex(head));
  const userId = await receiveText(proxy, "a user id");
  const ip = bytesToIp(head.subarray(4));
  const isName = /^0\.0\.0\.[1-9]/.test(ip);
  const host = isName ? await receiveText(proxy, "a name") : ip;
  expectTarget(target, [host, port(head.subarray(2))]);
  return userId;
}

/**
 * Takes an HTTP request, which has to be a CONNECT to a target.
 *
 * @returns The whole head.
 */
export async function expectConnect(proxy: Probe, target: Readonly<Address>): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n") && head.length < LONGEST_HEAD) {
    head += String.fromCharCode(...await proxy.receive(1, "an HTTP head that ends"));
  }
  const [, host, digits] = /^CONNECT \[?([^ \]]+?)\]?:(\d+) HTTP\/1\./.exec(head) ?? [];
  if (host === undefined) {
    throw new Failed("CONNECT host:port HTTP/1.1", JSON.stringify(head.slice(0, 100)));
  }
  expectTarget(target, [host, Number(digits)]);
  return head;
}
