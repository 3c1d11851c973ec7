import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Address } from "../address.ts";
import { certificatePin } from "../net/tls.ts";
import { LaunchError, launchServer } from "../parent/mod.ts";
import { EchoServer } from "./echo.ts";
import { commandOf, manyBytes, withDirectory } from "./example_pair.ts";
import { TEST_CERTIFICATE, TEST_CHAIN_CERTIFICATE, TEST_KEY } from "./net/test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "./net/upstream_proxy.ts";
import { permitted } from "./permitted.ts";

const KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const PIN = await certificatePin(TEST_CERTIFICATE);

/** The command of the head comment that connects, with more flags; it may connect to one address. */
async function connecting(
  bridge: Address,
  more: { allowNet?: string; pin?: string; key?: string; flags?: string[] } = {},
): Promise<string[]> {
  const { allowNet = bridge.join(":"), pin = PIN, key = KEY, flags = [] } = more;
  const places = {
    "--allow-net=192.0.2.1:4443": `--allow-net=${allowNet}`,
    "192.0.2.1:4443": bridge.join(":"),
    "--pin=...": `--pin=${pin}`,
    "--key=...": `--key=${key}`,
  };
  return [...await commandOf("nested.ts", "client", places), ...flags];
}

/** Runs a command with bytes on its stdin. */
async function run([program = "", ...args]: readonly string[], input: Uint8Array<ArrayBuffer>) {
  const process = new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1" },
    clearEnv: true,
    signal: AbortSignal.timeout(30_000),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  // It may end before it has read everything.
  const sent = new Blob([input]).stream().pipeTo(process.stdin).catch(() => {});
  const [{ code, stdout, stderr }] = await Promise.all([process.output(), sent]);
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

/** A test with the other end, which has an echo behind it. */
function withBridge(
  name: string,
  use: (bridge: Address, echo: EchoServer) => Promise<void>,
): void {
  permitted(["net", "read", "write", "run"], name, () =>
    withDirectory(async (directory) => {
      using echo = new EchoServer();
      await Deno.writeTextFile(`${directory}/cert.pem`, TEST_CERTIFICATE);
      await Deno.writeTextFile(`${directory}/key.pem`, TEST_KEY);
      const places = { "0.0.0.0:4443": "127.0.0.2:0", "/etc/pinned": directory };
      await using server = await launchServer(await commandOf("nested.ts", "server", places), {
        transports: {
          nested: {
            bindAddress: ["127.0.0.2", 0],
            options: [
              ["cert", `${directory}/cert.pem`],
              ["key", `${directory}/key.pem`],
              ["seal", KEY],
            ],
          },
        },
        orport: echo.address,
        stateDirectory: `${directory}/pt_state`,
      });
      assertEquals([...server.methods["nested"]!.args], [["pin", PIN]]);
      await use(server.methods["nested"]!.address, echo);
    }));
}

withBridge(
  "nested.ts carries stdin there and what comes to stdout, with the permissions it names",
  async (bridge) => {
    const bytes = manyBytes();
    const { code, stdout, stderr } = await run(await connecting(bridge), bytes);
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.length === bytes.length && stdout.every((byte, i) => byte === bytes[i]));
  },
);

for (const scheme of SCHEMES) {
  withBridge(
    `nested.ts carries them through a proxy, to which alone it may connect (${scheme})`,
    async (bridge) => {
      using proxy = new UpstreamProxy(scheme);
      const { host, port } = proxy.info;
      const flags = [`--proxy=${scheme}://${host}:${port}`];
      const command = await connecting(bridge, { allowNet: `${host}:${port}`, flags });
      const bytes = manyBytes();
      const { code, stdout, stderr } = await run(command, bytes);
      assertEquals([code, stderr], [0, ""]);
      assert(stdout.length === bytes.length && stdout.every((byte, i) => byte === bytes[i]));
      assertEquals(proxy.requests.map(({ target }) => target), [bridge]);
    },
  );
}

withBridge("nested.ts sends nothing where either secret is wrong", async (bridge, echo) => {
  const rows = [
    [{ pin: await certificatePin(TEST_CHAIN_CERTIFICATE) }, /another certificate/],
    [{ pin: "" }, /There is no pin=/],
    [{ key: KEY.replace("00", "01") }, /does not know the key/],
    [{ key: "" }, /There is no key=/],
  ] as const;
  for (const [secrets, words] of rows) {
    const { code, stdout, stderr } = await run(await connecting(bridge, secrets), manyBytes());
    assertEquals([code, stdout.length], [1, 0]);
    assertMatch(stderr, words);
  }
  // The next one is the first of which the service hears.
  const { code } = await run(await connecting(bridge), manyBytes());
  assertEquals([code, echo.accepted], [0, 1]);
});

permitted(
  ["net", "read", "write", "run"],
  "nested.ts starts no bridge without a seal",
  () =>
    withDirectory(async (directory) => {
      await Deno.writeTextFile(`${directory}/cert.pem`, TEST_CERTIFICATE);
      await Deno.writeTextFile(`${directory}/key.pem`, TEST_KEY);
      const options: [string, string][] = [
        ["cert", `${directory}/cert.pem`],
        ["key", `${directory}/key.pem`],
      ];
      const places = { "0.0.0.0:4443": "127.0.0.2:0", "/etc/pinned": directory };
      const command = await commandOf("nested.ts", "server", places);
      for (const seal of ["", KEY.slice(1)]) {
        const launched = async () => {
          await using _server = await launchServer(command, {
            transports: {
              nested: { bindAddress: ["127.0.0.2", 0], options: [...options, ["seal", seal]] },
            },
            orport: ["127.0.0.1", 1],
            stateDirectory: `${directory}/pt_state`,
          });
        };
        await assertRejects(launched, LaunchError, "64 hexadecimal digits");
      }
    }),
);
