import { assertEquals } from "@std/assert";
import { ServerNames } from "../../webtunnel/server_names.ts";

const LIST = ["a.example", "b.example", "c.example"];

Deno.test("ServerNames begins a list anywhere, and keeps its order from there on", () => {
  const begun = new Set(
    Array.from({ length: 1_000 }, () => new ServerNames().inOrder(LIST).join(" ")),
  );
  assertEquals([...begun].sort(), [
    "a.example b.example c.example",
    "b.example c.example a.example",
    "c.example a.example b.example",
  ]);
});

Deno.test("ServerNames begins with the name that is kept", () => {
  const names = new ServerNames();
  for (const name of [...LIST, ...LIST]) {
    names.keep(LIST, name);
    for (let times = 0; times < 100; times++) assertEquals(names.inOrder(LIST)[0], name);
  }
});

Deno.test("ServerNames forgets the oldest of many lists", () => {
  const names = new ServerNames();
  const lists = Array.from({ length: 257 }, (_, i) => [...LIST, `${i}.example`]);
  for (const list of lists) names.keep(list, list[3]!);
  for (let times = 0; times < 100; times++) {
    for (const list of lists.slice(1)) assertEquals(names.inOrder(list)[0], list[3]);
  }
  const begun = new Set(Array.from({ length: 1_000 }, () => names.inOrder(lists[0]!)[0]));
  assertEquals(begun.size, 4);
});

Deno.test("ServerNames forgets the list that was not kept for the longest time", () => {
  const names = new ServerNames();
  const lists = Array.from({ length: 256 }, (_, i) => [...LIST, `${i}.example`]);
  for (const list of lists) names.keep(list, list[3]!);
  names.keep(lists[0]!, lists[0]![3]!);
  names.keep([...LIST, "new.example"], "a.example");
  for (let times = 0; times < 100; times++) {
    assertEquals(names.inOrder(lists[0]!)[0], lists[0]![3]);
  }
  const begun = new Set(Array.from({ length: 1_000 }, () => names.inOrder(lists[1]!)[0]));
  assertEquals(begun.size, 4);
});
