/** Lets this process be another program, as far as `Deno.mainModule` tells, until it is disposed of. */
export function asMainModule(url: string): Disposable {
  const property = Object.getOwnPropertyDescriptor(Deno, "mainModule")!;
  Object.defineProperty(Deno, "mainModule", { ...property, get: () => url });
  return {
    [Symbol.dispose]: () => void Object.defineProperty(Deno, "mainModule", property),
  };
}
