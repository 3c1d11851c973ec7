/**
 * The certificate of a server, in files that something else renews.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { isShortage } from "../net/accept.ts";
import { certificatePin } from "../net/tls.ts";
import { whyUnreadable } from "../net/unreadable.ts";

/** A certificate and its key, in PEM. */
export interface Certificate {
  /** The server's own certificate, and behind it those that lead to a trusted one. */
  cert: string;
  key: string;
}

/** How often the files are looked at, in milliseconds. */
const LOOK = 10_000;

/** The pin of a certificate for which nobody but itself says that it is good; of others null. */
async function selfSignedPin({ cert }: Certificate): Promise<string | null> {
  const { subject, issuer } = new X509Certificate(cert);
  return subject === issuer ? await certificatePin(cert) : null;
}

/** Reads one of the files. */
async function readFile(path: string, option: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = whyUnreadable(path, cause);
    throw new Error(`The file of ${option}= cannot be used: ${why}`, { cause });
  }
}

/** Parses with a function of node's. */
function parsed<T>(option: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new Error(`The file of ${option}= has no ${what} in PEM that can be read`, { cause });
  }
}

/** Where the certificate is, and where its key is. */
export type Files = readonly [cert: string, key: string];

/** When the files were written; an empty text where that cannot be told. */
async function timesOf(files: Files): Promise<string> {
  try {
    const infos = await Promise.all(files.map((file) => Deno.stat(file)));
    return infos.map(({ mtime, size, ino }) => `${mtime?.getTime()} ${size} ${ino}`).join();
  } catch {
    return "";
  }
}

/** Has Deno take them for a server: it does not know every kind of key, and says so too late. */
function tryOut(certificate: Certificate): void {
  try {
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...certificate }).close();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable || isShortage(cause)) return; // It cannot be tried.
    throw new Error(
      "The certificate of cert= or the key of key= is of a kind that TLS cannot use here: take " +
        "ECDSA P-256, or RSA with 2048 bits",
      { cause },
    );
  }
}

async function read([certFile, keyFile]: Files): Promise<Certificate> {
  const cert = await readFile(certFile, "cert");
  const key = await readFile(keyFile, "key");
  const own = parsed("cert", "certificate", () => new X509Certificate(cert));
  const secret = parsed("key", "private key", () => createPrivateKey(key));
  if (!own.checkPrivateKey(secret)) {
    throw new Error("The key of key= is another one than that of the certificate of cert=");
  }
  tryOut({ cert, key });
  return { cert, key };
}

/** The two files. */
export class CertificateFiles {
  /** The pin that clients need because nobody else says that the certificate is good. */
  readonly pin: string | null;
  readonly #files: Files;
  readonly #log: (severity: "notice" | "warning", text: string) => void;
  #current: Certificate;
  /** When those were written that are in use. */
  #used: string;
  /** When those were written that could not be used the last time, and how often that was tried. */
  #failed: string | undefined;
  #failures = 0;
  #nextLook = performance.now() + LOOK;
  #looking: Promise<void> | undefined;

  private constructor(
    files: Files,
    log: (severity: "notice" | "warning", text: string) => void,
    current: Certificate,
    pin: string | null,
    times: string,
  ) {
    this.pin = pin;
    this.#files = files;
    this.#log = log;
    this.#current = current;
    this.#used = times;
  }

  /**
   * Reads them.
   *
   * @param files Where the certificate and its key are.
   * @param log Is told when renewed ones are in use, and once when they cannot be used.
   * @returns The files.
   * @throws {Error} When there is no certificate in them with its key.
   */
  static async open(
    files: Files,
    log: (severity: "notice" | "warning", text: string) => void,
  ): Promise<CertificateFiles> {
    const times = await timesOf(files);
    const current = await read(files);
    return new CertificateFiles(files, log, current, await selfSignedPin(current), times);
  }

  /**
   * Looks whether they were renewed, at most once in 10 s.
   *
   * @returns What they have; where they are half renewed, what they had before.
   */
  async current(): Promise<Certificate> {
    if (performance.now() >= this.#nextLook) {
      this.#nextLook = performance.now() + LOOK;
      this.#looking = this.#look();
    }
    await this.#looking;
    return this.#current;
  }

  async #look(): Promise<void> {
    const times = await timesOf(this.#files);
    if (times === this.#used) return;
    try {
      const renewed = await read(this.#files);
      if (await selfSignedPin(renewed) !== this.pin) {
        throw new Error(
          "cert= is not what the bridge line says any more: restart the bridge to publish it",
        );
      }
      this.#current = renewed;
      this.#used = times;
      this.#log("notice", "The renewed certificate of cert= is in use");
    } catch (error) {
      // One of them may be written after the other: only what stays so is worth a word.
      this.#failures = times === this.#failed ? this.#failures + 1 : 1;
      this.#failed = times;
      if (this.#failures !== 2) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#log("warning", `The old certificate stays in use: ${why}`);
    }
  }
}
