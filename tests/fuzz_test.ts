import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type Address, bytesToIp, formatAddress, ipToBytes, parseAddress } from "../address.ts";
import {
  formatServerOptions,
  formatSmethodArgs,
  formatSocksArgs,
  parseServerOptions,
  parseSmethodArgs,
  parseSocksArgs,
} from "../args.ts";
import * as config from "../config.ts";
import { quoteCString, scrubAddresses, unquoteCString } from "../messages.ts";
import { client, log, reportVersion, server, status } from "../mod.ts";
import { CLIENT, SERVER, setEnvironment } from "./environment.ts";
import { captureStdout } from "./stdout.ts";

/** Any text, with the characters that mean something in it more often than by chance. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."\\=;:,\"'[].-%@/*01 \n\r\0aé😀\ud800") }),
);

/** Text that survives as UTF-8, which lone surrogates do not. */
const wellFormed = text.map((text) => text.toWellFormed());

const printableWord = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..."\\=;:,"),
    fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  ),
});

function nonEmpty(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return texts.filter((text) => text !== "");
}

const args = fc.array(fc.tuple(nonEmpty(wellFormed), wellFormed));

const ip = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Long runs of zeros are what the short forms of IPv6 are about.
  fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((bytes) =>
    Uint8Array.from(bytes)
  ),
);

const address: fc.Arbitrary<Address> = fc.tuple(ip.map(bytesToIp), fc.nat(65535));

/** Checks `property` on many values of `arbitrary`. */
function forAll<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: 2000 });
}

/** Runs `fn`; an error of the class `documented` is as good as a result. */
function attempt(fn: () => unknown, documented: new (message: string) => Error): void {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof documented)) throw error;
  }
}

Deno.test("parseSocksArgs() gives back what formatSocksArgs() was given", () => {
  forAll(args, (pairs) => assertEquals([...parseSocksArgs(formatSocksArgs(pairs))], pairs));
});

Deno.test("parseSmethodArgs() gives back what formatSmethodArgs() was given", () => {
  forAll(
    fc.array(fc.tuple(nonEmpty(printableWord), printableWord)),
    (pairs) => assertEquals([...parseSmethodArgs(formatSmethodArgs(pairs))], pairs),
  );
});

Deno.test("parseServerOptions() gives back what formatServerOptions() was given", () => {
  const someArgs = args.filter((pairs) => pairs.length > 0);
  const options = fc.dictionary(nonEmpty(wellFormed), someArgs, { noNullPrototype: true });
  forAll(options, (options) => {
    const parsed = Object.entries(parseServerOptions(formatServerOptions(options)));
    assertEquals(parsed.map(([name, args]) => [name, [...args]]), Object.entries(options));
  });
});

Deno.test("unquoteCString() gives back what quoteCString() was given, ? for other bytes", () => {
  forAll(text, (text) => {
    const quoted = quoteCString(text);
    assert(/^"[\x20-\x7e]*"$/.test(quoted), quoted);
    const bytes = [...new TextEncoder().encode(text)];
    const expected = bytes.map((byte) =>
      byte >= 32 && byte <= 126 || [9, 10, 13].includes(byte) ? String.fromCharCode(byte) : "?"
    );
    assertEquals(unquoteCString(quoted), expected.join(""));
  });
});

Deno.test("unquoteCString() gives back any text whose bytes are all in octal", () => {
  forAll(wellFormed, (text) => {
    const bytes = [...new TextEncoder().encode(text)];
    const octal = bytes.map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
    assertEquals(unquoteCString(`"${octal}"`), text);
  });
});

Deno.test("parseAddress() gives back what formatAddress() was given", () => {
  forAll(address, (address) => assertEquals(parseAddress(formatAddress(address)), address));
});

Deno.test("ipToBytes() gives back what bytesToIp() was given", () => {
  forAll(ip, (bytes) => assertEquals(ipToBytes(bytesToIp(bytes)), bytes));
});

Deno.test("bytesToIp() writes an IPv6 address as URL does", () => {
  forAll(ip, (bytes) => {
    const host = bytesToIp(bytes);
    assertEquals(
      new URL(`http://${bytes.length === 16 ? `[${host}]` : host}`).hostname,
      {
        4: host,
        16: `[${host}]`,
      }[bytes.length],
    );
  });
});

Deno.test("scrubAddresses() leaves nothing of any address, in any form of writing it", () => {
  forAll(address, ([host, port]) => {
    for (const form of [host, formatAddress([host, port]), `${host}:${port}`]) {
      assertEquals(scrubAddresses(`cannot reach ${form}`), "cannot reach [scrubbed]");
    }
  });
});

Deno.test("parsers of arguments, addresses and CStrings throw nothing but a SyntaxError", () => {
  const parsers = [
    parseSocksArgs,
    parseSmethodArgs,
    parseServerOptions,
    parseAddress,
    ipToBytes,
    unquoteCString,
    (text: string) => unquoteCString(`"${text}"`),
    (text: string) => parseAddress(`[${text}]:1`),
  ];
  forAll(text, (text) => {
    for (const parse of parsers) attempt(() => parse(text), SyntaxError);
  });
});

Deno.test("readers of variables throw nothing but an EnvError", () => {
  const readers: ((read: config.ReadVariable) => unknown)[] = [
    config.readVersionOffer,
    config.readStateLocation,
    config.readExitOnStdinClose,
    config.readOutboundBindAddresses,
    config.readMode,
    config.readOrPorts,
    config.readServerOptions,
    (read) => config.readClientTransports(["rot13"], read),
    (read) => config.readServerTransports(["rot13"], read),
  ];
  forAll(text, (text) => {
    for (const read of readers) attempt(() => read(() => text), config.EnvError);
    attempt(() => config.readProxy(() => text), config.ProxyError);
    attempt(() => config.readProxy(() => `socks5://${text}@127.0.0.1:1`), config.ProxyError);
  });
});

Deno.test("readProxy() gives back percent-encoded and raw credentials", () => {
  const credential = nonEmpty(wellFormed).filter((text) =>
    new TextEncoder().encode(text).length <= 255
  );
  forAll(fc.tuple(credential, credential), ([user, password]) => {
    const encoded = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
    const proxy = config.readProxy(() => `socks5://${encoded}@127.0.0.1:1`);
    assertEquals([proxy?.user, proxy?.password], [user, password]);
  });
  const raw = credential.filter((text) => !/%[0-9a-f]{2}/i.test(text));
  forAll(fc.tuple(raw.filter((text) => !text.includes(":")), raw), ([user, password]) => {
    const proxy = config.readProxy(() => `socks5://${user}:${password}@127.0.0.1:1`);
    assertEquals([proxy?.user, proxy?.password], [user, password]);
  });
});

const WORD = "[\\x21-\\x7e]+";
const NAME = "[a-zA-Z_][a-zA-Z0-9_]*";
const HOST_PORT = "(?:[0-9.]+|\\[[0-9a-fA-F:.]+\\]):[1-9][0-9]{0,4}";
const CSTRING = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\nrt])*"';

/** Every line there is, from PROTOCOL.md section 3's table. */
const LINE = new RegExp(`^(?:${
  [
    "VERSION 1",
    "VERSION-ERROR no-version",
    "(?:ENV|PROXY)-ERROR [\\x20-\\x7e]*",
    "PROXY DONE",
    `CMETHOD ${NAME} socks[45] ${HOST_PORT}`,
    `SMETHOD ${NAME} ${HOST_PORT}(?: ARGS:${WORD}=[\\x21-\\x7e]*)?`,
    `[CS]METHOD-ERROR ${NAME} [\\x20-\\x7e]*`,
    "[CS]METHODS DONE",
    `LOG SEVERITY=(?:error|warning|notice|info|debug) MESSAGE=${CSTRING}`,
    `STATUS TRANSPORT=${NAME}(?: [a-zA-Z0-9_-]+=${CSTRING})+`,
    `STATUS TYPE=version IMPLEMENTATION=${CSTRING} VERSION=${CSTRING}`,
  ].join("|")
})$`);

/** Asserts that `fn` prints lines of the grammar only, or throws and prints nothing. */
function assertGrammar(fn: () => void): void {
  using stdout = captureStdout();
  let error: unknown;
  try {
    fn();
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    error = thrown;
  }
  const lines = stdout.text();
  if (error !== undefined) return assertEquals(lines, "");
  assert(lines.endsWith("\n"), lines);
  for (const line of lines.slice(0, -1).split("\n")) assert(LINE.test(line), JSON.stringify(line));
}

const name = fc.oneof(text, fc.constant("rot13"));
const anyAddress = fc.tuple(
  fc.oneof(text, ip.map(bytesToIp)),
  fc.oneof(fc.integer({ min: -1, max: 65537 }), fc.double()),
);
const anyArgs = fc.array(fc.tuple(text, text), { maxLength: 3 });

Deno.test("the lines of a client match the grammar whatever they are made of", () => {
  const proxy = { PROXY: "socks5://127.0.0.1:1080" };
  using _ = setEnvironment({ ...CLIENT, ...proxy });
  forAll(fc.tuple(name, text, anyAddress, address), ([name, text, anyAddress, address]) => {
    assertGrammar(() => client.init(["rot13"]));
    assertGrammar(() => client.reportProxySuccess());
    assertGrammar(() => client.reportSuccess(name, 5, anyAddress));
    assertGrammar(() => client.reportSuccess("rot13", 4, address));
    assertGrammar(() => client.reportFailure(name, text));
    assertGrammar(() => client.reportEnd());
    assertGrammar(() => client.init(["rot13"]));
    assertGrammar(() => client.reportProxyError(text));
  });
});

Deno.test("the lines of a server match the grammar whatever they are made of", () => {
  using _ = setEnvironment(SERVER);
  const words = fc.array(fc.tuple(nonEmpty(printableWord), printableWord), { maxLength: 3 });
  forAll(
    fc.tuple(name, text, anyAddress, anyArgs, words),
    ([name, text, anyAddress, anyArgs, words]) => {
      assertGrammar(() => server.init(["rot13"]));
      assertGrammar(() => server.reportSuccess(name, anyAddress, anyArgs));
      assertGrammar(() => server.reportSuccess("rot13", ["::1", 1], anyArgs));
      assertGrammar(() => server.reportSuccess("rot13", ["::1", 1], words));
      assertGrammar(() => server.reportFailure(name, text));
      assertGrammar(() => server.reportEnd());
    },
  );
});

Deno.test("LOG and STATUS lines match the grammar whatever they are made of", () => {
  using _ = setEnvironment(SERVER);
  forAll(fc.tuple(name, text, text, anyArgs), ([name, text, other, anyArgs]) => {
    assertGrammar(() => server.init(["rot13"]));
    assertGrammar(() => log("notice", text));
    assertGrammar(() => status(name, anyArgs));
    assertGrammar(() => status("rot13", [["K", text], ["L", other]]));
    assertGrammar(() => reportVersion(text, other));
  });
});

Deno.test("init() answers any environment with lines of the grammar", () => {
  const environmentText = wellFormed.map((text) => text.replaceAll("\0", ""));
  const anything = fc.tuple(
    fc.constantFrom(...Object.keys({ ...CLIENT, ...SERVER }), "PROXY"),
    environmentText,
  );
  forAll(anything, ([name, value]) => {
    for (
      const { init, variables } of [
        { init: client.init, variables: CLIENT },
        { init: server.init, variables: SERVER },
      ]
    ) {
      using _ = setEnvironment({ ...variables, [name]: value });
      assertGrammar(() => attempt(() => init(["rot13"]), config.EnvError));
    }
  });
});
