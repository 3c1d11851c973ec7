/**
 * A program that uses the library in its own process, each transport by another function, and with
 * the upstream proxy that it hands over itself. `run()` only takes the users' requests.
 */

import { readProxy } from "../../config.ts";
import { transport as sealed } from "../../examples/frames.ts";
import { transport as pinned } from "../../examples/tls.ts";
import { dial } from "../../net/dial.ts";
import { startTls } from "../../net/tls.ts";
import { connectThrough, run } from "../../run/run.ts";

const proxy = readProxy();

await run({
  dial: {
    client: ({ target, signal }) => dial(target, { proxy, signal }),
  },
  // The target's name goes to the proxy, and once more in the ClientHello.
  tls_with_name: {
    async client({ target, args, signal }) {
      const pins = args.getAll("pin");
      return await startTls(await dial(target, { proxy, signal }), {
        hostname: target[0],
        pins,
        signal,
      });
    },
  },
  through: {
    client: ({ target, args, signal }) => connectThrough(sealed, target, { args, proxy, signal }),
  },
  // As `examples/nested.ts` does it.
  nested: {
    client: ({ target, args, signal }) =>
      connectThrough(sealed, target, {
        args,
        signal,
        dial: (to, { signal }) => connectThrough(pinned, to, { args, proxy, signal }),
      }),
  },
});
