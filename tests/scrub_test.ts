import { assert, assertEquals } from "@std/assert";
import { scrubAddresses } from "../messages.ts";

Deno.test("scrubAddresses() takes out every address with its port, and leaves the rest", () => {
  const rows: [text: string, scrubbed: string][] = [
    ["", ""],
    ["192.0.2.1", "[scrubbed]"],
    ["connect to 192.0.2.1:443 failed", "connect to [scrubbed] failed"],
    ["connect to [2001:db8::1]:443: refused", "connect to [scrubbed]: refused"],
    ["connect ECONNREFUSED 2001:db8::1:44321", "connect ECONNREFUSED [scrubbed]"],
    [
      "connect ECONNREFUSED 2001:db8::1:443 - Local (::1:0)",
      "connect ECONNREFUSED [scrubbed] - Local ([scrubbed])",
    ],
    ["connect ECONNREFUSED 1:2:3:4:5:6:7:8:443", "connect ECONNREFUSED [scrubbed]"],
    ["2001:db8::1: refused", "[scrubbed]: refused"],
    ["from ::1, to 2001:DB8::A.", "from [scrubbed], to [scrubbed]."],
    ["fe80::1%eth0 and ::ffff:192.0.2.1", "[scrubbed] and [scrubbed]"],
    ["192.0.2.1,192.0.2.2", "[scrubbed],[scrubbed]"],
    ["peer:2001:db8::1 and peer:192.0.2.1:80", "peer:[scrubbed] and peer:[scrubbed]"],
    ["v192.0.2.1 host_192.0.2.2x", "v[scrubbed] host_[scrubbed]x"],
    ["at 12:30:45 rot13: 3 of 4 failed", "at 12:30:45 rot13: 3 of 4 failed"],
    ["ptlib 0.1.0 reads a:b", "ptlib 0.1.0 reads a:b"],
    ["key AA:BB:CC of 12:34", "key AA:BB:CC of 12:34"],
  ];
  for (const [text, scrubbed] of rows) assertEquals(scrubAddresses(text), scrubbed);
});

Deno.test("scrubAddresses() takes out a host name, too, wherever it stands", () => {
  const rows: [text: string, host: string, scrubbed: string][] = [
    ["no bridge.example", "bridge.example", "no [scrubbed]"],
    [
      "'Bridge.Example:443' is not bridgeXexample",
      "bridge.example",
      "'[scrubbed]' is not bridgeXexample",
    ],
    ["via www.bridge.example", "bridge.example", "via www.[scrubbed]"],
    ["1.2.3.4.bridge.example and 1.2.3.4", "1.2.3.4.bridge.example", "[scrubbed] and [scrubbed]"],
    ["[2001:db8::7]:443 or 192.0.2.7", "2001:db8::7", "[scrubbed] or [scrubbed]"],
    ["nothing", "", "nothing"],
  ];
  for (const [text, host, scrubbed] of rows) assertEquals(scrubAddresses(text, host), scrubbed);
});

Deno.test("scrubAddresses() takes out addresses in other dress", () => {
  const rows: [text: string, scrubbed: string][] = [
    ["to 192.0.2.7.443", "to [scrubbed]"],
    ["to 192%2E0%2E2%2E7:80 and %5B2001%3Adb8%3a%3A1%5D:443", "to [scrubbed] and [scrubbed]"],
    ["2001:db8:...:734a:443", "[scrubbed]"],
    ["192.0.\x002.7 and 192.0.\u200b2.7", "[scrubbed] and [scrubbed]"],
    ["１９２.0.2.7", "[scrubbed]"],
    ["192.0.2.7:50539\n3.67.12.249:29005", "[scrubbed]\n[scrubbed]"],
    ["%zz %4 % 100%", "%zz %4 % 100%"],
    ["%ff%fe stays", "%ff%fe stays"],
    ["%e2 192.0.2.7", "%e2 [scrubbed]"],
    ["%ef%bc%9192.0.2.7 and %f0%9d%9f%8f92.0.2.7", "[scrubbed] and [scrubbed]"],
    ["1:2:3:4:5:6:192.0.2.7 and 1:2:3:4:5:6:192.0.2.7:443", "[scrubbed] and [scrubbed]"],
    ["at 2001:db8::1...", "at [scrubbed]..."],
    ["2001:db8::1::2 and 12345:2:3:4:5:6:7:8", "[scrubbed] and [scrubbed]"],
    ["peer:fe80::1%eth0: gone and [:2001:db8::1]", "peer:[scrubbed]: gone and [scrubbed]"],
    ["192.0.2.7.443:8080 192.0.2.7.443:123456", "[scrubbed] [scrubbed]:123456"],
    ["[2001:db8::1: gone", "[scrubbed]: gone"],
    ["for 11:22:33:44:55:66:77: none", "for 11:22:33:44:55:66:77: none"],
    ["ab:... and 11:22:33:44:55:66:77", "ab:... and 11:22:33:44:55:66:77"],
  ];
  for (const [text, scrubbed] of rows) assertEquals(scrubAddresses(text), scrubbed, text);
});

Deno.test("scrubAddresses() takes out a name in every form of it", () => {
  const names = ["bücher.example", "xn--bcher-kva.example"];
  const forms = [
    ...names,
    "BÜCHER.example",
    "XN--BCHER-KVA.EXAMPLE",
    "b%C3%BCcher.example",
    "b%c3%bccher%2eexample",
    "bu\u0308cher.example".normalize("NFC"),
    "bü\x07cher.exam\u200dple",
    "ｂücher．example",
  ];
  for (const name of names) {
    for (const form of forms) {
      assertEquals(scrubAddresses(`to ${form}!`, name), "to [scrubbed]!", form);
    }
  }
  const others = [
    "ليهمابتكلموشعربي؟.example",
    "他们为什么不说中文.example",
    "пример.example",
    "தமிழ்.example",
  ];
  for (const name of others) {
    assertEquals(scrubAddresses(`to ${encodeURIComponent(name)}!`, name), "to [scrubbed]!");
    const ascii = new URL(`http://${name}`).hostname;
    assert(ascii.startsWith("xn--"));
    assertEquals(scrubAddresses(`to ${name} or ${ascii}`, ascii), "to [scrubbed] or [scrubbed]");
    assertEquals(scrubAddresses(`to ${name} or ${ascii}`, name), "to [scrubbed] or [scrubbed]");
  }
});

Deno.test("scrubAddresses() takes out a name that only looks like Punycode", () => {
  for (const label of ["xn--99999999", "xn--9999999a", "xn--a_b", "xn--zz", "xn--b", "xn--"]) {
    const name = `${label}.example`;
    assertEquals(scrubAddresses(`to ${name}!`, name), "to [scrubbed]!");
  }
});

Deno.test("scrubAddresses() takes out the parts of a URL and of arguments, too", () => {
  const url = "https://front.example:8443/secretpath";
  const rows: [text: string, scrubbed: string][] = [
    [`GET ${url}`, "GET [scrubbed]"],
    ["no file /etc/front.example.pem", "no file /etc/[scrubbed].pem"],
    ["404 at /secretpath of front.example", "404 at /[scrubbed] of [scrubbed]"],
    ["https is not http", "https is not http"],
    ["cert=ABCDEFGH is unknown", "cert=[scrubbed] is unknown"],
    ["iat-mode 0 is 0", "iat-mode 0 is 0"],
    ["plain.example, abcd and abc", "[scrubbed], [scrubbed] and abc"],
    ["xn--e1afmkfd", "[scrubbed]"],
  ];
  const secrets = [url, "http://plain.example:80", "abcd", "abc", "пример", "ABCDEFGH", "0", ""];
  for (const [text, scrubbed] of rows) {
    assertEquals(scrubAddresses(text, ...secrets), scrubbed, text);
  }
  // Whatever comes first, nothing is left of the longer one.
  for (const secrets of [["front", "front.example"], ["front.example", "front"]]) {
    assertEquals(scrubAddresses("front.example, front", ...secrets), "[scrubbed], [scrubbed]");
  }
});

Deno.test("scrubAddresses() keeps the beginning of a long text, and no part of an address", () => {
  const long = scrubAddresses(`${"word ".repeat(2_000)}`);
  assertEquals(long, `${"word ".repeat(2_000).slice(0, 7_168)} ...`);
  assertEquals(scrubAddresses("x".repeat(8_192)), "x".repeat(8_192));
  // An address behind what is kept changes nothing.
  for (const at of [7_168, 7_500]) {
    const text = `${" ".repeat(at)}192.0.2.7${" ".repeat(2_000)}`;
    assertEquals(scrubAddresses(text), `${" ".repeat(7_168)} ...`);
  }
  for (let offset = -60; offset <= 60; offset++) {
    for (const edge of [7_168, 8_192]) {
      const address = "2001:db8:1111:2222:3333:4444:5555:6666";
      const text = `${"x".repeat(edge + offset - 1)} ${address} ${"x".repeat(2_000)}`;
      const scrubbed = scrubAddresses(text);
      assert(!/2001|1111|6666/.test(scrubbed), `${edge} ${offset}`);
    }
  }
});

Deno.test("scrubAddresses() takes megabytes of anything without a pause", () => {
  const bits = ["a", "a:", "1.", "::1 ", "%41", "[", "1", ":", "%f4", "ab:cd", "xn--", ".", "%"];
  for (const bit of bits) {
    const text = bit.repeat(4_000_000 / bit.length);
    // A quadratic one would take minutes. "[scrubbed]" is longer than what it stands for.
    assert(scrubAddresses(text, "bridge.example").length <= 5 * 8_192);
  }
});
