import { assert, assertEquals, assertThrows } from "@std/assert";
import { permitted } from "../permitted.ts";
import { judge, listenersOf, type Rules, splitByUser } from "./judge.ts";
import { isQuick, loopbackProxies, trap } from "./plans.ts";
import { OFFENDERS, PROGRAMS } from "./programs.ts";
import { describe } from "./proxy_kinds.ts";
import { describeFaults, faultsOf, runSession } from "./session.ts";
import { straceMissing } from "./strace.ts";
import { parseTrace, type SystemCall } from "./system_calls.ts";

const RULES: Rules = {
  proxy: "127.77.0.1:1080",
  users: "127.0.0.1:4000",
  secret: "ptlib-trace-target",
  source: "192.0.2.1",
};

function ip4(ip: string, port: number): string {
  return `{sa_family=AF_INET, sin_port=htons(${port}), sin_addr=inet_addr("${ip}")}`;
}

function ip6(ip: string, port: number): string {
  const address = `inet_pton(AF_INET6, "${ip}", &sin6_addr)`;
  return `{sa_family=AF_INET6, sin6_port=htons(${port}), sin6_flowinfo=htonl(0), ${address}, sin6_scope_id=0}`;
}

/** A TCP socket that is connected to somewhere, number 9. */
function connected(to: string): string[] {
  return [
    "10 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 5<socket:[9]>",
    `10 connect(5<socket:[9]>, ${to}, 16) = -1 EINPROGRESS (Operation now in progress)`,
  ];
}

const TO_PROXY = connected(ip4("127.77.0.1", 1080));
/** A listener of the program's own, where its users come to. */
const LISTENS = [
  `10 bind(4<socket:[7]>, ${ip4("127.0.0.1", 0)}, 16) = 0`,
  "10 listen(4<socket:[7]>, 1024) = 0",
  `10 getsockname(4<socket:[7]>, ${ip4("127.0.0.1", 4000)}, [128 => 16]) = 0`,
];
/** The same of a child. */
const CHILD_LISTENS = [
  "11 listen(4<socket:[8]>, 1024) = 0",
  `11 getsockname(4<socket:[8]>, ${ip4("127.0.0.1", 5000)}, [128 => 16]) = 0`,
];

function parse(...lines: readonly string[]): SystemCall[] {
  return parseTrace(lines.map((line) => `${line}\n`).join(""));
}

function judged(...lines: readonly string[]) {
  const calls = parse(...lines);
  return judge(calls, RULES, listenersOf(calls));
}

Deno.test("parseTrace() joins the halves of a call where it began", () => {
  const calls = parse(
    '10 execve("/usr/bin/deno", ["deno"], 0x7ffd /* 9 vars */) = 0',
    "10 accept4(4<socket:[7]>, <unfinished ...>",
    '11 write(1<pipe:[3]>, "VERSION 1\\n", 10) = 10',
    "10 <... accept4 resumed>NULL, NULL, 0) = 5<socket:[9]>",
    "11 --- SIGCHLD {si_signo=SIGCHLD} ---",
    "11 ???( <unfinished ...>",
    "12 ???( <detached ...>",
    "11 <... ??? resumed>) = ?",
    '12 sendto(5<socket:[9]>, "x", 1, MSG_NOSIGNAL, NULL, 0 <unfinished ...>',
    "12 +++ exited with 0 +++",
  );
  assertEquals(calls.map(({ name, result }) => [name, result]), [
    ["execve", "0"],
    ["accept4", "5<socket:[9]>"],
    ["write", "10"],
    ["sendto", "?"],
  ]);
});

Deno.test("parseTrace() passes over no line that it does not understand", () => {
  assertThrows(() => parse("10 what is this"), SyntaxError);
});

Deno.test("judge() knows the proxy, and listeners of the program's own", () => {
  const seen = judged(
    ...LISTENS,
    ...CHILD_LISTENS,
    ...TO_PROXY,
    '10 sendto(5<socket:[9]>, "CONNECT ptlib-trace-target.invalid:443", 38, 0, NULL, 0) = 38',
    `10 connect(6<socket:[12]>, ${ip4("127.0.0.1", 5000)}, 16) = 0`,
    '10 write(6<socket:[12]>, "\\5\\1\\0\\3\\32ptlib-trace-target.invalid\\1\\273", 33) = 33',
    `10 bind(7<socket:[13]>, ${ip4("192.0.2.1", 0)}, 16) = 0`,
  );
  assertEquals(seen, { toProxy: 1, elsewhere: [], resolved: [] });
});

Deno.test("judge() finds each way around", () => {
  const dns = ip4("192.0.2.53", 53);
  const cases: [what: string, lines: string[]][] = [
    ["connect 198.51.100.7:443", [
      `10 connect(5<socket:[9]>, ${ip4("198.51.100.7", 443)}, 16) = 0`,
    ]],
    ["connect [2001:db8:7::7]:443", [
      `10 connect(5<socket:[9]>, ${ip6("2001:db8:7::7", 443)}, 28) = -1 ENETUNREACH (No network)`,
    ]],
    ["connect 127.77.0.1:1081", [
      `10 connect(5<socket:[9]>, ${ip6("::ffff:127.77.0.1", 1081)}, 28) = 0`,
    ]],
    // Whoever asks there would be a user of its own.
    ["connect 127.0.0.1:4000", [
      ...LISTENS,
      `10 connect(5<socket:[9]>, ${ip4("127.0.0.1", 4000)}, 16) = 0`,
    ]],
    ["sendto 192.0.2.53:53", [`10 sendto(5<socket:[9]>, "x", 1, 0, ${dns}, 16) = 1`]],
    ["sendmsg 192.0.2.53:53", [
      `10 sendmsg(5<socket:[9]>, {msg_name=${dns}, msg_namelen=16}, 0) = 1`,
    ]],
    ["sendmmsg 192.0.2.53:53", [
      `10 sendmmsg(5<socket:[9]>, [{msg_hdr={msg_name=${dns}, msg_namelen=16}, msg_len=1}], 1, 0) = 1`,
    ]],
    ['connect AF_UNIX "/run/own"', [
      '10 connect(5<socket:[9]>, {sa_family=AF_UNIX, sun_path="/run/own"}, 110) = 0',
    ]],
    ["opens a socket AF_INET, SOCK_DGRAM, IPPROTO_IP", [
      "10 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 5<socket:[9]>",
    ]],
    ["opens a socket AF_NETLINK, SOCK_RAW, NETLINK_ROUTE", [
      "10 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 5<socket:[9]>",
    ]],
    ["binds 0.0.0.0:0", [`10 bind(4<socket:[7]>, ${ip4("0.0.0.0", 0)}, 16) = 0`]],
    ["uses io_uring", ["10 io_uring_setup(8, {flags=0}) = 5<anon_inode:[io_uring]>"]],
    ["tells the target to 192.0.2.9:1", [
      ...connected(ip4("192.0.2.9", 1)),
      '10 writev(5<socket:[9]>, [{iov_base="ptlib-trace-target", iov_len=18}], 1) = 18',
    ]],
    ["tells the target to a socket without a peer", [
      '10 sendto(9<socket:[1]>, "\\22ptlib-trace-target\\7invalid", 27, 0, NULL, 0) = 27',
    ]],
  ];
  for (const [what, lines] of cases) {
    const { elsewhere } = judged(...lines);
    assert(elsewhere.includes(what), `${what} is not among ${JSON.stringify(elsewhere)}`);
  }
});

Deno.test("judge() finds what a resolver reads and asks", () => {
  const { resolved } = judged(
    '10 openat(AT_FDCWD, "/etc/resolv.conf", O_RDONLY|O_CLOEXEC) = 7</etc/resolv.conf>',
    '10 openat(AT_FDCWD, "/lib/x86_64-linux-gnu/libnss_files.so.2", O_RDONLY) = -1 ENOENT (No such)',
    '10 connect(5<socket:[9]>, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT (No such)',
    '10 openat(AT_FDCWD, "/home/etc/hosts", O_RDONLY) = 7</home/etc/hosts>',
  );
  assertEquals(resolved, [
    "/etc/resolv.conf",
    "/lib/x86_64-linux-gnu/libnss_files.so.2",
    "/run/nscd/socket",
  ]);
});

Deno.test("splitByUser() begins with each user", () => {
  const accept = (socket: string, result: string) =>
    `10 accept4(${socket}, ${ip4("127.0.0.1", 50_000)}, [128 => 16], SOCK_CLOEXEC) = ${result}`;
  const calls = parse(
    ...LISTENS,
    ...CHILD_LISTENS,
    accept("4<socket:[7]>", "6<socket:[20]>"),
    accept("4<socket:[7]>", "-1 EAGAIN (Resource temporarily unavailable)"),
    accept("4<socket:[8]>", "6<socket:[21]>"),
    accept("4<socket:[7]>", "6<socket:[22]>"),
  );
  assertEquals(splitByUser(calls, RULES.users).map(({ length }) => length), [5, 3, 1]);
});

const NEEDS = ["env", "net", "read", "run", "write"] as const;
const missing = straceMissing();
const never = new AbortController().signal;

// Each program has another kind of proxy; all programs with all kinds: `deno task trace`.
const proxies = missing === null ? loopbackProxies() : [];
PROGRAMS.forEach((program, index) => {
  const proxy = proxies[index % proxies.length];
  const with_ = proxy === undefined ? "a proxy" : describe(proxy);
  permitted(NEEDS, `${program.name} goes around nothing, whatever happens: ${with_}`, async () => {
    const rows = await runSession({ program, proxy: proxy!, wanted: isQuick, source: null }, never);
    assertEquals(rows.flatMap(describeFaults), []);
  }, missing);
});

for (const program of OFFENDERS) {
  permitted(NEEDS, `a program that goes around the proxy is found: ${program.name}`, async () => {
    const faults = (await runSession(trap(program), never)).flatMap(faultsOf);
    assert(faults.some((fault) => program.sign.test(fault)), JSON.stringify(faults));
  }, missing);
}
