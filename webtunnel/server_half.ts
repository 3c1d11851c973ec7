/**
 * The server half: from a request to a tunnel, and from any other to the web site. Clients do not load
 * it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeInPeace, type StreamConn, writeAll } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import type { PublishContext, Published, ServerContext, ServerResult } from "../run/transport.ts";
import { scrubAddresses } from "../scrub.ts";
import { bridgeLine, placeholder, writeBridgeLine } from "./published_line.ts";
import type { CertificateFiles } from "./certificate_files.ts";
import { forwardedFor } from "./forwarded_for.ts";
import { grant } from "./grant.ts";
import { type HttpHead, isUpgrade, parseHead } from "./http_head.ts";
import { RequestReader } from "./request_reader.ts";
import { readServerOptions, type ServerOptions } from "./server_options.ts";
import { Visitors } from "./visitors.ts";
import type { WebTunnelOptions } from "./webtunnel_options.ts";

/** How long TLS, and then a request, may take to come, in milliseconds. */
const TLS_TIMEOUT = 20_000;
const REQUEST_TIMEOUT = 10_000;

/** The protocols that web servers without HTTP/2 take. */
const PROTOCOLS = ["http/1.1", "http/1.0", "http/0.9"];

/** What a reverse proxy is answered that asks for something else. */
const NOT_FOUND = new TextEncoder().encode(
  "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
);

/** A web site in the same program. */
type Site = NonNullable<WebTunnelOptions["site"]>;

/** Tells the operator something. */
type Log = NonNullable<WebTunnelOptions["log"]>;

/** A server that has been started. */
interface Started extends ServerOptions {
  files: CertificateFiles | null;
  /** Where everybody is sent who does not ask for the tunnel; `null` behind a reverse proxy. */
  site: Address | null;
}

/** Compares two texts in a time in which nobody reads how much of them is the same. */
function isSame(text: string, secret: string): boolean {
  let differences = text.length ^ secret.length;
  for (let index = 0; index < text.length; index++) {
    differences |= text.charCodeAt(index) ^ secret.charCodeAt(index % secret.length);
  }
  return differences === 0;
}

/** Whether a request is the one for the tunnel. A reverse proxy has looked at the path already. */
function isTunnel(head: HttpHead, { site, path }: Started): boolean {
  const isAsked = isSame(head.line, `GET ${path} HTTP/1.1`);
  return isUpgrade(head) && (isAsked || site === null);
}

/** Who the client is that has sent a request. */
function clientOf(
  head: HttpHead,
  { hops }: Started,
  { clientAddress }: ServerContext,
): Address | null {
  return hops === 0 ? clientAddress : forwardedFor(head, hops);
}

async function startTls(conn: StreamConn, files: CertificateFiles): Promise<StreamConn> {
  const { acceptTls } = await import("../net/tls.ts"); // Loaded by those who need it.
  const { cert, key } = await files.current();
  return await acceptTls(conn, { cert, key, alpnProtocols: PROTOCOLS, timeout: TLS_TIMEOUT });
}

/** Answers a reverse proxy that has passed on something else. */
async function notFound(conn: StreamConn): Promise<void> {
  await writeAll(conn, NOT_FOUND);
  await conn.closeWrite();
  await closeInPeace(conn);
}

/** Starts the web site of this program. */
function serveSite(site: Site, signal: AbortSignal, log: Log): Address {
  const { addr } = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    signal,
    onListen() {}, // Deno would say on stdout where it listens.
    onError(error) {
      // A visitor who goes in the middle of a request makes one.
      log("info", `webtunnel: the web site failed: ${scrubAddresses(String(error))}`);
      return new Response("Internal Server Error", { status: 500 });
    },
  }, site);
  return [addr.hostname, addr.port];
}

/** Starts what the operator has set. */
async function start(
  { options, signal }: PublishContext,
  ownSite: Site | undefined,
  log: Log,
): Promise<Started> {
  const read = readServerOptions(options);
  const { certificate, fallback, published } = read;
  if (certificate !== null && fallback === null && ownSite === undefined) {
    throw new Error(
      "cert= and key= need fallback=HOST:PORT, a web site for everybody who does not know the path",
    );
  }
  let files: CertificateFiles | null = null;
  if (certificate !== null) {
    const { CertificateFiles } = await import("./certificate_files.ts");
    files = await CertificateFiles.open(certificate, (text) => log("warning", text));
    if (files.pin !== null) published.set("cert", files.pin);
    published.sort();
  }
  const site = fallback ?? (ownSite ? serveSite(ownSite, signal, log) : null);
  return { ...read, files, site };
}

/** Hands out the bridge line: to the log, and to a file. */
async function handOut(
  address: Readonly<Address>,
  published: URLSearchParams,
  context: PublishContext,
  log: Log,
): Promise<void> {
  const line = await bridgeLine(address, published, context.state_loc);
  log("notice", `webtunnel: the bridge line is: ${line}`);
  try {
    await writeBridgeLine(line, await context.stateDirectory());
  } catch (error) {
    log("warning", `webtunnel: the bridge line cannot be kept in a file: ${error}`);
  }
}

/** The server half of the transport. */
export class ServerHalf {
  /** What is published. */
  readonly published: Published;
  readonly #started: Started;
  readonly #log: Log;
  readonly #visitors = new Visitors();
  #siteAnswers = true;

  private constructor(published: Published, started: Started, log: Log) {
    this.published = published;
    this.#started = started;
    this.#log = log;
  }

  /**
   * Starts it.
   *
   * @param context What the operator has set.
   * @param site The web site where that names no other.
   * @param log Is told what the operator should know.
   * @returns The server half.
   * @throws {Error} When an option is missing or wrong.
   */
  static async start(
    context: PublishContext,
    site: Site | undefined,
    log: Log,
  ): Promise<ServerHalf> {
    const started = await start(context, site, log);
    const address = await placeholder(started.url);
    await handOut(address, started.published, context, log);
    return new ServerHalf({ args: started.published, address }, started, log);
  }

  /** Takes a connection: into the tunnel, or to the web site. */
  async serve(conn: StreamConn, context: ServerContext): Promise<ServerResult> {
    const { files, site } = this.#started;
    const leave = this.#visitors.admit(conn);
    try {
      const carrier = files === null ? conn : await startTls(conn, files);
      const reader = new RequestReader(carrier);
      const what = "A request";
      const read = (signal: AbortSignal) => reader.read(signal);
      const request = await withDeadline(REQUEST_TIMEOUT, what, undefined, read);
      if (request !== null) {
        const head = parseHead(request.head);
        if (isTunnel(head, this.#started)) {
          const clientAddress = clientOf(head, this.#started, context);
          return { conn: await grant(request.behind), clientAddress };
        }
      }
      if (site !== null) context.waitUntil(this.#visit(reader.whole, site, context));
      else if (request !== null) context.waitUntil(notFound(carrier));
      return null;
    } finally {
      leave();
    }
  }

  /** Hands a visitor to the web site, and says once when that is not there, and once when it is. */
  async #visit(conn: StreamConn, site: Address, { signal }: ServerContext): Promise<void> {
    await this.#visitors.visit(conn, site, signal, (answers) => {
      if (answers === this.#siteAnswers) return;
      this.#siteAnswers = answers;
      if (answers) this.#log("notice", "webtunnel: the web site of fallback= answers again");
      else this.#log("warning", "webtunnel: nobody answers at fallback=, the web site");
    });
  }
}
