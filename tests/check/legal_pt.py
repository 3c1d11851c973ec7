#!/usr/bin/env python3
"""A correct pluggable transport, written from the specifications alone.

    legal_pt.py [VARIANT]...
    legal_pt.py --variants

A variant does one thing in another way that is legal too, so that no check may accuse it. The
transport is `dummy`, which changes nothing, `second` is the same by another name, and the program
is a client and a server. It needs nothing but Python's standard library.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from base64 import b64encode
from urllib.parse import unquote

NAME = "dummy"

# Each with what allows it.
VARIANTS = {
    "reply-ipv6": "a grant may have an address of any type (RFC 1928 6)",
    "reply-name": "a grant may have an address of any type (RFC 1928 6)",
    "grants-first": "it may grant a request before it has dialled",
    "grants-lazily": "it may dial with the first byte of its user",
    "bind-silent": "it may end a connection that asks for BIND without a reply",
    "closes-late": "it has 10 s to end a connection after a rejection (RFC 1928 6)",
    "gssapi": "it may take GSSAPI, too (RFC 1928 3)",
    "args-known": "it may refuse arguments that it does not know",
    "args-letters": "it may refuse values of its own arguments, key and other, that are no letters",
    "args-none": "it may take no arguments, and then needs no authentication but none",
    "password-only": "it may demand arguments, so that no authentication will not do",
    "listens-ipv6": "it may listen for its user at ::1",
    "socks4": "its listener may speak SOCKS4, in which the arguments are the user id (pt-spec 3.5)",
    "methods-reversed": "it may report its transports in any order",
    "names-similar": "it may have transports with similar names",
    "list-empty": "it may take an empty list for one without names, and start nothing",
    "slow": "it may carry no more than 50 KiB a second",
    "status-string": "STATUS TRANSPORT= may be a CString (pt-spec 3.3.5)",
    "status-name": "STATUS TRANSPORT= may be a string (pt-spec 3.3.5)",
    "logs": "it may LOG at any time, with octal escapes (pt-spec 3.3.4)",
    "status-after-error": "STATUS may come at any time, behind VERSION-ERROR, too",
    "method-error": "a transport may fail to start (pt-spec 3.3.2, 3.3.3)",
    "spaces": "tor takes several spaces in a METHOD line for one",
    "published-address": "SMETHOD names the address that clients should use (pt-spec 3.3.3)",
    "published-args": "SMETHOD may have ARGS with escapes in them (pt-spec 3.3.3)",
    "options-known": "it may refuse server options that it does not know",
    "version-2": "it may know a later version, too (pt-spec 3.2.1)",
    "proxy-name": "it may ask a proxy for an IP address as a name",
    "proxy-challenged": "it may give an HTTP proxy credentials only after 407 (RFC 9110 15.5.8)",
    "proxy-challenged-anew": "it may do so on a new connection",
    "looks-first": "it may connect and close to see whether somebody listens",
    "races": "it may open two connections and use the one that suits it (RFC 8305)",
    "serves-lazily": "it may dial the ORPort with the first byte of its user",
    "ipv6-long": "an IPv6 address may be written without :: and in capitals",
    "ext-no-method": "it may answer 0, and wait until tor closes (ext-orport-spec 2)",
    "ext-anonymous": "USERADDR and TRANSPORT are optional (ext-orport-spec 3.1)",
    "ext-mapped": "an IPv4 address may be written as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2)",
    "ext-more": "it may send commands that tor does not know (ext-orport-spec 3.1)",
    "ext-ignored": "it may use the ORPort where there are both: no text prefers one",
    "secret-needed": "it may refuse connections without an argument that nobody publishes",
    "sigterm-143": "it may end on SIGTERM with the status that a shell gives it",
    "sigterm-reraised": "it may clean up on SIGTERM and then let the signal end it",
}


def legal(variant):
    return variant in sys.argv[1:]


NAMES = ["dummy", "second"] + (["dumm", "dummyx", "_dummy"] if legal("names-similar") else [])

# What it says

stdout_lock = threading.Lock()


def say(line):
    with stdout_lock:
        os.write(1, line.encode() + b"\n")


def end(status):
    os._exit(status)


def refuse(line):
    say(line)
    if legal("status-after-error"):
        say('STATUS TRANSPORT=dummy PHASE="over"')
    end(1)


def log(text):
    if legal("logs"):
        say('LOG SEVERITY=debug MESSAGE="%s \\303\\244 \\"quoted\\""' % text)


# The environment. What is empty is not set.


def variable(name):
    return os.environ.get("TOR_PT_" + name) or None


def negotiate_version():
    offer = variable("MANAGED_TRANSPORT_VER")
    if offer is None:
        refuse("ENV-ERROR TOR_PT_MANAGED_TRANSPORT_VER is not set")
    for version in ["2", "1"] if legal("version-2") else ["1"]:
        if version in offer.split(","):
            return version
    refuse("VERSION-ERROR no-version")


def parse_address(text):
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError("an address is not ip:port")
    ip = ipaddress.ip_address(match[1] or match[2])
    port = int(match[3])
    if (ip.version == 6) != (match[1] is not None) or port > 65535:
        raise ValueError("an address is not ip:port")
    return str(ip), port


def format_address(host, port):
    if ":" not in host:
        return "%s:%d" % (host, port)
    if legal("ipv6-long"):
        host = ipaddress.ip_address(host).exploded.upper()
    return "[%s]:%d" % (host, port)


def split_escaped(text, separator):
    """Splits at a separator that is not escaped; the escapes stay."""
    pieces = [""]
    for token in re.findall(r"\\.|.", text, re.S):
        if token == "\\":
            raise ValueError("a backslash escapes nothing")
        if token == separator:
            pieces.append("")
        else:
            pieces[-1] += token
    return pieces


def parse_arguments(text):
    """k=v;k=v with escapes, where only the first = counts."""
    found = {}
    for item in split_escaped(text, ";"):
        match = re.fullmatch(r"((?:[^\\=]|\\.)+)=((?:[^\\]|\\.)*)", item, re.S)
        if match is None:
            raise ValueError("an argument is not key=value")
        key, value = (re.sub(r"\\(.)", r"\1", part, flags=re.S) for part in match.groups())
        found[key] = value
        own = key in ("key", "other") and legal("args-letters")
        if own and not re.fullmatch("[a-z]+", value):
            raise ValueError("an argument is not letters")
    return found


def read_options():
    text = variable("SERVER_TRANSPORT_OPTIONS")
    own = []
    for item in split_escaped(text, ";") if text else []:
        name, colon, option = item.partition(":")
        if colon == "":
            raise ValueError("a server option has no transport")
        parse_arguments(option)
        if name == NAME:
            own.append(option)
    return parse_arguments(";".join(own)) if own else {}


def read_bind_address():
    text = variable("SERVER_BINDADDR")
    found = {}
    for item in text.split(",") if text else []:
        name, _, address = item.partition("-")
        if name in found:
            raise ValueError("TOR_PT_SERVER_BINDADDR names a transport twice")
        found[name] = parse_address(address)
    return {name: found.get(name, ("0.0.0.0", 0)) for name in NAMES}


class Environment:
    """What the parent wants."""

    def __init__(self):
        state = variable("STATE_LOCATION")
        if state is None or not os.path.isabs(state):
            raise ValueError("TOR_PT_STATE_LOCATION is not an absolute path")
        client, server = variable("CLIENT_TRANSPORTS"), variable("SERVER_TRANSPORTS")
        if legal("list-empty") and os.environ.get("TOR_PT_CLIENT_TRANSPORTS") == "":
            client = client or ","
        if legal("list-empty") and os.environ.get("TOR_PT_SERVER_TRANSPORTS") == "":
            server = server or ","
        if (client is None) == (server is None):
            raise ValueError("one list of transports has to be set")
        self.is_client = client is not None
        self.names = (client or server).split(",")
        self.proxy = None
        if not self.is_client:
            self.read_server()

    def read_server(self):
        self.options, self.bind = read_options(), read_bind_address()
        orport, extended = variable("ORPORT"), variable("EXTENDED_SERVER_PORT")
        self.orport = parse_address(orport) if orport else None
        self.extended = parse_address(extended) if extended else None
        self.cookie_file = variable("AUTH_COOKIE_FILE")
        if not orport and not extended:
            raise ValueError("there is no ORPort")
        if extended and not self.cookie_file:
            raise ValueError("there is no TOR_PT_AUTH_COOKIE_FILE")
        if legal("ext-ignored") and self.orport:
            self.extended = None


def read_environment():
    try:
        return Environment()
    except ValueError as error:
        refuse("ENV-ERROR %s" % error)


class Proxy:
    """The upstream proxy."""

    def __init__(self, uri):
        match = re.fullmatch(r"(http|socks4a|socks5)://(?:(.*)@)?([^@/?#]+)", uri)
        if match is None:
            raise ValueError("the proxy is not TYPE://[USER[:PASSWORD]@]IP:PORT")
        self.kind, user_info, address = match.groups()
        self.address = parse_address(address)
        user, colon, password = (user_info or "").partition(":")
        self.user = unquote(user) if user_info else None
        self.password = unquote(password) if colon else None
        if self.kind == "socks5" and user_info and not (self.user and self.password):
            raise ValueError("a SOCKS5 proxy needs user name and password")
        if self.kind == "socks4a" and self.password is not None:
            raise ValueError("a SOCKS4a proxy takes no password")


def read_proxy():
    uri = variable("PROXY")
    if uri is None:
        return None
    try:
        proxy = Proxy(uri)
    except ValueError as error:
        refuse("PROXY-ERROR %s" % error)
    say("PROXY DONE")
    return proxy


# Connections


def receive(conn, count):
    """Exactly so many bytes."""
    got = b""
    while len(got) < count:
        chunk = conn.recv(count - len(got))
        if chunk == b"":
            raise EOFError("the connection ended")
        got += chunk
    return got


def receive_byte(conn):
    return receive(conn, 1)[0]


def abandon(*conns):
    """Ends connections, also for those who are reading from them."""
    for conn in conns:
        try:
            conn.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def pump(source, sink, both):
    try:
        while True:
            chunk = source.recv(4096 if legal("slow") else 65536)
            if chunk == b"":
                break
            if legal("slow"):
                time.sleep(len(chunk) / 51200)
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        abandon(*both)


def relay(one, other):
    both = (one, other)
    up = threading.Thread(target=pump, args=(one, other, both), daemon=True)
    up.start()
    pump(other, one, both)
    up.join()


def dial(address):
    if legal("looks-first"):
        dial_once(address).close()
    first = dial_once(address)
    if not legal("races"):
        return first
    second = dial_once(address)
    first.close()
    return second


def dial_once(address):
    host, port = address
    family = "V6" if ":" in host else "V4"
    source = variable("OUTBOUND_BIND_ADDRESS_" + family)
    if source is None or ipaddress.ip_address(host).is_loopback:
        return socket.create_connection(address)
    return socket.create_connection(address, source_address=(source.strip("[]"), 0))


def serve(listener, handle):
    """Handles every connection by itself."""

    def guarded(conn):
        try:
            handle(conn)
        except (OSError, EOFError, ValueError) as error:
            log(type(error).__name__)
        finally:
            abandon(conn)
            conn.close()

    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            time.sleep(0.05)
            continue
        threading.Thread(target=guarded, args=(conn,), daemon=True).start()


def listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    return listener, listener.getsockname()[:2]


# The client: SOCKS5 towards tor


def reply(code):
    address = b"\1\0\0\0\0"
    if legal("reply-ipv6"):
        address = b"\4" + bytes(16)
    if legal("reply-name"):
        address = b"\3\x0bexample.com"
    return bytes([5, code, 0]) + address + b"\0\0"


def reject(conn, code):
    conn.sendall(reply(code))
    if legal("closes-late"):
        time.sleep(8)
    conn.shutdown(socket.SHUT_WR)
    conn.settimeout(5)
    while conn.recv(4096) != b"":
        pass


def choose_method(offered):
    if 2 in offered and not legal("args-none"):
        return 2
    if 1 in offered and legal("gssapi"):
        return 1
    return 0 if 0 in offered and not legal("password-only") else 0xFF


# Whether the user of this thread has given the secret, and its proxy has demanded credentials.
told = threading.local()


def takes_arguments(conn):
    version = receive_byte(conn)
    user = receive(conn, receive_byte(conn))
    password = receive(conn, receive_byte(conn))
    if version != 1 or user == b"" or password == b"":
        return False
    text = (user + (b"" if password == b"\0" else password)).decode()
    keys = parse_arguments(text).keys()
    told.secret = "secret" in keys
    return keys <= {"secret"} if legal("args-known") else True


def read_target(conn):
    """Where the user wants to go, or the code of the reply that says why not."""
    _, command, _, kind = receive(conn, 4)
    if kind not in (1, 3, 4):
        return 8
    host = receive(conn, {1: 4, 4: 16}.get(kind) or receive_byte(conn))
    (port,) = struct.unpack(">H", receive(conn, 2))
    if command != 1:
        return 7
    return host.decode() if kind == 3 else str(ipaddress.ip_address(host)), port


def shake_hands(conn):
    """The target; None where the connection is over."""
    if receive_byte(conn) != 5:
        return None
    method = choose_method(receive(conn, receive_byte(conn)))
    conn.sendall(bytes([5, method]))
    if method not in (0, 2):
        return None
    if method == 2:
        try:
            taken = takes_arguments(conn)
        except ValueError:
            taken = False
        conn.sendall(bytes([1, 0 if taken else 1]))
        if not taken:
            return None
    target = read_target(conn)
    if not isinstance(target, int):
        return target
    if not (target == 7 and legal("bind-silent")):
        reject(conn, target)
    return None


def dial_as_told(target, proxy):
    if proxy is None:
        return dial(target)
    far = dial(proxy.address)
    try:
        {"socks5": ask_socks5, "socks4a": ask_socks4a, "http": ask_http}[proxy.kind](
            far, target, proxy
        )
        return far
    except Challenged:
        far.close()
        told.challenged = True
        return dial_as_told(target, proxy)
    except BaseException:
        far.close()
        raise


def code_for(error):
    return 5 if isinstance(error, ConnectionRefusedError) else 1


def shake_hands4(conn):
    """The target of a SOCKS4 request; None where it is none."""
    version, command, port, ip = struct.unpack(">BBH4s", receive(conn, 8))
    user = b""
    while not user.endswith(b"\0"):
        user += receive(conn, 1)
    if version != 4 or command != 1:
        return None
    if user != b"\0":
        parse_arguments(user[:-1].decode())
    return str(ipaddress.ip_address(ip)), port


def serve_user4(conn, proxy):
    target = shake_hands4(conn)
    if target is None:
        return
    try:
        far = dial_as_told(target, proxy)
    except (OSError, EOFError):
        conn.sendall(b"\0\x5b" + bytes(6))
        return
    with far:
        conn.sendall(b"\0\x5a" + bytes(6))
        relay(conn, far)


def serve_user(conn, proxy):
    if legal("socks4"):
        return serve_user4(conn, proxy)
    target = shake_hands(conn)
    if target is None:
        return
    knows = getattr(told, "secret", False)
    if legal("secret-needed") and not knows:
        say('LOG SEVERITY=notice MESSAGE="there is no secret=..."')
        return reject(conn, 1)
    grants_first = legal("grants-first") or legal("grants-lazily")
    if grants_first:
        conn.sendall(reply(0))
    if legal("grants-lazily"):
        conn.recv(1, socket.MSG_PEEK)
    try:
        far = dial_as_told(target, proxy)
    except (OSError, EOFError) as error:
        if not grants_first:
            reject(conn, code_for(error))
        return
    with far:
        if not grants_first:
            conn.sendall(reply(0))
        relay(conn, far)


# The upstream proxies


def ip_bytes(host):
    try:
        return None if legal("proxy-name") else ipaddress.ip_address(host).packed
    except ValueError:
        return None


def ask_socks5(far, target, proxy):
    far.sendall(b"\5\1\2" if proxy.user else b"\5\1\0")
    if receive(far, 2)[1] == 2 and proxy.user:
        user, password = proxy.user.encode(), proxy.password.encode()
        far.sendall(
            bytes([1, len(user)]) + user + bytes([len(password)]) + password
        )
        if receive(far, 2)[1] != 0:
            raise OSError("the proxy does not know us")
    host, port = target
    ip = ip_bytes(host)
    if ip is None:
        name = host.encode()
        address = bytes([3, len(name)]) + name
    else:
        address = bytes([1 if len(ip) == 4 else 4]) + ip
    far.sendall(b"\5\1\0" + address + struct.pack(">H", port))
    _, code, _, kind = receive(far, 4)
    if code != 0:
        raise OSError("the proxy refuses")
    receive(far, ({1: 4, 4: 16}.get(kind) or receive_byte(far)) + 2)


def ask_socks4a(far, target, proxy):
    host, port = target
    ip = ip_bytes(host)
    name = b""
    if ip is None or len(ip) != 4:
        ip, name = b"\0\0\0\1", host.encode() + b"\0"
    far.sendall(b"\4\1" + struct.pack(">H", port) + ip + (proxy.user or "").encode() + b"\0" + name)
    if receive(far, 8)[1] != 90:
        raise OSError("the proxy refuses")


class Challenged(OSError):
    """A proxy demands credentials, which it shall have on a new connection."""


def http_credentials(proxy):
    if proxy.user is None:
        return ""
    secret = b64encode(("%s:%s" % (proxy.user, proxy.password or "")).encode()).decode()
    return "Proxy-Authorization: Basic %s\r\n" % secret


def ask_http(far, target, proxy):
    credentials = http_credentials(proxy)
    anew, same = legal("proxy-challenged-anew"), legal("proxy-challenged")
    waits = same or (anew and not getattr(told, "challenged", False))
    code = connect_http(far, target, "" if waits else credentials)
    if code == 407 and waits and credentials:
        if anew:
            raise Challenged("the proxy wants to know us")
        code = connect_http(far, target, credentials)
    if not 200 <= code < 300:
        raise OSError("the proxy refuses")


def connect_http(far, target, credentials):
    at = format_address(*target)
    head = "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (at, at, credentials)
    far.sendall(head.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        if len(answer) > 16384:
            raise OSError("the proxy talks too much")
        answer += receive(far, 1)
    status = re.match(rb"HTTP/1\.[01] (\d\d\d)", answer)
    return int(status[1]) if status else 0


# The server: the Extended ORPort


def read_cookie(path):
    with open(path, "rb") as file:
        content = file.read(65)
    if len(content) != 64 or not content.startswith(b"! Extended ORPort Auth Cookie !\n"):
        raise ValueError("the cookie file is not one")
    return content[32:]


def proof(cookie, direction, nonces):
    text = b"ExtORPort authentication %s hash" % direction
    return hmac.new(cookie, text + nonces, hashlib.sha256).digest()


def authenticate(far, cookie):
    offered = set()
    while True:
        kind = receive_byte(far)
        if kind == 0:
            break
        offered.add(kind)
    if 1 not in offered:
        far.sendall(b"\0")
        if legal("ext-no-method"):
            far.recv(1)
        raise OSError("there is no SAFE_COOKIE")
    nonce = os.urandom(32)
    far.sendall(b"\1" + nonce)
    theirs, nonces = receive(far, 32), nonce + receive(far, 32)
    if not hmac.compare_digest(theirs, proof(cookie, b"server-to-client", nonces)):
        raise OSError("the parent does not know the cookie")
    far.sendall(proof(cookie, b"client-to-server", nonces))
    if receive_byte(far) != 1:
        raise OSError("the parent does not believe us")


def command(code, body=b""):
    return struct.pack(">HH", code, len(body)) + body


def introduce(far, cookie, peer, name):
    authenticate(far, cookie)
    host, port = peer
    if legal("ext-mapped") and ":" not in host:
        host = "::ffff:" + host
    commands = command(1, format_address(host, port).encode()) + command(2, name.encode())
    if legal("ext-anonymous"):
        commands = b""
    if legal("ext-more"):
        commands = command(0x2ABC, b"anything") + commands
    far.sendall(commands + command(0))
    while True:
        code, length = struct.unpack(">HH", receive(far, 4))
        receive(far, length)
        if code == 0x1000:
            return
        if code == 0x1001:
            raise OSError("the parent does not want this client")


def serve_client(conn, wanted, name):
    peer = conn.getpeername()[:2]
    if legal("serves-lazily"):
        conn.recv(1, socket.MSG_PEEK)
    if wanted.extended is None:
        far = dial(wanted.orport)
    else:
        cookie = read_cookie(wanted.cookie_file)
        far = dial(wanted.extended)
    with far:
        if wanted.extended is not None:
            introduce(far, cookie, peer, name)
        relay(conn, far)


# The start


def start_method(wanted, name):
    if wanted.is_client:
        host = "::1" if legal("listens-ipv6") else "127.0.0.1"
        listener, own = listen(host, 0)
        kind = "socks4" if legal("socks4") else "socks5"
        words = ["CMETHOD", name, kind, format_address(*own)]
        handle = lambda conn: serve_user(conn, wanted.proxy)
    else:
        listener, own = listen(*wanted.bind[name])
        # RFC 5737: an address of nobody, as of a host behind NAT.
        address = "192.0.2.1:443" if legal("published-address") else format_address(*own)
        words = ["SMETHOD", name, address]
        if legal("published-args"):
            words.append("ARGS:key=a\\=b\\,c\\\\,empty=")
        handle = lambda conn: serve_client(conn, wanted, name)
    say(("  " if legal("spaces") else " ").join(words))
    threading.Thread(target=serve, args=(listener, handle), daemon=True).start()


def start_methods(wanted):
    keyword = "CMETHOD" if wanted.is_client else "SMETHOD"
    names = [name for name in NAMES if name in wanted.names]
    for name in reversed(names) if legal("methods-reversed") else names:
        unknown = not wanted.is_client and wanted.options.keys() - {"secret"}
        if legal("method-error"):
            say("%s-ERROR %s no rocks available" % (keyword, name))
        elif legal("options-known") and unknown:
            say("%s-ERROR %s there is an unknown option" % (keyword, name))
        else:
            try:
                start_method(wanted, name)
            except OSError as error:
                say("%s-ERROR %s %s" % (keyword, name, error.strerror))
    say("%sS DONE" % keyword)


# The end


def watch_stdin():
    while os.read(0, 512) != b"":
        pass
    if variable("EXIT_ON_STDIN_CLOSE") == "1":
        end(0)


def watch_parent(parent):
    while os.getppid() == parent:
        time.sleep(0.2)
    end(0)


def end_on_sigterm(number, _):
    if legal("sigterm-reraised"):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    end(143 if legal("sigterm-143") else 0)


def main():
    parent = os.getppid()
    signal.signal(signal.SIGTERM, end_on_sigterm)
    signal.signal(signal.SIGINT, lambda *_: end(0))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    version = negotiate_version()
    wanted = read_environment()
    say("VERSION %s" % version)
    log("hello")
    if legal("status-string"):
        say('STATUS TRANSPORT="rot 13" CONNECT=Success')
    if legal("status-name"):
        say("STATUS TRANSPORT=my-transport CONNECT=Success")
    if wanted.is_client:
        wanted.proxy = read_proxy()
    start_methods(wanted)
    threading.Thread(target=watch_stdin, daemon=True).start()
    watch_parent(parent)


if sys.argv[1:] == ["--variants"]:
    print("\n".join(VARIANTS))
elif set(sys.argv[1:]) - VARIANTS.keys():
    sys.exit("there is no such variant")
else:
    main()
