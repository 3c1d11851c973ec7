/** A forwarder that resets a connection at a byte, or lets bytes through one by one. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../address.ts";

/** From whom the bytes come: the one who connects, or the one who listens. */
export type Side = "connecting" | "listening";

/** Bytes that one side sends before the other one speaks. */
export interface Flight {
  from: Side;
  length: number;
}

/** Where a connection is cut: behind so many bytes of a side. */
export interface Cut {
  from: Side;
  after: number;
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    socket.write(bytes, (error) => error ? reject(error) : resolve())
  );
}

/** So many bytes of each side go one by one, which is more than any handshake here has. */
const DRIBBLED = 256;

/** Forwards connections to an address. Disposing of it ends them all. */
export class Cutter implements Disposable {
  readonly #server: Server;
  readonly #target: Address;
  readonly #sockets = new Set<Socket>();
  /** Where the next connections are cut; null for nowhere. */
  cut: Cut | null = null;
  /** Whether every byte goes by itself at the beginning. */
  dribbles = false;
  /** What has been sent on the newest connection. */
  flights: Flight[] = [];

  private constructor(target: Address) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      this.#forward(near).catch(() => near.destroy());
    });
  }

  static async before(target: Address): Promise<Cutter> {
    const cutter = new Cutter(target);
    cutter.#server.listen(0, "127.0.0.1");
    await once(cutter.#server, "listening");
    return cutter;
  }

  get address(): Address {
    return ["127.0.0.1", (this.#server.address() as AddressInfo).port];
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {}); // Its end says enough.
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async #forward(near: Socket): Promise<void> {
    this.#keep(near);
    const { cut } = this;
    const flights: Flight[] = [];
    this.flights = flights;
    if (cut?.after === 0) return void near.resetAndDestroy();
    const [host, port] = this.#target;
    const far = connect({ host, port, allowHalfOpen: true });
    this.#keep(far);
    await once(far, "connect");
    const reset = () => [near, far].forEach((socket) => socket.resetAndDestroy());
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    const pump = async (from: Side, source: Socket, sink: Socket) => {
      let passed = 0;
      for await (const chunk of source.iterator({ destroyOnReturn: false })) {
        const left = cut?.from === from ? cut.after - passed : Infinity;
        const bytes: Uint8Array = chunk.subarray(0, left);
        const single = this.dribbles ? Math.max(0, DRIBBLED - passed) : 0;
        passed += bytes.length;
        const last = flights.at(-1);
        if (last?.from === from) last.length += bytes.length;
        else flights.push({ from, length: bytes.length });
        for (const byte of bytes.subarray(0, single)) await write(sink, Uint8Array.of(byte));
        await write(sink, bytes.subarray(single));
        if (passed === cut?.after && cut.from === from) return reset();
      }
      sink.end();
    };
    await Promise.all([pump("connecting", near, far), pump("listening", far, near)])
      .catch(() => [near, far].forEach((socket) => socket.destroy()));
  }

  [Symbol.dispose](): void {
    this.#sockets.forEach((socket) => socket.destroy());
    this.#server.close();
  }
}

/** Every place to cut a handshake: at its beginning, in the middle of each flight and behind it. */
export function cutsOf(flights: readonly Flight[]): Cut[] {
  const passed = { connecting: 0, listening: 0 };
  const cuts = flights.flatMap(({ from, length }): Cut[] => {
    const before = passed[from];
    passed[from] += length;
    const places = [before + Math.ceil(length / 2), before + length];
    return [...new Set(places)].map((after) => ({ from, after }));
  });
  return [{ from: "connecting", after: 0 }, ...cuts];
}
