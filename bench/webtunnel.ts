/** WebTunnel: our client and server beside lyrebird's client and the official server. */

import { freePort } from "../testing/free_port.ts";
import { Nginx, nginxMissing, ourRecipe } from "../tests/interop/nginx.ts";
import { peer, peerMissing } from "../tests/interop/peers.ts";
import { bridgeOptions, PROGRAM } from "../tests/interop/webtunnel_programs.ts";
import { TEST_AUTHORITY } from "../tests/net/test_certificates.ts";
import type { Arrangement, Contestant } from "./contestants.ts";
import type { Workplace } from "./workplace.ts";

/** How the halves of a pair meet. */
type Meeting = "plain HTTP" | "TLS" | "TLS by nginx";

/** The name in the certificate of the tests. */
const NAME = "pt.example";

/** Puts nginx in front of a server. */
async function startNginx(stack: AsyncDisposableStack, back: number): Promise<[number, Nginx]> {
  const port = freePort();
  const directory = await Deno.makeTempDir({ prefix: "ptlib_bench_" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  return [port, stack.use(await Nginx.start(directory, port, await ourRecipe(port, back)))];
}

function arrange(meeting: Meeting): NonNullable<Contestant["arrange"]> {
  return async (stack, { directory }: Workplace): Promise<Arrangement> => {
    const back = freePort();
    const authority = `${directory}/authority.pem`;
    await Deno.writeTextFile(authority, TEST_AUTHORITY);
    const url = `${meeting === "plain HTTP" ? "http" : "https"}://${NAME}/secret`;
    const [front, nginx] = meeting === "TLS by nginx"
      ? await startNginx(stack, back)
      : [back, null];
    return {
      listen: ["127.0.0.1", back],
      options: meeting === "TLS"
        ? await bridgeOptions(directory, url, "127.0.0.1:1")
        : [["url", url]],
      // By its default, lyrebird has another ClientHello each time, and another cipher.
      args: [["url", url], ["addr", `127.0.0.1:${front}`], ["utls", "none"]],
      env: { DENO_CERT: authority, SSL_CERT_FILE: authority },
      pids: nginx === null ? [] : [nginx.pid],
    };
  };
}

/** The pairs that meet in plain HTTP, or in TLS; without those of others where there are none. */
export async function webtunnels(way: "plain HTTP" | "TLS"): Promise<Contestant[]> {
  const ours: Contestant = {
    name: `ptlib, ${way}`,
    transport: "webtunnel",
    client: PROGRAM,
    server: PROGRAM,
    arrange: arrange(way),
  };
  const [client, server] = [await peer("lyrebird"), await peer("webtunnel-server")];
  const missing = peerMissing("lyrebird") ?? peerMissing("webtunnel-server") ??
    (way === "TLS" ? nginxMissing() : null);
  if (missing !== null || client === null || server === null) {
    console.error(`Without the official programs: ${missing}`);
    return [ours];
  }
  const meeting = way === "TLS" ? "TLS by nginx" : way;
  const behind = { transport: "webtunnel", arrange: arrange(meeting) };
  return [
    ours,
    ...way === "TLS"
      ? [{ name: "ptlib, TLS by nginx", client: PROGRAM, server: PROGRAM, ...behind }]
      : [],
    {
      name: `lyrebird and webtunnel-server, ${meeting}`,
      client: [client],
      server: [server],
      ...behind,
    },
  ];
}
