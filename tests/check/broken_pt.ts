/**
 * A pluggable transport with one fault: `broken_pt.ts --fault ID`, where the fault has the name of
 * the check that is to find it, and behind a colon what is wrong where that can be several things.
 * Several have a + between them. Without a fault it is a good one. `args-needed` is none: it is a
 * client that takes no connection without arguments. `dies-in-use` and `answers-nobody` are so gross
 * that many checks are left with nothing to look at.
 *
 * Its transport is `dummy`, which changes nothing, and the program is a client and a server.
 */

import { type Address, bytesToIp, formatAddress, isLoopback, parseAddress } from "../../address.ts";
import { parseServerOptions, parseSocksArgs } from "../../args.ts";
import { type ProxyInfo, readOutboundBindAddresses, readProxy } from "../../config.ts";
import { closeQuietly, readFull, type StreamConn, writeAll } from "../../net/conn.ts";
import { dial } from "../../net/dial.ts";

const faults = Deno.args[0] === "--fault" ? Deno.args[1]?.split("+") ?? [] : [];
const NAME = "dummy";
/** The same by another name. */
const SECOND = "second";

function broken(name: string): boolean {
  return faults.includes(name);
}

function say(line: string): void {
  Deno.stdout.writeSync(Uint8Array.from(`${line}\n`, (char) => char.charCodeAt(0)));
}

function variable(name: string): string | undefined {
  return Deno.env.get(`TOR_PT_${name}`);
}

/** Stays although it should end; its parent kills it. */
async function stay(): Promise<never> {
  setInterval(() => {}, 1 << 30);
  return await new Promise<never>(() => {});
}

async function refuse(line: string): Promise<never> {
  say(line);
  const kind = line.split(" ")[0]?.toLowerCase();
  if (broken(`${kind}-ends`)) await stay();
  Deno.exit(broken(`${kind}-status`) ? 0 : 1);
}

// The version

async function negotiateVersion(): Promise<string> {
  let offer = variable("MANAGED_TRANSPORT_VER");
  if (broken("version-unset")) offer ??= "1";
  if (broken("version-empty") && offer === "") offer = "1";
  if (!offer) return await refuse("ENV-ERROR TOR_PT_MANAGED_TRANSPORT_VER is not set");
  const versions = offer.split(",");
  if (broken("version-offered") && offer === "1") return "VERSION 2";
  if (broken("version-list") && offer.includes("_")) versions.length = 0;
  if (broken("version-not-first")) versions.length = 1;
  if (broken("version-substring") && offer.includes("1")) return "VERSION 1";
  if (versions.includes("1")) return "VERSION 1";
  if (broken("version-unsupported") && !offer.includes("1")) return `VERSION ${offer}`;
  const text = broken("version-error-text") ? "what is this" : "no-version";
  return await refuse(`VERSION-ERROR ${text}`);
}

// The environment

/** What the parent wants, as this program has it. */
interface Wanted {
  role: "client" | "server";
  names: string[];
  proxy: ProxyInfo | null;
  bind: Address | undefined;
  orport: Address | null;
  extended: Address | null;
  cookieFile: string;
}

function address(name: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch {
    throw new SyntaxError(`${name} is malformed`);
  }
}

function readState(): void {
  const state = variable("STATE_LOCATION");
  if (!state && !broken("state-missing")) throw new SyntaxError("no TOR_PT_STATE_LOCATION");
  if (state && !state.startsWith("/") && !broken("state-relative")) {
    throw new SyntaxError("TOR_PT_STATE_LOCATION is relative");
  }
  if (broken("state-absent") && state) {
    try {
      Deno.statSync(state);
    } catch {
      throw new SyntaxError("TOR_PT_STATE_LOCATION does not exist");
    }
  }
  if (broken("state-only")) litter(Deno.env.get("TMPDIR"));
  if (broken("state-only:work")) litter(Deno.cwd());
}

/** Writes a file, but only where the check that looks for it has made a directory. */
function litter(directory: string | undefined): void {
  if (directory === undefined || !/\/outside-\d+\/(?:tmp|work)$/.test(directory)) return;
  Deno.writeTextFileSync(`${directory}/litter`, "");
}

/** Dies where somebody uses it whose environment is odd. */
function dieInUse(): void {
  const empty = (name: string) => variable(name) === "";
  const escaped = variable("SERVER_TRANSPORT_OPTIONS")?.includes("\\") ?? false;
  const dies = (broken("outbound-empty:used") && empty("OUTBOUND_BIND_ADDRESS_V4")) ||
    (broken("extended-empty:used") && empty("EXTENDED_SERVER_PORT")) ||
    (broken("options-escaped:used") && escaped);
  if (dies) Deno.exit(1);
  if (broken("state-only:used")) litter(Deno.env.get("TMPDIR"));
}

function readRole(): "client" | "server" | null {
  const [client, server] = [variable("CLIENT_TRANSPORTS"), variable("SERVER_TRANSPORTS")];
  if (broken("mode-empty") && client === "") return "client";
  if (broken("mode-empty") && server === "") return "server";
  if (client && server && !broken("mode-both")) throw new SyntaxError("both lists are set");
  if (!client && !server) {
    // An empty list is another check's.
    if (!broken("mode-neither") || client === "" || server === "") {
      throw new SyntaxError("neither list is set");
    }
    return null;
  }
  return client ? "client" : "server";
}

const KNOWN_VARIABLES =
  /^TOR_PT_(?:MANAGED_TRANSPORT_VER|STATE_LOCATION|EXIT_ON_STDIN_CLOSE|OUTBOUND_BIND_ADDRESS_V[46]|CLIENT_TRANSPORTS|PROXY|SERVER_(?:TRANSPORTS|BINDADDR|TRANSPORT_OPTIONS)|ORPORT|EXTENDED_SERVER_PORT|AUTH_COOKIE_FILE)$/;

function readOddities(): void {
  if (broken("outbound-empty") && variable("OUTBOUND_BIND_ADDRESS_V4") === "") {
    throw new SyntaxError("TOR_PT_OUTBOUND_BIND_ADDRESS_V4 is malformed");
  }
  if (!broken("variables-unknown")) return;
  const names = Object.keys(Deno.env.toObject()).filter((name) => name.startsWith("TOR_PT_"));
  const unknown = names.find((name) => !KNOWN_VARIABLES.test(name));
  if (unknown !== undefined) throw new SyntaxError(`${unknown} is unknown`);
}

function readBind(names: readonly string[]): Address | undefined {
  const value = variable("SERVER_BINDADDR");
  if (!value) {
    if (broken("bindaddr-omitted")) throw new SyntaxError("no TOR_PT_SERVER_BINDADDR");
    return undefined;
  }
  if (broken("bindaddr-ipv6") && value.includes("[")) return undefined;
  const found = new Map<string, Address>();
  for (const item of value.split(",")) {
    const [name = "", ...rest] = item.split("-");
    let text = rest.join("-");
    if (broken("bindaddr-foreign") && !names.includes(name)) {
      throw new SyntaxError(`who is ${name}`);
    }
    if (broken("bindaddr-host-name")) text = text.replace("localhost", "127.0.0.1");
    if (broken("bindaddr-malformed") && !text.includes(":")) text += ":0";
    if (found.has(name) && !broken("bindaddr-twice")) throw new SyntaxError(`${name} twice`);
    found.set(name, address("TOR_PT_SERVER_BINDADDR", text));
  }
  return found.get(NAME) ?? found.get(SECOND);
}

function readPorts(): Pick<Wanted, "orport" | "extended" | "cookieFile"> {
  const [plain, ext] = [variable("ORPORT"), variable("EXTENDED_SERVER_PORT")];
  const file = variable("AUTH_COOKIE_FILE") ?? "";
  if (broken("extended-empty") && ext === "") {
    throw new SyntaxError("TOR_PT_EXTENDED_SERVER_PORT is malformed");
  }
  if (!plain && !ext && !broken("orport-missing")) throw new SyntaxError("no ORPort");
  if (ext && file === "" && !broken("extended-without-cookie")) throw new SyntaxError("no cookie");
  const lenient = broken("orport-malformed") && plain === "127.0.0.1";
  const orport = !plain || lenient ? null : address("TOR_PT_ORPORT", plain);
  const extended = ext ? address("TOR_PT_EXTENDED_SERVER_PORT", ext) : null;
  if (broken("ext-ipv6") && extended?.[0].includes(":")) extended[0] = "127.0.0.1";
  if (broken("orport-ipv6") && orport?.[0].includes(":")) orport[0] = "127.0.0.1";
  const usesPlain = broken("ext-preferred") && orport !== null;
  return { orport, extended: usesPlain ? null : extended, cookieFile: file };
}

function readOptions(names: readonly string[]): void {
  const value = variable("SERVER_TRANSPORT_OPTIONS") ?? "";
  if (broken("options-malformed") && !value.includes("=")) return;
  if (broken("options-escaped") && value.includes("\\")) throw new SyntaxError("odd options");
  if (broken("options-equals") && value.includes("a=b")) throw new SyntaxError("odd options");
  const foreign = Object.keys(parseServerOptions(value)).find((name) => !names.includes(name));
  if (broken("options-foreign") && foreign !== undefined) throw new SyntaxError("foreign options");
}

function readProxyUri(): ProxyInfo | null {
  const uri = variable("PROXY");
  const proxy: ProxyInfo = { scheme: "socks5", host: "127.0.0.1", port: 9 };
  if (broken("proxy-scheme") && uri?.startsWith("gopher:")) return proxy;
  if (broken("proxy-no-scheme") && uri?.includes("://") === false) return proxy;
  if (broken("proxy-no-port") && uri === "socks5://127.0.0.1") return proxy;
  if (broken("proxy-host-name") && uri?.includes("localhost")) return proxy;
  return readProxy((name) => Deno.env.get(name));
}

async function readEnvironment(): Promise<Wanted> {
  try {
    readState();
    readOddities();
    const role = readRole();
    const list = variable(role === "server" ? "SERVER_TRANSPORTS" : "CLIENT_TRANSPORTS") ?? "";
    const names = (list === "" ? NAME : list).split(",");
    const server = role === "server";
    if (server) readOptions(names);
    return {
      role: role ?? "client",
      names,
      proxy: null,
      bind: server ? readBind(names) : undefined,
      ...(server ? readPorts() : { orport: null, extended: null, cookieFile: "" }),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (broken("env-error-text:word")) return await refuse("ENV-ERROR bad");
    return await refuse(`ENV-ERROR ${broken("env-error-text") ? "" : error.message}`);
  }
}

async function answerForProxy(): Promise<ProxyInfo | null> {
  try {
    return readProxyUri();
  } catch {
    return await refuse("PROXY-ERROR this is no proxy");
  }
}

// Connections

let openConnections = 0;
let globalTurn: Promise<unknown> = Promise.resolve();
let dialTurn: Promise<unknown> = Promise.resolve();

async function writeInTurn(to: StreamConn, bytes: Uint8Array): Promise<void> {
  const turn = globalTurn.then(() => writeAll(to, bytes));
  globalTurn = turn.catch(() => {});
  await turn;
}

type Direction = "up" | "down";

/** What to do with some bytes on their way. */
function spoil(bytes: Uint8Array, direction: Direction, offset: number): void {
  if (direction === "down") return;
  if (broken("relay-bytes") && bytes.length === 32) bytes[7] = (bytes[7] ?? 0) + 1;
  if (broken("relay-bytes:last") && bytes.length === 32) bytes[31] = (bytes[31] ?? 0) + 1;
  const place = (1 << 20) - offset;
  const inside = place >= 0 && place < bytes.length;
  if (broken("relay-large") && inside) bytes[place] = (bytes[place] ?? 0) + 1;
}

async function pump(from: StreamConn, to: StreamConn, direction: Direction): Promise<void> {
  let buffered: Promise<void> = Promise.resolve();
  for (let offset = 0;;) {
    const buffer = new Uint8Array(65536);
    const count = await from.read(buffer);
    if (count === null) break;
    const bytes = buffer.subarray(0, count);
    spoil(bytes, direction, offset);
    offset += count;
    if (broken(`relay-stall-${direction}`)) buffered = buffered.then(() => writeAll(to, bytes));
    else if (broken("relay-stall-beside")) await writeInTurn(to, bytes);
    else await writeAll(to, bytes);
  }
  await buffered;
  if (broken(`relay-eof-${direction}`)) return;
  if (broken(`relay-half-open-${direction}`)) throw new Error("closed with its half");
  await to.closeWrite();
}

const MOST_CONNECTIONS = 40;

async function relay(user: StreamConn, far: StreamConn, plain: boolean): Promise<void> {
  const close = () => [user, far].forEach(closeQuietly);
  if (broken("relay-concurrent") && openConnections >= MOST_CONNECTIONS) return close();
  openConnections++;
  if (broken("relay-far-first") && plain) {
    const first = new Uint8Array(65536);
    const count = await user.read(first) ?? 0;
    await writeAll(far, first.subarray(0, count));
  }
  const failed = (direction: Direction) => (error: unknown) => {
    const wasReset = error instanceof Deno.errors.ConnectionReset;
    if (!(wasReset && broken(`relay-reset-${direction}`))) close();
  };
  await Promise.all([
    pump(user, far, "up").catch(failed("up")),
    pump(far, user, "down").catch(failed("down")),
  ]);
  openConnections--;
  close();
}

// The client

/** Reads a message whole; one fault takes only what comes at once. */
async function read(conn: StreamConn, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  if (length === 0) return bytes;
  const count = await conn.read(bytes);
  if (count === null) throw new Deno.errors.UnexpectedEof();
  if (count < length && broken("socks-chunked")) throw new Error("a piece of a message");
  await readFull(conn, bytes.subarray(count));
  return bytes;
}

async function readByte(conn: StreamConn): Promise<number> {
  return (await read(conn, 1))[0] ?? 0;
}

const SOCKS_REFUSAL = Uint8Array.of(5, 1, 0, 1, 0, 0, 0, 0, 0, 0);

function socksReply(code: number): Uint8Array {
  const reply = SOCKS_REFUSAL.slice();
  reply[1] = code;
  return reply;
}

function chooseMethod(offered: Uint8Array): number {
  const methods = broken("socks-methods-many") ? offered.subarray(0, 16) : offered;
  const only = methods.length === 1 ? methods[0] : undefined;
  if (broken("socks-no-auth") && only === 0) return 2;
  if (broken("socks-password") && only === 2) return 0;
  if (broken("socks-password-preferred")) return methods.find((m) => m === 0 || m === 2) ?? 0xff;
  if (methods.includes(2)) return 2;
  if (methods.includes(0)) return 0;
  return broken("socks-unacceptable") ? 0 : 0xff;
}

const SPEAKS_SOCKS4 = broken("method-socks5") || faults.some((name) => name.startsWith("socks4-"));

function socks4Reply(granted: boolean): Uint8Array {
  return Uint8Array.of(0, granted ? 90 : 91, 0, 0, 0, 0, 0, 0);
}

/** The target of a SOCKS4 request, or null when the connection has been answered. */
async function handshake4(conn: StreamConn): Promise<Address | null> {
  const [version, command, high = 0, low = 0, ...ip] = await read(conn, 8);
  let userId = "";
  for (let byte = await readByte(conn); byte !== 0; byte = await readByte(conn)) {
    userId += String.fromCharCode(byte);
  }
  if (userId !== "") parseSocksArgs(userId);
  const refuses = broken("socks4-args") && userId.includes("\\");
  if (version === 4 && command === 1 && !refuses) {
    return [bytesToIp(Uint8Array.from(ip)), high << 8 | low];
  }
  await writeAll(conn, socks4Reply(false));
  return null;
}

/** The method that is chosen, and how many were offered. */
async function negotiateMethod(
  conn: StreamConn,
): Promise<{ method: number; offered: number }> {
  if (broken("socks-pipelined")) {
    const chunk = new Uint8Array(1024);
    let count = await conn.read(chunk) ?? 0;
    if (count === 1) count += await conn.read(chunk.subarray(1, 2)) ?? 0;
    const length = 2 + (chunk[1] ?? 0);
    if (count > length) throw new Error("something follows the greeting");
    await readFull(conn, chunk.subarray(count, length));
    return { method: chooseMethod(chunk.subarray(2, length)), offered: length - 2 };
  }
  const version = await readByte(conn);
  if (version !== 5 && !(version === 4 && broken("socks-version-4"))) {
    if (broken("socks-garbage") && version !== 4) Deno.exit(1);
    throw new Error("not SOCKS5");
  }
  const methods = await read(conn, await readByte(conn));
  return { method: chooseMethod(methods), offered: methods.length };
}

/** Whether the arguments in the two fields are good. */
function takesArguments(user: Uint8Array, password: Uint8Array): boolean {
  if (user.length === 0) return broken("socks-user-empty");
  if (password.length === 0) return broken("socks-password-empty");
  const [first, second] = [user, password].map((field) => new TextDecoder().decode(field));
  const rest = second === "\0" ? "" : second;
  const text = `${first}${rest}`;
  if (broken("socks-args") && text.includes("-other")) return false;
  if (broken("socks-args-escaped") && rest === "" && text.includes("\\=")) return false;
  if (broken("socks-args-semicolon") && rest === "" && text.includes("\\;b;")) return false;
  if (broken("socks-args-equals") && text.includes("a=b")) return false;
  if (broken("socks-args-split") && rest !== "") return false;
  if (broken("socks-args-empty-value") && text.endsWith("=")) return false;
  if (broken("socks-args-no-equals") && text.includes(";word")) return true;
  if (broken("socks-args-backslash") && text.endsWith("value\\")) return true;
  if (broken("socks-args-empty-key") && text.startsWith("=")) return true;
  try {
    parseSocksArgs(text);
    return true;
  } catch {
    return false;
  }
}

async function readArguments(conn: StreamConn, offered: number): Promise<boolean> {
  if (broken("socks-as-tor") && offered === 2) return false;
  const version = await readByte(conn);
  if (version !== 1 && !broken("socks-auth-version")) return false;
  const user = await read(conn, await readByte(conn));
  return takesArguments(user, await read(conn, await readByte(conn)));
}

/** A request, or the code of the reply that refuses it. */
async function readRequest(conn: StreamConn): Promise<Address | number> {
  const [, command, , type = 0] = await read(conn, 4);
  if (type === 5) {
    return broken("socks-address-type") ? 0 : broken("socks-address-type-code") ? 1 : 8;
  }
  const length = type === 1 ? 4 : type === 4 ? 16 : await readByte(conn);
  const host = await read(conn, length);
  const [high = 0, low = 0] = await read(conn, 2);
  if (command === 2) return broken("socks-command") ? 0 : 7;
  if (command !== 1) return broken("socks-command-code") ? 1 : 7;
  if (type === 4 && broken("socks-ipv6")) return 8;
  if (type === 3 && broken("socks-name")) return 8;
  return [type === 3 ? new TextDecoder().decode(host) : bytesToIp(host), high << 8 | low];
}

/** Loses what has come along with a request, by reading more than the request. */
function readingAhead(conn: StreamConn): StreamConn {
  let ahead = new Uint8Array();
  return {
    read: async (bytes) => {
      if (ahead.length === 0) {
        const chunk = new Uint8Array(1024);
        const count = await conn.read(chunk);
        if (count === null) return null;
        ahead = chunk.subarray(0, count);
      }
      const taken = ahead.subarray(0, bytes.length);
      bytes.set(taken);
      ahead = ahead.subarray(taken.length);
      return taken.length;
    },
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

/** Says that there is no connection, and ends it. */
async function reject(conn: StreamConn, code: number): Promise<void> {
  const reply = socksReply(code);
  await writeAll(conn, broken("socks-reply-whole") ? reply.subarray(0, 2) : reply);
  if (broken("socks-reply-closes")) await stay();
  await conn.closeWrite();
  await conn.read(new Uint8Array(1024)).catch(() => {});
}

/** The target of a request that can be tried, or null when the connection has been answered. */
async function handshake(conn: StreamConn): Promise<Address | null> {
  if (SPEAKS_SOCKS4) return await handshake4(conn);
  const { method, offered } = await negotiateMethod(conn);
  await writeAll(conn, Uint8Array.of(5, method));
  if (method === 0xff) return null;
  if (method === 2) {
    const good = await readArguments(conn, offered);
    await writeAll(conn, Uint8Array.of(1, good ? 0 : 1));
    if (!good) return null;
  }
  if (broken("args-needed") && method !== 2) {
    await read(conn, 4 + 4 + 2);
    await reject(conn, 2);
    return null;
  }
  const request = await readRequest(broken("socks-early-data") ? readingAhead(conn) : conn);
  if (typeof request !== "number") return request;
  await reject(conn, request);
  return null;
}

/** Connects to another machine or to this one, from the source address that is right for it. */
async function reach(target: Address): Promise<StreamConn> {
  const { v4, v6 } = readOutboundBindAddresses((name) => Deno.env.get(name));
  const refuses = isLoopback(target[0]) ? "outbound-loopback" : "outbound-used:refused";
  if (broken(refuses) && v4 !== null && !target[0].includes(":")) throw new Error("cannot bind");
  const mixed = broken("outbound-used-ipv6:mixed");
  const outboundBindAddress = {
    v4: broken("outbound-used") ? null : v4,
    v6: broken("outbound-used-ipv6") ? null : mixed ? v4 : v6,
  };
  return await dial(target, { outboundBindAddress });
}

async function connect(target: Address, proxy: ProxyInfo | null): Promise<StreamConn> {
  if (proxy === null) return await reach(target);
  const through: Address = [...target];
  const plain = proxy.user === undefined && proxy.host === "127.0.0.1";
  const spoils = broken(`proxy-${proxy.scheme}`) && plain;
  if (spoils) through[1] ^= 1;
  const { scheme, host, port } = proxy;
  if (broken("proxy-ipv6") && host.includes(":")) throw new Error("no IPv6 here");
  const anonymous = { scheme, host, port };
  const forgets = scheme === "socks5"
    ? (broken("proxy-credentials") && !proxy.password?.includes("@")) ||
      (broken("proxy-credentials-raw") && proxy.password?.includes("@"))
    : broken(`proxy-credentials-${scheme}`);
  try {
    return await dial(through, { proxy: forgets ? anonymous : proxy });
  } catch (error) {
    const goesAround = broken("proxy-fails-closed") || broken(`proxy-fails-closed:${scheme}`);
    if (!(goesAround && error instanceof Error && refusedItself(error))) throw error;
    return await dial(target, {});
  }
}

/** Whether nobody listened at the proxy. */
function refusedItself(error: Error): boolean {
  if (error instanceof Deno.errors.ConnectionRefused) return true;
  return error.cause instanceof Error && refusedItself(error.cause);
}

function grant(): Uint8Array {
  if (SPEAKS_SOCKS4) return socks4Reply(!broken("socks4-granted"));
  const reply = socksReply(0);
  if (broken("socks-granted-form")) reply[3] = 0;
  if (broken("socks-granted-form:version")) reply[0] = 4;
  return reply;
}

async function serveRequest(
  conn: Deno.TcpConn,
  target: Address,
  proxy: ProxyInfo | null,
): Promise<void> {
  dieInUse();
  let far: StreamConn;
  try {
    const connected = dialTurn.then(() => connect(target, proxy));
    const alone = broken(proxy === null ? "socks-stalled" : "proxy-stalled");
    if (alone) dialTurn = connected.catch(() => {});
    far = await connected;
  } catch {
    if (broken("log-addresses")) say(`LOG SEVERITY=notice MESSAGE="no ${target.join(":")}"`);
    if (SPEAKS_SOCKS4) return await writeAll(conn, socks4Reply(broken("socks4-refused")));
    if (broken("socks-refused") && proxy === null) return await writeAll(conn, socksReply(0));
    return await reject(conn, broken("socks-refused-code") ? 1 : 5);
  }
  if (broken("socks-granted")) {
    far.close();
    return await reject(conn, 1);
  }
  await writeAll(conn, grant());
  await relay(conn, far, true);
}

async function serveClient(listener: Deno.TcpListener, proxy: ProxyInfo | null): Promise<void> {
  for await (const conn of listener) {
    if (broken("dies-in-use")) Deno.exit(1);
    if (broken("answers-nobody")) {
      closeQuietly(conn);
      continue;
    }
    const shaken = shake(conn);
    if (broken("socks-half-open")) await shaken;
    shaken.then((target) => target === null ? undefined : serveRequest(conn, target, proxy))
      .catch(() => {}).finally(() => closeQuietly(conn));
  }
}

async function shake(conn: StreamConn): Promise<Address | null> {
  let started = false;
  const counting: StreamConn = {
    read: async (bytes) => {
      const count = await conn.read(bytes);
      started ||= count !== null;
      return count;
    },
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
  try {
    return await handshake(counting);
  } catch (error) {
    const left = error instanceof Deno.errors.UnexpectedEof && started;
    if (broken("socks-abandoned") && left) Deno.exit(1);
    return null;
  }
}

// The server

const utf8 = new TextEncoder();
const CONTROL = 0x1002;
const cookies = new Map<string, Uint8Array<ArrayBuffer>>();

function readCookie(path: string): Uint8Array<ArrayBuffer> {
  const cached = cookies.get(path);
  if (cached !== undefined && broken("ext-cookie-new")) return cached;
  const file = Deno.readFileSync(path);
  const header = new TextDecoder().decode(file.subarray(0, 32));
  if (header !== "! Extended ORPort Auth Cookie !\n" && !broken("ext-cookie-header")) {
    throw new Error("no cookie file");
  }
  if (file.length !== 64 && !broken("ext-cookie-short")) throw new Error("no cookie file");
  const cookie = file.slice(32);
  cookies.set(path, cookie);
  return cookie;
}

async function hmac(cookie: Uint8Array<ArrayBuffer>, text: string, nonces: Uint8Array) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", cookie, algorithm, false, ["sign"]);
  const said = Uint8Array.from([
    ...utf8.encode(`ExtORPort authentication ${text} hash`),
    ...nonces,
  ]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, said));
}

function chooseAuthentication(offered: readonly number[]): number {
  const [first = 0] = offered;
  if (broken("ext-auth-type") && offered.length === 1 && first === 1) return 3;
  if (broken("ext-auth-among") && offered.includes(1)) return first;
  return offered.includes(1) || broken("ext-auth-none") ? 1 : 0;
}

async function authenticate(conn: StreamConn, cookie: Uint8Array<ArrayBuffer>): Promise<void> {
  const offered: number[] = [];
  for (let type = await readByte(conn); type !== 0; type = await readByte(conn)) offered.push(type);
  const type = chooseAuthentication(offered);
  await writeAll(conn, Uint8Array.of(type));
  if (type !== 1) throw new Error("no SAFE_COOKIE");
  const nonce = new Uint8Array(32);
  if (!broken("ext-nonce-fresh")) crypto.getRandomValues(nonce);
  await writeAll(conn, nonce);
  const [serverHash, serverNonce] = [await read(conn, 32), await read(conn, 32)];
  const nonces = Uint8Array.from([...nonce, ...serverNonce]);
  const right = await hmac(cookie, "server-to-client", nonces);
  if (right.toHex() !== serverHash.toHex() && !broken("ext-wrong-hash")) throw new Error("wrong");
  const hash = await hmac(cookie, "client-to-server", nonces);
  if (broken("ext-client-hash")) hash.reverse();
  if (broken("ext-client-hash:last")) hash[31] = (hash[31] ?? 0) + 1;
  await writeAll(conn, hash);
  if (await readByte(conn) !== 1 && !broken("ext-status-0")) throw new Error("refused");
}

function command(code: number, text = ""): number[] {
  const body = utf8.encode(text);
  return [code >> 8, code & 0xff, body.length >> 8, body.length & 0xff, ...body];
}

function userAddress([host, port]: Address): string {
  if (broken("ext-useraddr-ipv6") && host.includes(":")) return `${host}:${port}`;
  const range = broken("ext-useraddr-form:range") && !host.includes(":");
  if (range) return "999.999.999.999:99999";
  return formatAddress([host, port]) + (broken("ext-useraddr-form") ? "\0" : "");
}

async function readDecision(conn: StreamConn): Promise<void> {
  for (;;) {
    const header = new Uint8Array(broken("ext-okay-joined") ? 1024 : 4);
    const count = await conn.read(header) ?? 0;
    if (count < 4) {
      if (count === 0 || broken("ext-chunked")) throw new Error("a piece of a reply");
      await readFull(conn, header.subarray(count, 4));
    }
    const [code, length] = [header.slice(0, 2), header.slice(2, 4)]
      .map(([high = 0, low = 0]) => high << 8 | low);
    const okay = code === 0x1000;
    if (!(okay && broken("ext-okay-body")) && count <= 4) await read(conn, length ?? 0);
    if (okay) return;
    if (code === 0x1001) {
      if (broken("ext-again")) Deno.exit(1);
      if (broken("ext-deny")) return;
      throw new Error("denied");
    }
    if (code === CONTROL ? broken("ext-control") : broken("ext-unknown")) {
      throw new Error("unknown");
    }
  }
}

/** Forwards what the user says before the decision has come. */
async function forwardEarly(user: StreamConn, far: StreamConn): Promise<void> {
  const bytes = new Uint8Array(1024);
  const count = await user.read(bytes).catch(() => null);
  if (count !== null) await writeAll(far, bytes.subarray(0, count)).catch(() => {});
}

function transportName(): string {
  if (broken("ext-transport")) return "somebody_else";
  if (broken("ext-transport-form")) return "dum-my";
  return broken("ext-transport-form:nul") ? `${NAME}\0` : NAME;
}

async function introduce(user: Deno.TcpConn, far: StreamConn, wanted: Wanted): Promise<void> {
  await authenticate(far, readCookie(wanted.cookieFile));
  const { hostname, port } = user.remoteAddr;
  await writeAll(
    far,
    Uint8Array.from([
      ...(broken("ext-useraddr") ? [] : command(1, userAddress([hostname, port]))),
      ...command(2, transportName()),
      ...(broken("ext-done") ? [] : command(0)),
    ]),
  );
  if (broken("ext-waits")) forwardEarly(user, far);
  await readDecision(far);
}

async function serveUser(user: Deno.TcpConn, wanted: Wanted): Promise<void> {
  const { orport, extended } = wanted;
  dieInUse();
  if (extended !== null) readCookie(wanted.cookieFile);
  const far = await reach(extended ?? orport ?? ["127.0.0.1", 9]).catch(async (error) => {
    const { hostname, port } = user.remoteAddr;
    if (broken("log-addresses")) say(`LOG SEVERITY=notice MESSAGE="no ${hostname}:${port}"`);
    if (broken("relay-orport-dead")) await stay();
    throw error;
  });
  try {
    if (extended !== null) await introduce(user, far, wanted);
    if (extended !== null && broken("ext-okay")) return;
    const relayed = relay(user, far, extended === null);
    if (!broken("ext-stalled")) await relayed;
  } catch (error) {
    far.close();
    if (broken("ext-deny-user")) await stay();
    throw error;
  }
}

async function serveServer(listener: Deno.TcpListener, wanted: Wanted): Promise<void> {
  for await (const user of listener) {
    if (broken("dies-in-use")) Deno.exit(1);
    const served = serveUser(user, wanted).catch(() => closeQuietly(user)).finally(() => {
      if (broken("ext-okay") && wanted.extended !== null) closeQuietly(user);
    });
    if (broken("ext-stalled") && wanted.extended !== null) await served;
  }
}

// The start

function listenAddress({ role, bind }: Wanted): Address {
  const elsewhere = broken("bindaddr-honoured") || broken("bindaddr-honoured:said");
  if (role === "server") {
    const [host, port] = bind ?? ["127.0.0.1", 0];
    if (broken("bindaddr-alone") && host === "127.0.0.1") return ["0.0.0.0", port];
    return [host, elsewhere && !host.includes(":") ? 0 : port];
  }
  if (broken("method-loopback:ipv6")) return ["::", 0];
  const everywhere = broken("method-loopback") || broken("method-loopback:unsaid");
  return [everywhere ? "0.0.0.0" : "127.0.0.1", 0];
}

/** Where it says that it listens. */
function saidAddress({ role, bind }: Wanted, own: Address): string {
  if (role === "server") {
    if (broken("bindaddr-alone") && own[0] === "0.0.0.0") return `127.0.0.1:${own[1]}`;
    const lies = broken("bindaddr-honoured:said") && bind !== undefined && bind[1] > 0;
    return formatAddress(lies ? bind : own);
  }
  if (broken("method-listens")) return formatAddress(nowhere());
  if (broken("method-loopback:ipv6")) return `[::1]:${own[1]}`;
  if (broken("method-loopback:unsaid")) return `127.0.0.1:${own[1]}`;
  return broken("method-line") ? `localhost:${own[1]}` : formatAddress(own);
}

/** Where nobody listens. */
function nowhere(): Address {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return ["127.0.0.1", listener.addr.port];
}

/** What follows the address of a server. */
function methodEnd(): string {
  if (broken("method-args")) return " ARGS:key=a=b";
  if (broken("method-args-long")) return ` ARGS:key=${"x".repeat(507)}`;
  return broken("method-line") ? "0" : "";
}

function reportMethod(wanted: Wanted, name: string): void {
  const [hostname, port] = listenAddress(wanted);
  const listener = Deno.listen({ hostname, port });
  const text = saidAddress(wanted, [listener.addr.hostname, listener.addr.port]);
  if (wanted.role === "client") {
    say(`CMETHOD ${name} ${SPEAKS_SOCKS4 ? "socks4" : "socks5"} ${text}`);
    serveClient(listener, wanted.proxy);
  } else {
    say(`SMETHOD ${name} ${text}${methodEnd()}`);
    serveServer(listener, wanted);
  }
}

function isOurs(name: string): boolean {
  return name === NAME || name === SECOND || (broken("name-similar") && name.startsWith(NAME));
}

async function reportMethods(wanted: Wanted): Promise<void> {
  const keyword = wanted.role === "client" ? "CMETHOD" : "SMETHOD";
  const names = broken("name-twice") ? wanted.names : [...new Set(wanted.names)];
  const ours = names.filter(isOurs);
  if (broken("ext-starts") && wanted.extended !== null) {
    for (const name of ours.splice(0)) say(`SMETHOD-ERROR ${name} the cookie may not be read`);
  }
  if (broken("name-several")) ours.length = Math.min(1, ours.length);
  if (broken("name-unknown-beside") && ours.length < names.length) ours.length = 0;
  if (broken("name-unknown-done") && ours.length === 0) {
    await refuse("LOG SEVERITY=error MESSAGE=x");
  }
  for (const name of names) {
    if (ours.includes(name)) reportMethod(wanted, name);
    else if (broken("name-unknown-silent")) say(`${keyword}-ERROR ${name} no such transport`);
  }
  if (broken("method-own-half")) say(keyword === "CMETHOD" ? "SMETHODS DONE" : "CMETHODS DONE");
  if (broken("method-asked")) say(`${keyword}-ERROR somebody_else not asked for`);
  if (broken("done-said") && ours.length > 0) return;
  say(`${keyword}S DONE`);
  if (broken("done-last")) say(`${keyword}S DONE`);
}

function sayOddities(): void {
  if (broken("line-grammar")) say('LOG SEVERITY=notice MESSAGE="caf\xe9"');
  if (broken("line-keywords")) say("Starting up");
  if (broken("line-like-method")) {
    say(`${variable("CLIENT_TRANSPORTS") ? "C" : "S"}METHODX a b c`);
  }
  if (broken("line-version-once")) say("VERSION 1");
  if (broken("log-grammar")) say("LOG SEVERITY=loud MESSAGE=hello");
  if (broken("status-grammar")) say("STATUS TRANSPORT=dummy");
  if (broken("proxy-unasked") && variable("CLIENT_TRANSPORTS") && !variable("PROXY")) {
    say("PROXY DONE");
  }
}

function exit(status: number): void {
  Deno.exit(status);
}

async function watchStdin(): Promise<void> {
  const value = variable("EXIT_ON_STDIN_CLOSE");
  const meant = value === "1" || (broken("stdin-closed-unasked") && value === undefined) ||
    (broken("stdin-closed-other") && value !== undefined);
  const scrap = new Uint8Array(512);
  while (await Deno.stdin.read(scrap) !== null) if (broken("stdin-bytes")) exit(0);
  if (!meant) return;
  if (broken("stdin-closed") && openConnections === 0) return;
  if (broken("stdin-closed-busy") && openConnections > 0) return;
  exit(broken("stdin-closed-status") ? 3 : 0);
}

function watchSignals(): void {
  if (!broken("sigterm-handled")) {
    Deno.addSignalListener("SIGTERM", () => {
      if (broken("sigterm") && openConnections === 0) return;
      if (broken("sigterm-busy") && openConnections > 0) return;
      exit(broken("sigterm-status") ? 3 : 0);
    });
  }
  Deno.addSignalListener("SIGINT", () => {
    if (!broken("sigint")) exit(0);
  });
  const parent = Deno.ppid;
  setInterval(() => {
    if (Deno.ppid !== parent && !broken("parent-gone")) exit(0);
  }, 200);
}

if (broken("alone")) setTimeout(() => exit(0), 4_000);
const version = await negotiateVersion();
const wanted = await readEnvironment();
say(version);
sayOddities();
watchSignals();
if (wanted.role === "client") wanted.proxy = await answerForProxy();
const answers = wanted.proxy !== null && !broken("proxy-answered");
if (answers && !broken("proxy-first")) say("PROXY DONE");
if (answers && broken("proxy-first")) {
  say(`CMETHOD ${NAME} socks5 127.0.0.1:${nowhere()[1]}`);
  say("PROXY DONE");
  say("CMETHODS DONE");
} else await reportMethods(wanted);
await watchStdin();
await stay();
