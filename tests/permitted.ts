/** Registers tests that need more than `deno test --allow-env` grants. */

type Need = "env" | "net" | "read" | "write" | "run" | "sys";

/** Whether every one of `needs` is granted without restriction. */
export function granted(needs: readonly Need[]): boolean {
  return needs.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

/**
 * Registers a test that is ignored, with the reason in its name, where a
 * permission it needs is not granted, or for the reason of something else that is `missing`.
 */
export function permitted(
  needs: readonly Need[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  missing: string | null = null,
): void {
  const flags = needs.map((need) => `--allow-${need}`).join(" ");
  const ignore = missing !== null || !granted(needs);
  Deno.test({ name: `${name} [${missing ?? `needs ${flags}`}]`, ignore, fn });
}

/** Lets a test use a temporary directory, which is removed at its end. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    return await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
