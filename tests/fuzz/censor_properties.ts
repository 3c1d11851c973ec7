/** What a censor reads (`censor/`): ClientHellos, requests, certificates, and any connection. */

import { X509Certificate } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import {
  bursts,
  type Flow,
  ja3,
  ja4,
  judge,
  parseClientHello,
  parseHttpRequest,
  type Segment,
} from "../../censor/mod.ts";
import { makeCertificate } from "../../censor/certificate.ts";
import { alpn, handshake, list16, records, serverName } from "../censor/hello_bytes.ts";
import { bytesOf, editedBytes } from "./arbitraries.ts";
import { forAll, forAllAsync, type NamedProperty } from "./property.ts";

const number16 = fc.integer({ min: 0, max: 0xffff });
const numbers = fc.array(number16, { maxLength: 8 });
const label = fc.stringMatching(/^[a-z0-9-]{1,12}$/);

/** Nothing of it is known to be in use. */
const unknown = fc.tuple(
  fc.integer({ min: 100, max: 40_000 }),
  fc.array(fc.nat(255), { maxLength: 12 }),
);

const parts = fc.record({
  version: number16,
  ciphers: numbers,
  name: label,
  protocols: fc.array(label, { maxLength: 3 }),
  groups: numbers,
  signatures: numbers,
  others: fc.uniqueArray(unknown, { maxLength: 3, selector: ([number]) => number }),
});

type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

function messageOf(parts: Parts): Uint8Array {
  const { version, ciphers, name, protocols, groups, signatures, others } = parts;
  const known: [number, number[]][] = [
    serverName(name),
    alpn(...protocols),
    [10, list16(...groups)],
    [13, list16(...signatures)],
  ];
  return handshake({ version, ciphers, extensions: [...known, ...others] });
}

const hello = fc.tuple(parts, fc.integer({ min: 1, max: 600 }));

/** A ClientHello, one with a few bytes changed or cut off, and garbage that begins like one. */
const firstBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  editedBytes(hello.map(([parts, size]) => [...records(messageOf(parts), size)])),
  fc.uint8Array({ maxLength: 200 }).map((rest) => Uint8Array.of(22, 3, 1, 0, 100, 1, 0, ...rest)),
  fc.array(fc.constantFrom(0, 1, 2, 3, 22, 255), { maxLength: 100 }).map((bytes) =>
    Uint8Array.from(bytes)
  ),
);

const token = fc.stringMatching(/^[A-Za-z0-9-]{1,10}$/);
const fieldValue = fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/);
const request = fc.record({
  method: fc.constantFrom("GET", "POST", "CONNECT", "PATCH"),
  path: fc.stringMatching(/^\/[!-~]{0,20}$/),
  fields: fc.array(fc.tuple(token, fieldValue), { maxLength: 5 }),
  body: fc.string({ maxLength: 20 }),
});

type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

function lineOf({ method, path }: Request): string {
  return `${method} ${path} HTTP/1.1`;
}

function requestBytes(request: Request): number[] {
  const fields = request.fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return bytesOf(`${lineOf(request)}\r\n${fields}\r\n${request.body}`);
}

const segment: fc.Arbitrary<Segment> = fc.record({
  fromClient: fc.boolean(),
  time: fc.nat(10_000),
  bytes: fc.oneof(
    firstBytes,
    request.map((request) => Uint8Array.from(requestBytes(request))),
    fc.uint8Array({ minLength: 1, maxLength: 100 }),
  ),
}).filter(({ bytes }) => bytes.length > 0);

/** Any connections, of which a rule sees enough. */
const someFlows: fc.Arbitrary<Flow[]> = fc.array(fc.array(segment, { maxLength: 5 }), {
  maxLength: 4,
}).map((flows) => Array.from({ length: 5 }, () => flows).flat());

/** The same bytes in segments of one size, but for one that stays whole. */
function cut(flow: Flow, size: number, whole?: Segment): Flow {
  return flow.flatMap((segment) =>
    segment === whole ? [segment] : Array.from(
      { length: Math.ceil(segment.bytes.length / size) },
      (_, index) => ({
        ...segment,
        bytes: segment.bytes.subarray(index * size, (index + 1) * size),
      }),
    )
  );
}

/** The first packet of a client, which is a censor's own measure where it has the packets. */
function firstPacketOf(flow: Flow): Segment | undefined {
  return flow.find(({ fromClient }) => fromClient);
}

/** The properties of what a censor reads. */
export const censorProperties: NamedProperty[] = [
  forAll("parseClientHello() reads what a hello says, in records of any size", hello, (
    [parts, size],
  ) => {
    const read = parseClientHello(records(messageOf(parts), size));
    assert(read !== null);
    assertEquals(read.legacyVersion, parts.version);
    assertEquals(read.cipherSuites, parts.ciphers);
    assertEquals(read.serverName, parts.name);
    assertEquals(read.alpn, parts.protocols);
    assertEquals(read.groups, parts.groups);
    assertEquals(read.signatureAlgorithms, parts.signatures);
    assertEquals(read.extensions, [0, 16, 10, 13, ...parts.others.map(([number]) => number)]);
  }, 300),
  forAll("parseClientHello() takes no hello that was cut", fc.tuple(hello, fc.nat()), (
    [[parts, size], at],
  ) => {
    const whole = records(messageOf(parts), size);
    assertEquals(parseClientHello(whole.subarray(0, at % whole.length)), null);
  }, 300),
  forAllAsync(
    "parseClientHello() bears anything, and what it reads has a fingerprint",
    firstBytes,
    async (bytes) => {
      const read = parseClientHello(bytes);
      if (read === null) return;
      const said = read.cipherSuites.length * 2 + read.extensions.length * 4;
      assert(said <= bytes.length, `${said} of ${bytes.length}`);
      assert(/^[0-9a-f]{32}$/.test(await ja3(read)));
      assert(/^[a-z0-9]{10}_[0-9a-f]{12}_[0-9a-f]{12}$/.test(await ja4(read)), await ja4(read));
    },
    300,
  ),
  forAll("parseHttpRequest() reads the line and the fields of a request", request, (request) => {
    assertEquals(parseHttpRequest(Uint8Array.from(requestBytes(request))), {
      line: lineOf(request),
      headers: request.fields.map(([name, value]) => [name.toLowerCase(), value] as const),
    });
  }, 300),
  forAll(
    "parseHttpRequest() bears anything, and makes up nothing",
    editedBytes(request.map(requestBytes)),
    (bytes) => {
      const read = parseHttpRequest(bytes);
      if (read === null) return;
      const text = new TextDecoder("latin1").decode(bytes);
      assert(text.startsWith(read.line));
      for (const [name, value] of read.headers) {
        assert(text.toLowerCase().includes(name) && text.includes(value));
      }
    },
    300,
  ),
  forAllAsync("makeCertificate() makes one that others read", fc.domain(), async (site) => {
    const { cert } = await makeCertificate(site);
    const read = new X509Certificate(cert);
    assertEquals(read.subject, `CN=${site}`);
    assertEquals(read.issuer, read.subject);
    assertEquals(read.checkHost(`another-name-7.${site}`), `another-name-7.${site}`);
    assert(read.verify(read.publicKey), "it is signed by itself");
  }, 3),
  forAllAsync(
    "judge() bears any connections, and says the same however the network cuts them",
    fc.tuple(fc.constantFrom("random", "text", "https", "captured"), someFlows, fc.nat(50)),
    async ([load, flows, size]) => {
      const pieces = flows.map((flow) =>
        cut(flow, size + 1, load === "captured" ? firstPacketOf(flow) : undefined)
      );
      assertEquals(pieces.map(bursts), flows.map(bursts));
      assertEquals(await judge({ [load]: pieces }), await judge({ [load]: flows }));
    },
    40,
  ),
];
