/** Reads the arguments of `Deno.test()`, for what is loaded before the tests and takes its place. */

/** What any form of the call means, as one definition. */
export function testDefinition(args: readonly unknown[]): Deno.TestDefinition {
  const options = args.find((arg) => typeof arg === "object") as
    | Partial<Deno.TestDefinition>
    | undefined;
  const fn =
    (args.find((arg) => typeof arg === "function") ?? options?.fn) as Deno.TestDefinition["fn"];
  const name = args.find((arg) => typeof arg === "string") as string | undefined;
  return { ...options, fn, name: name ?? options?.name ?? fn.name };
}
