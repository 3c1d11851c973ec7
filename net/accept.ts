/**
 * Accepting connections for as long as a listener lives.
 *
 * @module
 */

import { closeQuietly } from "./conn.ts";
import { Deadline } from "./deadline.ts";
import { keepAlive } from "./keep_alive.ts";

const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 1_000;

/** Codes of a lack that passes when something is given back: of descriptors, buffers, memory. */
const SHORTAGES: readonly unknown[] = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/**
 * Tells whether an error says that the process or the machine lacks descriptors or memory for now.
 *
 * @param error What was thrown.
 * @returns Whether it, or a `cause` of it, is such an error.
 */
export function isShortage(error: unknown): boolean {
  for (
    let link = error, depth = 0;
    link instanceof Error && depth < 8;
    link = link.cause, depth++
  ) {
    if ("code" in link && SHORTAGES.includes(link.code)) return true;
  }
  return false;
}

/**
 * How many errors in a row are taken without a pause. A peer that resets its connection in the queue
 * makes one, and shall keep nobody waiting; what fails for ever shall not keep the processor busy.
 */
const MOST_FAILURES = 1_000;

function isTcp(conn: Deno.Conn): conn is Deno.TcpConn {
  return "setNoDelay" in conn;
}

/** Resolves after a time in milliseconds, or at once when the signal aborts. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

/**
 * Accepts every connection until the listener is closed or the signal aborts. When it ends, the
 * listener is closed.
 *
 * A connection that its peer reset in the queue is skipped. When descriptors or memory are used up,
 * it is tried again after 5 ms, then after twice as long each time, at most 1 s.
 *
 * @param listener Where connections arrive.
 * @param options `signal` ends it; `onShortage` is called before each of these pauses.
 * @returns The connections, those of TCP with `TCP_NODELAY`. Handle each without waiting for its end.
 *
 * @example
 * ```ts
 * import { acceptAll } from "@ptlib/ptlib/net";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * for await (const conn of acceptAll(listener)) {
 *   conn.close();
 *   break;
 * }
 * ```
 */
export async function* acceptAll<C extends Deno.Conn = Deno.TcpConn>(
  listener: Deno.Listener<C>,
  options: {
    signal?: AbortSignal | undefined;
    onShortage?: ((error: unknown) => void) | undefined;
  } = {},
): AsyncGenerator<C, void, void> {
  const { signal, onShortage } = options;
  const close = () => closeQuietly(listener);
  signal?.addEventListener("abort", close);
  try {
    for (let milliseconds = FIRST_PAUSE, failures = 0; !signal?.aborted;) {
      let conn: C;
      try {
        conn = await listener.accept();
      } catch (error) {
        // What is thrown once the listener is closed.
        if (error instanceof Deno.errors.BadResource) return;
        if (error instanceof Deno.errors.Interrupted) return;
        if (isShortage(error)) onShortage?.(error);
        else if (++failures < MOST_FAILURES) continue;
        await pause(milliseconds, signal);
        milliseconds = Math.min(2 * milliseconds, LONGEST_PAUSE);
        failures = 0;
        continue;
      }
      milliseconds = FIRST_PAUSE;
      failures = 0;
      try {
        if (isTcp(conn)) {
          conn.setNoDelay();
          keepAlive(conn);
        }
      } catch {
        closeQuietly(conn); // Its peer is gone already.
        continue;
      }
      yield conn;
    }
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}

/**
 * How {@linkcode acceptHandshakes} gets from a connection to what it yields.
 *
 * @example
 * ```ts
 * import { handshake, type HandshakeOptions, readFull } from "@ptlib/ptlib/net";
 *
 * const options: HandshakeOptions<{ conn: Deno.TcpConn; version: number }> = {
 *   timeout: 10_000,
 *   handshake: (conn, signal) =>
 *     handshake(conn, signal, async () => {
 *       const [version = 0] = await readFull(conn, new Uint8Array(1));
 *       return { conn, version };
 *     }),
 *   discard: ({ conn }) => conn.close(),
 * };
 * ```
 */
export interface HandshakeOptions<T> {
  /** Ends the listener and the handshakes under way. */
  signal?: AbortSignal | undefined;
  /** Is called when connections have to wait, because descriptors or memory are used up. */
  onShortage?: ((error: unknown) => void) | undefined;
  /** How long each handshake may take, in milliseconds. */
  timeout: number;
  /** Does the handshake. It must itself close the connection when it fails. */
  handshake(conn: Deno.TcpConn, signal: AbortSignal): Promise<T>;
  /** Gives up the result of a handshake that nobody has taken. */
  discard(result: T): void;
}

/**
 * Accepts every connection and takes each through its handshake, side by side and each under a
 * deadline: a slow or hostile peer keeps nobody else waiting, and a handshake that fails
 * is forgotten.
 *
 * @param listener Where connections arrive; it is closed at the end.
 * @param options The handshake, and a signal that ends it all.
 * @returns The results of the handshakes that succeed, as they do.
 *
 * @example
 * ```ts
 * import { acceptHandshakes, handshake, readFull } from "@ptlib/ptlib/net";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const { port } = listener.addr;
 * using _silent = await Deno.connect({ hostname: "127.0.0.1", port });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port });
 * await client.write(Uint8Array.of(5));
 * const greeted = acceptHandshakes(listener, {
 *   timeout: 10_000,
 *   handshake: (conn, signal) =>
 *     handshake(conn, signal, async () => {
 *       await readFull(conn, new Uint8Array(1));
 *       return conn;
 *     }),
 *   discard: (conn) => conn.close(),
 * });
 * for await (const conn of greeted) {
 *   conn.close();
 *   break;
 * }
 * ```
 */
export async function* acceptHandshakes<T>(
  listener: Deno.TcpListener,
  options: HandshakeOptions<T>,
): AsyncGenerator<T, void, void> {
  const ready: T[] = [];
  const end = new AbortController();
  const stop = () => end.abort(options.signal?.reason);
  let wake = Promise.withResolvers<void>();

  const greet = async (conn: Deno.TcpConn) => {
    const deadline = new Deadline(options.timeout, "A handshake", end.signal);
    let result: T;
    try {
      result = await options.handshake(conn, deadline.signal);
    } catch {
      return; // The peer's business: it was told, and the listener goes on.
    } finally {
      deadline[Symbol.dispose]();
    }
    if (end.signal.aborted) return options.discard(result);
    ready.push(result);
    wake.resolve();
  };
  const accept = async () => {
    const { onShortage } = options;
    for await (const conn of acceptAll(listener, { signal: end.signal, onShortage })) greet(conn);
    end.abort();
    wake.resolve();
  };

  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  accept();
  try {
    for (;;) {
      while (ready.length > 0) yield ready.shift() as T;
      if (end.signal.aborted) return;
      await wake.promise;
      wake = Promise.withResolvers();
    }
  } finally {
    options.signal?.removeEventListener("abort", stop);
    end.abort();
    ready.forEach(options.discard);
  }
}

/**
 * Handles connections side by side, and waits until the last one is done.
 *
 * @param connections Connections or requests as they come.
 * @param handle Handles one of them. An error that it throws ends nothing else, and is dropped.
 * @returns A promise that resolves when no more come and all are handled.
 *
 * @example
 * ```ts
 * import { acceptAll, handleEach, relay } from "@ptlib/ptlib/net";
 *
 * async function forward(listener: Deno.TcpListener, port: number): Promise<void> {
 *   await handleEach(acceptAll(listener), async (accepted) => {
 *     using conn = accepted; // Closed also when there is nobody to connect to.
 *     await relay(conn, await Deno.connect({ hostname: "127.0.0.1", port }));
 *   });
 * }
 * ```
 */
export async function handleEach<T>(
  connections: AsyncIterable<T>,
  handle: (connection: T) => Promise<void>,
): Promise<void> {
  const { promise: allDone, resolve } = Promise.withResolvers<void>();
  let open = 1; // The iteration itself.
  const done = () => {
    if (--open === 0) resolve();
  };
  const attempt = async (connection: T) => {
    try {
      await handle(connection);
    } catch {
      // It ends nothing else.
    }
    done();
  };
  for await (const connection of connections) {
    open++;
    attempt(connection);
  }
  done();
  await allDone;
}
