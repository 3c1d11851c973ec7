/** Registers tests that need more than `deno test --allow-env` grants. */

type Need = "net" | "read" | "write" | "run" | "sys";

/** Whether every one of `needs` is granted without restriction. */
export function granted(needs: readonly Need[]): boolean {
  return needs.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

/**
 * Registers a test that is ignored, with the reason in its name, where a
 * permission it needs is not granted.
 */
export function permitted(
  needs: readonly Need[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const flags = needs.map((need) => `--allow-${need}`).join(" ");
  Deno.test({ name: `${name} [needs ${flags}]`, ignore: !granted(needs), fn });
}
