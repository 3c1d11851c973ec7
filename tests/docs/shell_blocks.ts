/**
 * How the shell blocks of the documents are run. One that is not here fails the tests, and so does an
 * entry without a block.
 *
 * @module
 */

import type { Run, Service, Way } from "./way.ts";

const VERBATIM: Run = {};

/** The two ends of obfs4, and what stands for their addresses and arguments. */
const SERVER: Service = {
  command: "ptlib server",
  ready: /--args '(?<args>cert=[^']*)'.*\n(?<line>obfs4 .*)/,
  stays: true,
};
const CLIENT: Service = {
  command: "ptlib client",
  ready: /listening on 127\.0\.0\.1/,
  trial: "through %client%",
};
const SERVER_PLACES = {
  "0.0.0.0:5678": "127.0.0.1:%server%",
  "127.0.0.1:22 ": "127.0.0.1:%echo% ",
};
const CLIENT_PLACES = {
  "obfs4 192.0.2.7:5678 cert=... iat-mode=0": "%line%",
  "192.0.2.7:5678": "127.0.0.1:%server%",
  "cert=...;iat-mode=0": "%args%",
  "127.0.0.1:1234": "127.0.0.1:%client%",
};

const OBFS4_IN_TOR = ["tor", "tor-gencert", "obfs4proxy"];

const WEBTUNNEL_IN_TOR = ["tor", "tor-gencert", "lyrebird", "webtunnel-server"];

/** A web site, and a bridge in front of it that is one, as docs/webtunnel.md sets it up. */
const WEB_SITE: Service = {
  command: `deno eval '
    const listening = { hostname: "127.0.0.1", port: %site%, onListen: () => console.log("ready") };
    Deno.serve(listening, () => new Response("Tomatoes"));
  '`,
  ready: /ready/,
};
const WEB_BRIDGE: Service = {
  command:
    `openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=bridge.example \\
      -addext subjectAltName=DNS:bridge.example -keyout key.pem -out cert.pem 2> openssl.txt
    options='url=https://bridge.example/SECRET cert=%here%/cert.pem key=%here%/key.pem fallback=127.0.0.1:%site%'
    export TOR_PT_SERVER_TRANSPORT_OPTIONS="webtunnel:\${options// /;webtunnel:}"
    export TOR_PT_MANAGED_TRANSPORT_VER=1 TOR_PT_STATE_LOCATION=%here%/state TOR_PT_ORPORT=127.0.0.1:%echo%
    export TOR_PT_SERVER_TRANSPORTS=webtunnel TOR_PT_SERVER_BINDADDR=webtunnel-127.0.0.1:%bridge%
    deno run -A jsr:@ptlib/ptlib/webtunnel/main`,
  ready: /SMETHODS DONE/,
};

/** What only root may do, done as whoever runs the tests. */
const SUDO = { "sudo": `mkdir -p %here%/bin; [ "$1" = -u ] && shift 2; exec "$@"` };

/** How several blocks begin. */
const NEW_SECRET =
  "secret=$(deno eval 'console.log(crypto.getRandomValues(new Uint8Array(32)).toHex())')\n";

/** The blocks of each document, by how they begin. */
export const SHELL_BLOCKS: Readonly<Record<string, Readonly<Record<string, Way>>>> = {
  "CONTRIBUTING.md": {
    "deno task ok": { by: "tests/docs/tasks_test.ts", as: "every deno task that a document names" },
    "deno task test tests/args_test.ts": {
      instead: {
        "deno task": "cd %checkout%; deno task",
      },
    },
    "deno run -A tests/std/with_real_std.ts": {
      instead: {
        "tests/std/with_real_std.ts": "%checkout%/tests/std/with_real_std.ts",
        "PATH_TO_STD": "%checkout%/tests/std",
        "deno task test": "deno task --help",
      },
    },
  },
  "README.md": {
    "npx -y deno": { by: ".ci/run", as: "npx -y deno@2.9.6 task test" },
    "deno run -A jsr:@ptlib/ptlib/cli new mumble": VERBATIM,
    "ptlib() {": {
      apart: true,
      needs: ["tor", "tor-gencert"],
      files: { "keyed.ts": "examples/keyed.ts" },
    },
    "ptlib server": {
      needs: ["obfs4proxy"],
      instead: { ...SERVER_PLACES, ...CLIENT_PLACES },
      services: [SERVER, CLIENT, CLIENT],
    },
    "ptlib check": { needs: ["obfs4proxy"], status: 1 },
    "ptlib censor": { apart: true, needs: ["obfs4proxy"] },
  },
  "docs/command-line.md": {
    "ptlib() {": VERBATIM,
    "ptlib server": { needs: ["obfs4proxy"], instead: SERVER_PLACES, services: [SERVER] },
    "ptlib client": {
      needs: ["obfs4proxy"],
      instead: { ...CLIENT_PLACES, "ssh -p 1234 127.0.0.1": "through %client%" },
      services: [CLIENT, { ...CLIENT, stays: true }],
    },
    "ptlib tor --transport obfs4": {
      apart: true,
      needs: OBFS4_IN_TOR,
      files: { "rot13.ts": "examples/rot13.ts" },
    },
    "ptlib tor --transport webtunnel": { apart: true, needs: WEBTUNNEL_IN_TOR },
    "ptlib new mumble": {
      by: "tests/cli/new_command_test.ts",
      as: "ptlib new writes what passes every gate",
    },
  },
  "docs/first-transport.md": {
    "npm install -g deno": { by: ".ci/run", as: "npx -y deno@2.9.6" },
    "ptlib() {": VERBATIM,
    "ptlib new mumble": VERBATIM,
    // tests/cli/new_command_test.ts checks what has just been written; here it is checked further down.
    "cd mumble": { instead: { "deno task check": "" } },
    "sed -i.old 's/byte": VERBATIM,
    "deno eval": VERBATIM,
    [`${NEW_SECRET}deno task check --only`]: VERBATIM,
    "deno fmt": VERBATIM,
    [`${NEW_SECRET}deno task check --failures`]: { apart: true },
    "secret=$(printf": { apart: true, needs: ["tor", "tor-gencert"] },
    [`${NEW_SECRET}deno task censor`]: { apart: true },
    "deno task bundle": { needs: ["deno bundle"] },
  },
  "docs/permissions.md": {
    "ptlib new mumble": VERBATIM,
    "cd mumble": VERBATIM,
    "TOR_PT_MANAGED_TRANSPORT_VER=1 TOR_PT_STATE_LOCATION=\"$PWD/state\" TOR_PT_CLIENT_TRANSPORTS=mumble \\\n  TOR_PT_EXIT_ON_STDIN_CLOSE=1 \\\n  deno run --no-prompt '--allow-env=TOR_PT_*' transport.ts":
      VERBATIM,
    "TOR_PT_MANAGED_TRANSPORT_VER=1 TOR_PT_STATE_LOCATION=\"$PWD/state\" TOR_PT_CLIENT_TRANSPORTS=mumble \\\n  TOR_PT_EXIT_ON_STDIN_CLOSE=1 \\\n  deno run --no-prompt '--allow-env=TOR_PT_*' --allow-net":
      VERBATIM,
  },
  "docs/put-it-into-tor.md": {
    "deno bundle": {
      needs: ["deno bundle"],
      files: { "rot13.ts": "examples/rot13.ts" },
      stubs: SUDO,
      instead: { "/usr/local/": "%here%/" },
    },
    "sudo cp --remove-destination": {
      needs: ["deno bundle"],
      instead: {
        "/usr/local/": "%here%/",
        // npm has made a link.
        "sudo cp": "mv bin/deno bin/real; ln -s real bin/deno; sudo cp",
      },
    },
    "sudo sysctl": { stubs: { "sysctl": "" } },
    "sudo -u debian-tor tor": {
      needs: ["tor", "deno bundle"],
      instead: {
        "--verify-config":
          "--verify-config --ignore-missing-torrc -f none --DataDirectory %here%/tor",
        "/usr/local/": "%here%/",
        "/tmp/rot13": "%here%/state",
      },
    },
    "sudo systemctl": { stubs: { "systemctl": "", "journalctl": "" } },
  },
  "docs/shipping.md": {
    "ptlib new mumble": { needs: ["deno bundle"] },
    "DENO_DIR=": { needs: ["deno bundle"] },
    "sudo -u debian-tor": {
      stubs: SUDO,
      instead: {
        "/var/lib/tor/deno": "%here%/deno",
        "/usr/local/bin/deno": "deno",
        "/usr/local/lib/mumble/": "",
      },
    },
    "deno bundle": { needs: ["deno bundle"] },
  },
  "docs/troubleshooting.md": {
    "ptlib new mumble": { instead: { "/tmp/mumble": "%here%/state" } },
  },
  "docs/webtunnel.md": {
    "deno bundle": {
      needs: ["deno bundle"],
      instead: { "/usr/local/lib/webtunnel/": "%here%/" },
    },
    "apt-get install tor certbot": {
      stubs: {
        "apt-get": "mkdir -p %here%/etc/letsencrypt/renewal-hooks/deploy",
        "certbot": `export RENEWED_LINEAGE=%here%
          touch fullchain.pem privkey.pem
          [ "\${*: -2:1}" = --deploy-hook ] && sh -e "\${*: -1}"`,
      },
      // Only root may give files to another group.
      instead: { "/etc/": "%here%/etc/", " -g debian-tor": "" },
    },
    "journalctl": {
      needs: ["curl", "openssl"],
      stubs: {
        "journalctl": "echo webtunnel",
        "curl": 'exec /usr/bin/env PATH="%path%" curl -sk --connect-to ::127.0.0.1:%bridge% "$@"',
      },
      beside: [WEB_SITE, WEB_BRIDGE],
      status: 28, // Curl has waited for 2 seconds, as the document says.
    },
    "openssl": { needs: ["openssl"] },
    "ptlib server": {
      needs: ["openssl", "deno bundle"],
      instead: {
        "127.0.0.1:8443": "127.0.0.1:%webtunnel%",
        "127.0.0.1:22 ": "127.0.0.1:%echo% ",
        "127.0.0.1:8080": "127.0.0.1:%site%",
        "/usr/local/lib/webtunnel/": "%here%/",
      },
      services: [{
        command: "ptlib server",
        ready: /(?<webtunnelLine>webtunnel \[.*)/,
        stays: true,
      }],
    },
    "ptlib client": {
      needs: ["openssl", "deno bundle"],
      instead: {
        "webtunnel [2001:db8::1]:443 cert=... url=https://127.0.0.1:8443/SECRET": "%webtunnelLine%",
        "127.0.0.1:1234": "127.0.0.1:%client%",
        "/usr/local/lib/webtunnel/": "%here%/",
      },
      services: [CLIENT],
    },
  },
  "docs/what-a-censor-sees.md": {
    "ptlib() {": { needs: ["obfs4proxy"] },
    "ptlib censor": { apart: true, needs: ["lyrebird", "webtunnel-server"] },
  },
  "docs/what-it-costs.md": {
    "top": { needs: ["top"], instead: { "-d 5": "-d 0.1" }, stubs: { "pgrep": "echo 1" } },
    "iptables": {
      needs: ["namespace", "iptables"],
      instead: { "iptables": "unshare --map-root-user --net iptables" },
    },
    "tor --DataDirectory": { needs: ["tor"], instead: { "/var/lib/": "%here%/" } },
    "env DENO_NO_UPDATE_CHECK=1": {
      files: { "rot13.ts": "examples/rot13.ts" },
      instead: {
        "/var/lib/": "%here%/",
        "/usr/local/lib/rot13/": "%here%/",
        "0.0.0.0:4443": "127.0.0.1:%rot13%",
        "127.0.0.1:10000": "127.0.0.1:%haproxy%",
      },
      services: [{ command: "env", ready: /^SMETHODS DONE$/m }],
    },
  },
};
