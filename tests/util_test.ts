import { assertEquals, assertThrows } from "@std/assert";
import { config, util } from "../mod.ts";
import { setEnvironment, type Variables } from "./environment.ts";
import { captureStdout } from "./stdout.ts";

Deno.test("checkClientMode() tells a client from a server and prints nothing", () => {
  const rows: [variables: Variables, client: boolean][] = [
    [{ CLIENT_TRANSPORTS: "rot13" }, true],
    [{ CLIENT_TRANSPORTS: "*", SERVER_TRANSPORTS: "" }, true],
    [{ SERVER_TRANSPORTS: "rot13" }, false],
    [{ SERVER_TRANSPORTS: "rot13", CLIENT_TRANSPORTS: "" }, false],
  ];
  using stdout = captureStdout();
  for (const [variables, client] of rows) {
    using _ = setEnvironment(variables);
    assertEquals(util.checkClientMode(), client);
  }
  assertEquals(stdout.text(), "");
});

Deno.test("checkClientMode() throws an EnvError for neither or both and prints nothing", () => {
  const rows: [variables: Variables, message: string][] = [
    [{}, "are both unset"],
    [{ CLIENT_TRANSPORTS: "", SERVER_TRANSPORTS: "" }, "are both unset"],
    [{ CLIENT_TRANSPORTS: "rot13", SERVER_TRANSPORTS: "rot13" }, "are both set"],
  ];
  using stdout = captureStdout();
  for (const [variables, message] of rows) {
    using _ = setEnvironment(variables);
    assertThrows(() => util.checkClientMode(), config.EnvError, message);
  }
  assertEquals(stdout.text(), "");
});

Deno.test({
  name: "checkClientMode() throws an EnvError with the flag when nothing is granted",
  permissions: { env: false },
  fn() {
    using stdout = captureStdout();
    assertThrows(() => util.checkClientMode(), config.EnvError, "--allow-env=TOR_PT_*");
    assertEquals(stdout.text(), "");
  },
});
