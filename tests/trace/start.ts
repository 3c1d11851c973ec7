/** Starts a program under strace and opens connections through it, as its user. */

import { type Address, parseAddress } from "../../address.ts";
import type { ProxyInfo } from "../../config.ts";
import { formatPlace } from "../../cli/places.ts";
import { dialTransport, launchClient } from "../../parent/mod.ts";
import { clientEnvironment } from "../../parent/child_environment.ts";
import { type Program, TUNNELLED } from "./programs.ts";
import type { Service } from "./services.ts";
import { traced } from "./strace.ts";

/** A program that runs. Disposing of it ends it. */
export interface Started extends AsyncDisposable {
  /** Where its users come to. */
  readonly address: Address;
  /** Connects through it, and rejects when it refuses. */
  open(target: Address, signal: AbortSignal): Promise<Deno.TcpConn>;
}

/** How a program is started. */
export interface StartOptions {
  proxy: ProxyInfo;
  /** What its transport has to know. */
  argsFor: Service["argsFor"];
  /** Where it keeps files. */
  directory: string;
  /** The file in which its calls are recorded. */
  trace: string;
  /** More variables. */
  env: Readonly<Record<string, string>>;
}

/** Starts what a parent such as tor starts. */
async function startTransport(program: Program, options: StartOptions): Promise<Started> {
  const { proxy, argsFor, directory, trace, env } = options;
  const { transport } = program;
  const client = await launchClient(traced(program.command, trace), {
    transports: [transport],
    stateDirectory: `${directory}/pt_state`,
    proxy,
    env,
  });
  const method = client.methods[transport]!; // Without one the launch would have failed.
  return {
    address: method.address,
    open: (target, signal) => dialTransport(method, target, argsFor(target), { signal }),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** What stands in the environment of somebody at a shell. */
function shellEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];
  const set = names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(set), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
}

/** Reads to the end; tells when it matches, and rejects when it never does. */
function watch(stream: ReadableStream<Uint8Array<ArrayBuffer>>, pattern: RegExp): Promise<string> {
  const found = Promise.withResolvers<string>();
  const read = async () => {
    let text = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const [, match] = pattern.exec(text) ?? [];
      if (match !== undefined) found.resolve(match);
    }
    found.reject(new Error(`It has ended:\n${text}`));
  };
  read().catch(found.reject);
  return found.promise;
}

/** Starts `ptlib client` for one target. */
async function startTunnel(
  program: Program,
  target: Address,
  { proxy, directory, trace }: StartOptions,
): Promise<Started> {
  const { TOR_PT_PROXY = "" } = clientEnvironment("", [program.transport], proxy);
  const options = ["--transport", program.transport, "--listen", "127.0.0.1:0"];
  const where = ["--bridge", formatPlace(target), "--proxy", TOR_PT_PROXY];
  const state = ["--state", `${directory}/pt_state`];
  const line = [...program.command, "client", ...options, ...where, ...state, "--", ...TUNNELLED];
  const [strace = "", ...args] = traced(line, trace);
  const process = new Deno.Command(strace, {
    args,
    env: shellEnvironment(),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const end = async () => {
    // strace itself takes no signal; the first line is the program's.
    const pid = Number.parseInt(await Deno.readTextFile(trace));
    if (pid > 0) Deno.kill(pid, "SIGTERM");
    await process.status;
  };
  try {
    const address = parseAddress(await watch(process.stderr, /listening on (\S+)\n/));
    const [hostname, port] = address;
    return {
      address,
      open: () => Deno.connect({ hostname, port }),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await process.status;
    throw error;
  }
}

/** Starts a program; one at a shell goes to one target only. */
export async function start(
  program: Program,
  target: Address,
  options: StartOptions,
): Promise<Started> {
  return program.startedBy === "parent"
    ? await startTransport(program, options)
    : await startTunnel(program, target, options);
}
