/** Files that a program writes, formatted as `deno task check` wants them. */

/** Formats a file. */
export async function format({ pathname }: URL): Promise<void> {
  const args = ["fmt", "--quiet", pathname];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(`deno fmt: ${new TextDecoder().decode(stderr)}`);
}
