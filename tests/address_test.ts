import { assertEquals, assertThrows } from "@std/assert";
import {
  type Address,
  bytesToIp,
  canBeName,
  formatAddress,
  ipToBytes,
  isLoopback,
  parseAddress,
  unmappedIp,
} from "../address.ts";

const ADDRESSES: [text: string, address: Address][] = [
  ["1.2.3.4:80", ["1.2.3.4", 80]],
  ["0.0.0.0:0", ["0.0.0.0", 0]],
  ["255.255.255.255:65535", ["255.255.255.255", 65535]],
  ["[::]:0", ["::", 0]],
  ["[::1]:9001", ["::1", 9001]],
  ["[2001:db8::a:0:0:1]:443", ["2001:db8::a:0:0:1", 443]],
  ["[1:2:3:4:5:6:7:8]:1", ["1:2:3:4:5:6:7:8", 1]],
  ["[2001:DB8::Ff]:1", ["2001:DB8::Ff", 1]],
  ["[::ffff:1.2.3.4]:1", ["::ffff:1.2.3.4", 1]],
];

const NO_ADDRESSES = [
  "",
  ":",
  "80",
  ":80",
  "1.2.3.4",
  "1.2.3.4:",
  "1.2.3.4:65536",
  "1.2.3.4:99999",
  "1.2.3.4:100000",
  "1.2.3.4:-1",
  "1.2.3.4:+80",
  "1.2.3.4:080",
  "1.2.3.4:00",
  "1.2.3.4:0x50",
  "1.2.3.4:1e2",
  "1.2.3.4:80.0",
  "1.2.3.4: 80",
  "1.2.3.4:80 ",
  "1.2.3.4:80\n",
  "1.2.3.4:８０",
  "1.2.3.4:80/",
  "1.2.3.4:80:80",
  " 1.2.3.4:80",
  "1.2.3.4 :80",
  "01.2.3.4:80",
  "1.2.3.04:80",
  "0x1.2.3.4:80",
  "1.2.3.256:80",
  "1.2.3:80",
  "1.2.3.4.5:80",
  "1..3.4:80",
  "1.2.3.4.:80",
  "16909060:80",
  "localhost:80",
  "example.com:80",
  "*:80",
  "[1.2.3.4]:80",
  "::1:80",
  "::1",
  "[::1]",
  "[::1]80",
  "[::1:80",
  "::1]:80",
  "[[::1]]:80",
  "[]:80",
  "[:]:80",
  "[:::]:80",
  "[::1::]:80",
  "[1:2:3:4:5:6:7]:80",
  "[1:2:3:4:5:6:7:8:9]:80",
  "[1:2:3:4::5:6:7:8]:80",
  "[1:2:3:4:5:6:7:8::1::2]:80",
  "[:1:2:3:4:5:6:7]:80",
  "[1:2:3:4:5:6:7:]:80",
  "[12345::]:80",
  "[g::]:80",
  "[-1::]:80",
  "[fe80::1%lo]:80",
  "[fe80::1%25lo]:80",
  "[ ::1]:80",
  "[::1.2.3]:80",
  "[::1.2.3.256]:80",
  "[::01.2.3.4]:80",
  "[1.2.3.4::]:80",
  "[::1.2.3.4:1]:80",
  "[1:2:3:4:5:6:7:1.2.3.4]:80",
  "x::1]:80",
  "[::1x:80",
];

Deno.test("parseAddress() gives the host without brackets and the port", () => {
  for (const [text, address] of ADDRESSES) assertEquals(parseAddress(text), address, text);
});

Deno.test("parseAddress() refuses whatever is not strictly numeric", () => {
  for (const text of NO_ADDRESSES) {
    assertThrows(() => parseAddress(text), SyntaxError, undefined, JSON.stringify(text));
  }
});

Deno.test("parseAddress() says which part is wrong and does not repeat it", () => {
  for (
    const [text, message] of [
      ["192.0.2.77", "there is no port"],
      ["bridge.example:77", "the host is not a numeric IP address (IPv6 goes in brackets)"],
      ["192.0.2.77:70000", "the port is not a number from 0 to 65535"],
    ] as const
  ) {
    assertEquals(assertThrows(() => parseAddress(text), SyntaxError).message, message);
  }
});

Deno.test("formatAddress() gives back what parseAddress() read", () => {
  for (const [text, address] of ADDRESSES) assertEquals(formatAddress(address), text);
});

Deno.test("formatAddress() throws for a host or a port that would break the grammar", () => {
  const rows: Address[] = [
    ["localhost", 80],
    ["", 80],
    ["[::1]", 80],
    ["fe80::1%lo", 80],
    ["1.2.3", 80],
    ["1.2.3.4 ", 80],
    ["1.2.3.4\n", 80],
    ["::1", -1],
    ["::1", 65536],
    ["::1", 0.5],
    ["::1", NaN],
    ["::1", Infinity],
  ];
  for (const row of rows) {
    const { message } = assertThrows(() => formatAddress(row), TypeError);
    const part = row[0] === "::1"
      ? "The port of an address must be a whole number from 0 to 65535"
      : "The host of an address must be a numeric IP address";
    assertEquals(message.slice(0, part.length), part, JSON.stringify(row));
  }
});

const HOSTS: [host: string, bytes: number[]][] = [
  ["127.0.0.1", [127, 0, 0, 1]],
  ["203.0.113.255", [203, 0, 113, 255]],
  ["::", Array(16).fill(0)],
  ["::1", [...Array(15).fill(0), 1]],
  ["1::", [0, 1, ...Array(14).fill(0)]],
  ["2001:db8::1", [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 1]],
  ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
];

Deno.test("ipToBytes() gives 4 bytes for IPv4 and 16 for IPv6", () => {
  for (const [host, bytes] of HOSTS) assertEquals(ipToBytes(host), Uint8Array.from(bytes), host);
});

Deno.test("ipToBytes() reads an IPv4 tail and upper case", () => {
  const mapped = [...Array(10).fill(0), 0xff, 0xff, 1, 2, 3, 4];
  assertEquals(ipToBytes("::FFFF:1.2.3.4"), Uint8Array.from(mapped));
  assertEquals(ipToBytes("0:0:0:0:0:ffff:1.2.3.4"), Uint8Array.from(mapped));
});

Deno.test("ipToBytes() gives null for a name, brackets and an address that is only nearly one", () => {
  for (const host of ["", "example.com", "[::1]", "1.2.3", "1.2.3.4.5", "::1%lo", "1::2::3"]) {
    assertEquals(ipToBytes(host), null, host);
  }
});

Deno.test("bytesToIp() writes the bytes that ipToBytes() read", () => {
  for (const [host, bytes] of HOSTS) assertEquals(bytesToIp(Uint8Array.from(bytes)), host);
});

Deno.test("bytesToIp() shortens the first longest run of zero groups, and no single one", () => {
  const rows: [bytes: number[], host: string][] = [
    [[0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 7, 0, 8], "1::4:0:0:7:8"],
    [[0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8], "1:0:0:4::8"],
    [[0, 1, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], "1:0:3:4:5:6:7:8"],
    [[0xab, 0xcd, ...Array(13).fill(0), 0xef], "abcd::ef"],
  ];
  for (const [bytes, host] of rows) assertEquals(bytesToIp(Uint8Array.from(bytes)), host);
});

Deno.test("bytesToIp() reads a part of a larger buffer", () => {
  const buffer = Uint8Array.from([9, 9, 9, ...Array(15).fill(0), 1, 9]);
  assertEquals(bytesToIp(buffer.subarray(3, 19)), "::1");
});

Deno.test("bytesToIp() throws when there are neither 4 nor 16 bytes", () => {
  for (const length of [0, 3, 5, 15, 17]) {
    const message = `An IP address has 4 or 16 bytes, not ${length}`;
    assertThrows(() => bytesToIp(new Uint8Array(length)), TypeError, message);
  }
});

Deno.test("isLoopback() is true for 127.0.0.0/8 and ::1 in every form, and for nothing else", () => {
  const rows: [host: string, loopback: boolean][] = [
    ["127.0.0.1", true],
    ["127.255.255.255", true],
    ["::1", true],
    ["0:0:0:0:0:0:0:1", true],
    ["::ffff:127.0.0.1", true],
    ["::ffff:7f00:1", true],
    ["::FFFF:7FFF:FFFF", true],
    ["126.255.255.255", false],
    ["128.0.0.1", false],
    ["0.0.0.0", false],
    ["::", false],
    ["::2", false],
    ["::ffff:7.240.0.1", false],
    ["::ffff:0.127.0.1", false],
    ["::ffff:7f00:1:2", false],
    ["::ffff:7f00:7f00:1", false],
    ["::127.0.0.1", false],
    ["7f00::1", false],
    ["localhost", false],
    ["[::1]", false],
    ["", false],
  ];
  for (const [host, loopback] of rows) assertEquals(isLoopback(host), loopback, host);
});

Deno.test("unmappedIp() writes the address that is meant, in one way", () => {
  const rows: [host: string, ip: string | null][] = [
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:0:0", "0.0.0.0"],
    ["0:0:0:0:0:ffff:c000:201", "192.0.2.1"],
    ["::fffe:192.0.2.1", "::fffe:c000:201"],
    ["::192.0.2.1", "::c000:201"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["192.0.2.1", "192.0.2.1"],
    ["bridge.example", null],
    ["[::1]", null],
  ];
  for (const [host, ip] of rows) assertEquals(unmappedIp(host), ip);
});

Deno.test("canBeName() tells names from what a resolver takes for an address", () => {
  const rows: [host: string, name: boolean][] = [
    ["bridge.example", true],
    ["bridge.example.", true],
    ["localhost", true],
    ["1.2.3.4.example", true],
    ["0xbad.example", true],
    ["a0x1", true],
    ["_x-1", true],
    ["", false],
    [".", false],
    ["0", false],
    ["127.1", false],
    ["127.1.", false],
    ["2130706433", false],
    ["0x7f000001", false],
    ["0X7F.0.0.0x1", false],
    ["0x", false],
    ["017700000001", false],
    ["example.1", false],
  ];
  for (const [host, name] of rows) assertEquals(canBeName(host), name, host);
});
