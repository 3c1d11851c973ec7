/**
 * The server half: from a request to a tunnel, and from any other to the web site. Clients do not load
 * it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { isShortage } from "../net/accept.ts";
import { closeInPeace, type StreamConn, writeAll } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import { relay } from "../net/relay.ts";
import { Outage } from "../run/program.ts";
import type {
  Accepted,
  PublishContext,
  Published,
  ServerContext,
  ServerResult,
} from "../run/transport.ts";
import { scrubAddresses } from "../scrub.ts";
import { bridgeLine, placeholder, writeBridgeLine } from "./published_line.ts";
import type { CertificateFiles } from "./certificate_files.ts";
import { forwardedFor } from "./forwarded_for.ts";
import { grant } from "./grant.ts";
import { type HttpHead, isUpgrade, parseHead } from "./http_head.ts";
import { type NoRequest, RequestReader } from "./request_reader.ts";
import { readServerOptions, type ServerOptions } from "./server_options.ts";
import { connectSite, type Visitor, Visitors } from "./visitors.ts";
import type { WebTunnelOptions } from "./webtunnel_options.ts";

/** How long TLS, and then a request, may take to come, in milliseconds. */
const TLS_TIMEOUT = 20_000;
const REQUEST_TIMEOUT = 3_000;

/** The protocols that web servers without HTTP/2 take. */
const PROTOCOLS = ["http/1.1", "http/1.0", "http/0.9"];

/**
 * What is answered where no web site is behind this: a reverse proxy that has passed on something
 * else, and whoever comes without one. Who has ended gets nothing.
 */
const ANSWERS = {
  other: "404 Not Found",
  late: "408 Request Timeout",
  ended: null,
} as const satisfies Record<NoRequest, string | null>;

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

/** Answers as a web server does that has nothing. */
async function refuse(conn: StreamConn, status: string): Promise<void> {
  const answer = `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  await writeAll(conn, new TextEncoder().encode(answer));
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

/** Checks that Deno lets us connect to the web site: its visitors would only see that nothing is there. */
async function checkGranted([host, port]: Readonly<Address>): Promise<void> {
  const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const { state } = await Deno.permissions.query({ name: "net", host: place });
  if (state !== "granted") throw new Error(`fallback= needs --allow-net=${place} of Deno`);
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
    files = await CertificateFiles.open(certificate, (severity, text) => {
      log(severity, `webtunnel: ${text}`);
    });
    if (files.pin !== null) published.set("cert", files.pin);
  }
  published.sort();
  const site = fallback ?? (ownSite ? serveSite(ownSite, signal, log) : null);
  if (site !== null && read.path === "/") {
    throw new Error("url= needs a path that nobody guesses: with / everybody would get the tunnel");
  }
  if (fallback !== null) await checkGranted(fallback);
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
  readonly #visitors = new Visitors();
  readonly #outage: Outage;

  private constructor(published: Published, started: Started, log: Log) {
    this.published = published;
    this.#started = started;
    this.#outage = new Outage("webtunnel: the web site of fallback= answers again", log);
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
    const visitor = this.#visitors.admit(conn);
    try {
      const tunnel = await this.#meet(conn, visitor, context);
      if (tunnel !== null) visitor.leave();
      return tunnel;
    } catch (error) {
      visitor.leave();
      throw error;
    }
  }

  /** Finds out whether a visitor asks for the tunnel. Others stay visitors until they go. */
  async #meet(
    conn: StreamConn,
    visitor: Visitor,
    context: ServerContext,
  ): Promise<Accepted | null> {
    const { files, site } = this.#started;
    const carrier = files === null ? conn : await startTls(conn, files);
    const reader = new RequestReader(carrier);
    const what = "A request";
    const read = (signal: AbortSignal) => reader.read(signal);
    const request = await withDeadline(REQUEST_TIMEOUT, what, undefined, read);
    if (typeof request !== "string") {
      const head = parseHead(request.head);
      if (isTunnel(head, this.#started)) {
        const clientAddress = clientOf(head, this.#started, context);
        return { conn: await grant(request.behind), clientAddress };
      }
    }
    const answer = ANSWERS[typeof request === "string" ? request : "other"];
    const visiting = site !== null
      ? this.#visit(reader.whole, site, visitor, context)
      : answer !== null
      ? refuse(carrier, answer)
      : Promise.resolve();
    context.waitUntil(visiting.finally(visitor.leave));
    return null;
  }

  /** Hands a visitor to the web site. */
  async #visit(
    conn: StreamConn,
    site: Address,
    visitor: Visitor,
    { signal: end }: ServerContext,
  ): Promise<void> {
    const signal = AbortSignal.any([end, visitor.sentAway]);
    try {
      const toSite = await connectSite(site, signal);
      this.#outage.works();
      await relay(conn, toSite, { signal });
    } catch (error) {
      // A lack of descriptors here says nothing of the web site.
      if (signal.aborted || isShortage(error)) return;
      this.#outage.failed("webtunnel: nobody answers at fallback=, the web site");
    }
  }
}
