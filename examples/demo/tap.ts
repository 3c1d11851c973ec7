/**
 * A tap on the wire between client and server: it forwards a connection, and sees what passes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Address } from "@ptlib/ptlib";
import { closeQuietly, dial, mapBytes, relay } from "@ptlib/ptlib/net";

const LONGEST_BEGINNING = 64;

/** What has passed in one direction. */
export class Passed {
  /** How many bytes. */
  bytes = 0;
  readonly #hash = createHash("sha256");
  #beginning = "";

  /** Takes note of bytes that pass. */
  see(bytes: Uint8Array): void {
    const missing = LONGEST_BEGINNING - this.#beginning.length;
    if (missing > 0) this.#beginning += String.fromCharCode(...bytes.subarray(0, missing));
    this.#hash.update(bytes);
    this.bytes += bytes.length;
  }

  /** The first line. */
  get firstLine(): string {
    return this.#beginning.split("\n")[0] ?? "";
  }

  /** The hash of all that has passed; can be asked for once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }
}

/** A port that forwards one connection to the server. */
export class Tap implements Disposable {
  /** What the client has sent. */
  readonly toServer = new Passed();
  /** What the server has sent. */
  readonly toClient = new Passed();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  /** Where the client connects. */
  get address(): Address {
    return [this.#listener.addr.hostname, this.#listener.addr.port];
  }

  /** Forwards one connection to the server until it has ended. */
  async forward(server: Address, signal: AbortSignal): Promise<void> {
    using client = await this.#listener.accept();
    client.setNoDelay();
    const seen = mapBytes(client, {
      read: (bytes) => this.toServer.see(bytes),
      write: (bytes) => this.toClient.see(bytes),
    });
    const { error } = await relay(seen, await dial(server, { signal }), { signal });
    if (error !== null) throw error;
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    closeQuietly(this.#listener);
  }
}
