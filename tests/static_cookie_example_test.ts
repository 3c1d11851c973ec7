/** An Extended ORPort whose cookie stays the same, in front of one whose cookie does not. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  dialOr,
  type DialOrOptions,
  ExtOrPortError,
  readFull,
  type StreamConn,
  writeAll,
} from "../net/mod.ts";
import {
  type ExtOrPortClient,
  type ExtOrPortConnection,
  type ExtOrPortListener,
  LaunchError,
  launchServer,
  listenExtOrPort,
  type ServerMethod,
  type TransportProcess,
} from "../parent/mod.ts";
import { checkCarries, commandOf, withDirectory } from "./example_pair.ts";
import { permitted } from "./permitted.ts";

const NAME = "static_cookie";

/** What stands behind its port, and how to reach that. */
interface Front {
  tor: ExtOrPortListener;
  server: TransportProcess<ServerMethod>;
  dial(options: DialOrOptions, cookieFile?: string): Promise<StreamConn>;
}

/** A file with a cookie, as the head comment of the example makes it. */
async function writeCookie(path: string): Promise<void> {
  const text = new TextEncoder().encode("! Extended ORPort Auth Cookie !\n");
  await Deno.writeFile(path, Uint8Array.of(...text, ...crypto.getRandomValues(new Uint8Array(32))));
}

/** Registers a test of the example, launched as its head comment says. */
function fronted(
  name: string,
  authorize: (client: ExtOrPortClient) => boolean,
  fn: (front: Front, directory: string) => Promise<void>,
): void {
  permitted(
    ["net", "read", "write", "run"],
    `static_cookie.ts ${name}`,
    () =>
      withDirectory(async (directory) => {
        const cookieFile = `${directory}/cookie`;
        await writeCookie(cookieFile);
        await using tor = await listenExtOrPort({ authorize });
        const places = {
          "/var/lib/tor/extended_orport_auth_cookie": tor.cookieFile,
          "/var/lib/rot13/static_cookie": cookieFile,
        };
        await using server = await launchServer(await commandOf(`${NAME}.ts`, "server", places), {
          transports: { [NAME]: { bindAddress: ["127.0.0.1", 0] } },
          extOrPort: tor,
          stateDirectory: directory,
        });
        const ext_orport = server.methods[NAME]!.address;
        const dial = (options: DialOrOptions, file = cookieFile) =>
          dialOr({ orport: null, ext_orport, auth_cookie_file: file }, options);
        await fn({ tor, server, dial }, directory);
      }),
  );
}

/** The next client that tor gets, for as long as it listens. */
async function arrival(tor: ExtOrPortListener): Promise<ExtOrPortConnection> {
  const { value } = await tor[Symbol.asyncIterator]().next();
  if (value === undefined) throw new Error("tor listens no more");
  return value;
}

const CLIENT: DialOrOptions = { transport: "rot13", clientAddress: ["203.0.113.7", 5678] };

fronted("tells tor who a client is, and carries its bytes", () => true, async (front) => {
  const arriving = arrival(front.tor);
  using user = await front.dial(CLIENT) as Deno.TcpConn;
  const { conn, transport, clientAddress } = await arriving;
  using service = conn;
  assertEquals([transport, clientAddress], [CLIENT.transport, CLIENT.clientAddress]);
  await checkCarries(user, service);
});

fronted("says of a client no more than it was told", () => true, async (front) => {
  const arriving = arrival(front.tor);
  using _user = await front.dial({ transport: "obfs4" }) as Deno.TcpConn;
  const { conn, transport, clientAddress } = await arriving;
  conn.close();
  assertEquals([transport, clientAddress], ["obfs4", null]);
});

fronted("passes tor's denial on", () => false, async (front) => {
  const arriving = arrival(front.tor).catch(() => {}); // Nobody arrives.
  await assertRejects(() => front.dial(CLIENT), ExtOrPortError, "denied");
  await front.tor.close();
  await arriving;
});

fronted("proves that it knows the cookie", () => true, async (front, directory) => {
  const other = `${directory}/other`;
  await writeCookie(other);
  await assertRejects(() => front.dial(CLIENT, other), ExtOrPortError, "does not know the cookie");
});

fronted("ends with one who does not know the cookie", () => true, async ({ server }) => {
  const [hostname, port] = server.methods[NAME]!.address;
  using conn = await Deno.connect({ hostname, port });
  assertEquals(await readFull(conn, new Uint8Array(2)), Uint8Array.of(1, 0));
  await writeAll(conn, Uint8Array.of(1, ...new Uint8Array(32)));
  await readFull(conn, new Uint8Array(64)); // Its proof and its nonce.
  await writeAll(conn, crypto.getRandomValues(new Uint8Array(32)));
  assertEquals(await readFull(conn, new Uint8Array(1)), Uint8Array.of(0));
  assertEquals(await conn.read(new Uint8Array(1)), null);
});

permitted(
  ["net", "read", "write", "run"],
  "static_cookie.ts says what it cannot use",
  () =>
    withDirectory(async (directory) => {
      const cookieFile = `${directory}/cookie`;
      await Deno.writeTextFile(cookieFile, "! Extended ORPort Auth Cookie !\n"); // And no cookie.
      await using tor = await listenExtOrPort();
      const command = await commandOf(`${NAME}.ts`, "server", {
        "/var/lib/tor/extended_orport_auth_cookie": tor.cookieFile,
        "/var/lib/rot13/static_cookie": cookieFile,
      });
      const transports = { [NAME]: { bindAddress: ["127.0.0.1", 0] as const } };
      const launched = launchServer(command, {
        transports,
        extOrPort: tor,
        stateDirectory: directory,
      });
      const { message } = await assertRejects(() => launched, LaunchError);
      assertStringIncludes(message, "does not hold a cookie");
    }),
);
