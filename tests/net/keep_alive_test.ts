import { assertEquals } from "@std/assert";
import { namespaced, seenInNamespace } from "./namespace.ts";

namespaced("an idle connection ends when its peer has vanished, and no other does", async () => {
  assertEquals(await seenInNamespace("vanish_namespace.ts", "--allow-net", "--allow-run=ip"), {
    dialled: "TimedOut",
    fromDialled: "TimedOut",
    bound: "TimedOut",
    fromBound: "TimedOut",
    living: "1",
  });
});
