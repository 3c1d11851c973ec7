/** The client and the server of the transport `dummy`, each with an observer inside. */

import type { Address } from "@ptlib/ptlib";
import { launchClient, launchServer } from "@ptlib/ptlib/parent";
import type { Way } from "../../bench/load_process.ts";
import { MARK, type Observation } from "./observation.ts";

const OBSERVER = import.meta.resolve("./observer.ts");

/** One of the two programs, as it was last seen from inside. */
export class Observed {
  /** The process id; set once it runs. */
  pid = 0;
  readonly #name: string;
  #last: Observation = { timers: 0, listeners: 0, heap: 0, external: 0, collected: false };
  #collected = Promise.withResolvers<Observation>();

  constructor(name: string) {
    this.#name = name;
  }

  get last(): Observation {
    return this.#last;
  }

  /** Takes a line of its stderr. What the observer did not say, the program did. */
  hear(line: string): void {
    if (!line.startsWith(MARK)) return console.error(`${this.#name}: ${line}`);
    this.#last = JSON.parse(line.slice(MARK.length));
    if (this.#last.collected) this.#collected.resolve(this.#last);
  }

  /** Takes a line of its stdout: warnings are worth reading. */
  readonly hearStdout = (line: string): void => {
    if (/^LOG SEVERITY=(warning|error)/.test(line)) console.error(`${this.#name}: ${line}`);
  };

  /** What it has when all garbage has been collected. */
  async collect(): Promise<Observation> {
    this.#collected = Promise.withResolvers();
    Deno.kill(this.pid, "SIGUSR2");
    return await this.#collected.promise;
  }
}

/** Client and server; disposing of it ends both. */
export interface ObservedPair extends AsyncDisposable {
  way: Way;
  client: Observed;
  server: Observed;
}

function command(example: string, ...permissions: readonly string[]): string[] {
  return [
    Deno.execPath(),
    ...["run", "--no-prompt", "--v8-flags=--expose-gc", `--preload=${OBSERVER}`],
    ...["--allow-env=TOR_PT_*", "--allow-net=127.0.0.1", ...permissions],
    import.meta.resolve(`../../examples/${example}.ts`),
  ];
}

/** Starts client and server, with a destination behind them. */
export async function launchObserved(
  { orport, cookieFile, stateDirectory }: {
    orport: Address;
    cookieFile: string;
    stateDirectory: string;
  },
): Promise<ObservedPair> {
  await using stack = new AsyncDisposableStack();
  const [client, server] = [new Observed("client"), new Observed("server")];
  const behind = stack.use(
    await launchServer(command("dummy_server", `--allow-read=${cookieFile}`), {
      transports: { dummy: { bindAddress: ["127.0.0.1", 0] } },
      extOrPort: { address: orport, cookieFile },
      stateDirectory,
      onStderr: (line) => server.hear(line),
      onStdout: server.hearStdout,
    }),
  );
  const front = stack.use(
    await launchClient(command("dummy_client"), {
      transports: ["dummy"],
      stateDirectory,
      onStderr: (line) => client.hear(line),
      onStdout: client.hearStdout,
    }),
  );
  [client.pid, server.pid] = [front.pid, behind.pid];
  const owned = stack.move();
  return {
    way: { socks: front.methods["dummy"]!.address, bridge: behind.methods["dummy"]!.address },
    client,
    server,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
