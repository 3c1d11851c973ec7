// Run by Deno, Node or Bun: uses what needs no Deno, and prints the results as JSON.
import { bytesToIp, formatAddress, ipToBytes, parseAddress } from "../../address.ts";
import { formatSocksArgs, parseServerOptions, parseSmethodArgs } from "../../args.ts";
import { formatBridgeLine, parseBridgeLine } from "../../bridge_line.ts";
import { LineReader, parseLine } from "../../parent/line.ts";

const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const reader = new LineReader();
const lines = [
  "VERSION 1",
  "CMETHOD obfs4 socks5 127.0.0.1:32145",
  "SMETHOD obfs4 [2001:db8::1]:443 ARGS:cert=a\\,b,iat-mode=0",
  'LOG SEVERITY=notice MESSAGE="caf\\303\\251 \\"x\\""',
  "STATUS TRANSPORT=snowflake CONNECT=Success",
  "CMETHOD obfs4 socks5 bridge.example:443",
  "WEATHER sunny",
].map((line) =>
  attempt(() => {
    const { args, values, ...message } = parseLine(line);
    return { ...message, args: args && [...args], values: values && [...values] };
  })
);
console.log(JSON.stringify([
  lines,
  attempt(() => [...ipToBytes("2001:db8::7")]),
  attempt(() => bytesToIp(Uint8Array.of(127, 0, 0, 1))),
  attempt(() => parseAddress("127.1:80")),
  attempt(() => formatAddress(["::1", 9001])),
  attempt(() => [...parseSmethodArgs("k=a\\,b,k=c")]),
  attempt(() => formatSocksArgs([["k", "a;b=c"]])),
  attempt(() => formatBridgeLine(parseBridgeLine("Bridge obfs4 [2001:db8::7]:443 cert=a=b"))),
  attempt(() => parseBridgeLine("obfs4 bridge.example:443")),
  attempt(() => Object.entries(parseServerOptions("a:k=v;b:k=v")).map(([n, o]) => [n, [...o]])),
  reader.push(new TextEncoder().encode("VERSION 1\r\nCMETHODS")),
]));
