/** ClientHellos are read, and named as the authors of JA3 and JA4 name them. */

import { assertEquals } from "@std/assert";
import { ja3, ja4, parseClientHello } from "../../censor/mod.ts";
import {
  alpn,
  CHROME,
  handshake,
  type HelloParts,
  list16,
  records,
  serverName,
} from "./hello_bytes.ts";

function hello(parts: HelloParts) {
  const parsed = parseClientHello(records(handshake(parts)));
  if (parsed === null) throw new Error("It is no ClientHello");
  return parsed;
}

Deno.test("ja4() names the Chrome of FoxIO's description as that does", async () => {
  assertEquals(await ja4(hello(CHROME)), "t13d1516h2_8daaf6152771_e5627efa2ab1");
});

Deno.test("ja4() bears no extensions, no ciphers and a protocol without letters", async () => {
  const bare = hello({ version: 0x0301, ciphers: [], extensions: [] });
  assertEquals(await ja4(bare), "t10i000000_000000000000_000000000000");
  const odd = hello({ ciphers: [0x1301], extensions: [alpn("\x01\x02")] });
  assertEquals((await ja4(odd)).split("_")[0], "t12i010102");
});

Deno.test("ja3() is that of the examples of its authors", async () => {
  const curves = [0x0017, 0x0018, 0x0019];
  const first = hello({
    version: 0x0301,
    ciphers: [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
    extensions: [serverName("example.com"), [10, list16(...curves)], [11, [1, 0]]],
  });
  assertEquals(await ja3(first), "ada70206e40642a3e4461f35503241d5");
  const second = hello({
    version: 0x0301,
    ciphers: [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
    extensions: [],
  });
  assertEquals(await ja3(second), "de350869b8c85de67a350c8d186f11e6");
});

Deno.test("ja3() leaves GREASE out", async () => {
  const without: HelloParts = {
    ciphers: CHROME.ciphers.slice(1),
    extensions: CHROME.extensions.slice(1).map((one) => one[0] === 10 ? [10, list16(0x001d)] : one),
  };
  assertEquals(await ja3(hello(CHROME)), await ja3(hello(without)));
});

Deno.test("parseClientHello() reads a hello in several records, with something behind it", () => {
  const bytes = records(handshake(CHROME), 50);
  const parsed = parseClientHello(Uint8Array.of(...bytes, 23, 3, 3, 0, 1, 0));
  assertEquals(parsed?.serverName, "example.com");
  assertEquals(parsed?.alpn, ["h2", "http/1.1"]);
  assertEquals(parsed?.versions, [0x5a5a, 0x0304, 0x0303]);
});

Deno.test("parseClientHello() is null for any hello that is cut short, and for other bytes", () => {
  const bytes = records(handshake(CHROME));
  for (let length = 0; length < bytes.length; length++) {
    assertEquals(parseClientHello(bytes.subarray(0, length)), null, `${length} bytes`);
  }
  assertEquals(parseClientHello(new TextEncoder().encode("SSH-2.0-x\r\n")), null);
  const serverHello = handshake(CHROME);
  serverHello[0] = 2;
  assertEquals(parseClientHello(records(serverHello)), null);
});

Deno.test("parseClientHello() bears any changed byte", () => {
  const bytes = records(handshake(CHROME));
  for (let index = 0; index < bytes.length; index++) {
    for (const change of [1, 0x80, 0xff]) {
      const changed = Uint8Array.from(bytes);
      changed[index]! ^= change;
      parseClientHello(changed);
    }
  }
});
