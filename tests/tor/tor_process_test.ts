import { assertMatch } from "@std/assert";
import { missingPrograms } from "../../tor/programs.ts";
import { type TorFailed, TorProcess } from "../../tor/tor_process.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";

const missing = granted(["run"]) ? missingPrograms() : [];

permitted(
  ["run", "read", "write"],
  "a TorProcess without its torrc joins no other network",
  () =>
    withDirectory(async (directory) => {
      const { promise, resolve } = Promise.withResolvers<TorFailed>();
      await using _tor = new TorProcess("relay", `${directory}/torrc`, resolve, () => {});
      assertMatch((await promise).message, /^relay ended with status 1/);
    }),
  missing.length > 0 ? `needs ${missing.join(" and ")}` : null,
);
