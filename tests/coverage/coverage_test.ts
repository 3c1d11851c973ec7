import { assertEquals } from "@std/assert";
import { readLcov } from "./lcov.ts";
import { missing, table } from "./report.ts";

const LCOV = `SF:/root/net/a.ts
FN:1,a
BRDA:2,0,0,3
BRDA:2,0,1,0
BRDA:9,1,0,-
BRF:3
DA:1,5
DA:2,3
DA:3,0
DA:4,0
DA:6,0
end_of_record
SF:/elsewhere/b.ts
DA:1,0
end_of_record
`;

Deno.test("coverage is read from lcov: the files below the root, their lines and branches", () => {
  assertEquals(readLcov(LCOV, "/root/"), [{
    file: "net/a.ts",
    lines: { of: 5, covered: 2 },
    branches: { of: 3, covered: 1 },
    missingLines: [3, 4, 6],
    missingBranches: [2, 9],
  }]);
});

Deno.test("coverage has a row for each room, one for all, and names what is missing", () => {
  const files = readLcov(LCOV, "/root/");
  assertEquals(table(new Map([["net", files], ["run", []]])).split("\n").slice(2), [
    "| net | 5 | 2 | 40.0 | 3 | 1 | 33.3 |",
    "| run | 0 | 0 | 100.0 | 0 | 0 | 100.0 |",
    "| all | 5 | 2 | 40.0 | 3 | 1 | 33.3 |",
  ]);
  assertEquals(missing(files), "- net/a.ts: lines 3-4, 6; a branch of lines 2, 9");
});
