import { assertEquals } from "@std/assert";
import * as censor from "../censor/mod.ts";
import * as check from "../check/mod.ts";
import * as config from "../config.ts";
import * as net from "../net/mod.ts";
import * as parent from "../parent/mod.ts";
import * as testing from "../testing/mod.ts";
import * as webtunnel from "../webtunnel/mod.ts";

Deno.test("every error of ours has the name of its class", () => {
  const classes = Object.entries({
    ...config,
    ...net,
    ...parent,
    ...check,
    ...censor,
    ...testing,
    ...webtunnel,
  })
    .filter(([, value]) => typeof value === "function" && value.prototype instanceof Error);
  const names = classes.map(([, Class]) =>
    Object(Reflect.construct(Object(Class), ["words", "words"])).name
  );
  assertEquals(names, classes.map(([name]) => name));
  assertEquals(names.length, 12);
});
