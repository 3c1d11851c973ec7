/** The sessions of a whole run. */

import { isLoopback } from "../../address.ts";
import type { Failure } from "./failures.ts";
import { type Offender, PROGRAMS } from "./programs.ts";
import { type ProxyKind, proxyKinds } from "./proxy_kinds.ts";
import type { Plan } from "./session.ts";

/** The addresses of proxies, one of each family: nothing else listens there. */
const PROXY_HOSTS = ["127.77.0.1", "::1"] as const;

/** What is over at once. */
export const isQuick = ({ slow = false }: Failure) => !slow;

const isSlow = (failure: Failure) => !isQuick(failure);

/** What every kind of proxy can do, and a program may take as a reason to go without it. */
const closes = ({ name }: Failure) => name === "closes at once";

function canListen(hostname: string): boolean {
  try {
    Deno.listen({ hostname, port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** Every kind of proxy, at the addresses of loopback that this machine has. */
export function loopbackProxies(): ProxyKind[] {
  return proxyKinds(PROXY_HOSTS.filter(canListen));
}

/** An IPv4 address of this machine that others can reach; null where it has none. */
function outerAddress(): string | null {
  const all = Deno.networkInterfaces().filter(({ family }) => family === "IPv4");
  return all.find(({ address }) => !isLoopback(address))?.address ?? null;
}

/** What a whole run has, and what this machine lacks for it. */
export interface AllPlans {
  quick: Plan[];
  /** Each takes a minute, in which it does next to nothing. */
  slow: Plan[];
  lacks: string[];
}

/** Every program with every kind of proxy at every address. */
export function allPlans(): AllPlans {
  const proxies = loopbackProxies();
  const quick = PROGRAMS.flatMap((program) =>
    proxies.map((proxy): Plan => ({ program, proxy, wanted: isQuick, source: null }))
  );
  const [first] = PROXY_HOSTS;
  // How long somebody is waited for does not depend on the address.
  const slow = PROGRAMS.flatMap((program) =>
    proxyKinds([first]).map((proxy): Plan => ({ program, proxy, wanted: isSlow, source: null }))
  );
  const outer = outerAddress();
  // To a proxy on loopback, nobody goes from a source address.
  const bound = outer === null ? [] : proxyKinds([outer]).map((proxy): Plan => ({
    program: PROGRAMS[0]!,
    proxy,
    wanted: isQuick,
    source: outer,
  }));
  return {
    quick: [...quick, ...bound],
    slow,
    lacks: [
      ...PROXY_HOSTS.filter((host) => !canListen(host)).map((host) => `the address ${host}`),
      ...outer === null ? ["an IPv4 address beside loopback"] : [],
    ],
  };
}

/** A short session of a program that has to be found. */
export function trap(program: Offender): Plan {
  const [proxy] = loopbackProxies();
  return { program, proxy: proxy!, wanted: closes, source: null };
}
