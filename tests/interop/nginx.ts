/** nginx, as a web server in front of a bridge, and as the web site behind one. */

import { isInstalled } from "../../tor/programs.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { comesAbout, SOON } from "../waiting.ts";

/** Why there can be no nginx here; null when there can. */
export function nginxMissing(): string | null {
  return isInstalled("nginx") ? null : "needs nginx: apt-get install nginx-light";
}

/**
 * The official recipe of WebTunnel for one port: TLS, a web site, and the secret path.
 *
 * @param port Where it listens.
 * @param bridge The port of the WebTunnel server.
 */
export function recipe(port: number, bridge: number): string {
  return `map $http_upgrade $connection_upgrade {
    default upgrade;
    '' close;
  }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    location / { root html; }
    location = /secret {
      proxy_pass http://127.0.0.1:${bridge};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Accept-Encoding "";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      add_header Front-End-Https on;
      proxy_redirect off;
      access_log off;
      error_log /dev/null crit;
    }
  }`;
}

/** The recipe of docs/webtunnel.md for one port. */
export async function ourRecipe(port: number, bridge: number): Promise<string> {
  const docs = await Deno.readTextFile(new URL("../../docs/webtunnel.md", import.meta.url));
  const [, tunnel = ""] = /^ {2}(if \(\$http_upgrade[^]*?)^}\n```$/m.exec(docs) ?? [];
  return `server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    location / { root html; }
    ${tunnel.replaceAll("/SECRET", "/secret").replace("127.0.0.1:15000", `127.0.0.1:${bridge}`)}
  }`;
}

/** A web site in plain HTTP. */
export function site(port: number): string {
  return `server {
    listen 127.0.0.1:${port};
    location / { root html; }
    location /away { return 302 /; }
  }`;
}

/** A running nginx. Disposing of it ends it. */
export class Nginx implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
  }

  /**
   * Starts it, and waits until it listens.
   *
   * @param directory An empty directory of its own.
   * @param port Where it listens.
   * @param server Its configuration for that.
   */
  static async start(directory: string, port: number, server: string): Promise<Nginx> {
    await Deno.mkdir(`${directory}/html`);
    await Deno.writeTextFile(`${directory}/html/index.html`, "<p>A web site.</p>\n");
    await Deno.writeTextFile(`${directory}/cert.pem`, TEST_CERTIFICATE);
    await Deno.writeTextFile(`${directory}/key.pem`, TEST_KEY);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${directory}/${name};`);
    await Deno.writeTextFile(
      `${directory}/nginx.conf`,
      `daemon off;
master_process off;
pid ${directory}/pid;
error_log ${directory}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  ${server}
}
`,
    );
    const process = new Deno.Command("nginx", {
      args: ["-p", directory, "-c", `${directory}/nginx.conf`, "-e", `${directory}/error.log`],
      stdin: "null",
    }).spawn();
    const listens = async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        return false;
      }
    };
    if (await comesAbout(SOON, listens)) return new Nginx(process);
    process.kill("SIGKILL");
    throw new Error(await Deno.readTextFile(`${directory}/error.log`));
  }

  /** The process id. */
  get pid(): number {
    return this.#process.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.status;
  }
}
