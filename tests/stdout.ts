/** Catches what the library prints, byte by byte as the parent would get it. */

/** What was printed so far; ends with its scope. */
export interface CapturedStdout extends Disposable {
  /** Everything printed so far. Throws where it is not UTF-8. */
  text(): string;
}

/**
 * Puts itself in the place of `Deno.stdout.writeSync` until it is disposed of.
 *
 * @param atMost How many bytes one write takes, as a full pipe takes less than it is offered.
 */
export function captureStdout(atMost = Infinity): CapturedStdout {
  const original = Deno.stdout.writeSync;
  const bytes: number[] = [];
  Deno.stdout.writeSync = (chunk) => {
    const taken = chunk.subarray(0, atMost);
    bytes.push(...taken);
    return taken.length;
  };
  return {
    text: () => new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)),
    [Symbol.dispose]: () => {
      Deno.stdout.writeSync = original;
    },
  };
}

/** What `fn` prints; what it throws is thrown. */
export function printedBy(fn: () => void): string {
  using stdout = captureStdout();
  fn();
  return stdout.text();
}
