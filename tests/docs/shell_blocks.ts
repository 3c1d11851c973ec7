/**
 * How the shell blocks of the documents are run.
 *
 * @module
 */

/** A command that goes on running. */
export interface Service {
  /** How it begins in the document. */
  command: string;
  /** What it says when it is ready. Named groups are values for the blocks after it. */
  ready: RegExp;
  /** A command that tries it, and ends with status 0. */
  trial?: string;
  /** Whether it runs until the end of the document, for what comes after it. */
  stays?: true;
}

/** A block that is run. */
export interface Run {
  /** Whether nothing before it and nothing after it has to do with it. It gets a directory of its own. */
  apart?: true;
  /** The programs that it needs, besides what every machine has. */
  needs?: readonly string[];
  /** The status with which it ends; 0 otherwise. */
  status?: number;
  /** Files that its reader has: their names, and paths in the checkout. */
  files?: Readonly<Record<string, string>>;
  /** Programs that are not for a test, and scripts in their place. */
  stubs?: Readonly<Record<string, string>>;
  /**
   * What is not for a test, such as an address, and what stands in its place. There `%name%` is a value
   * that a service said; otherwise a free port, the same for a name in the whole document. `%echo%` is
   * the port of a service that sends everything back, `%here%` the directory of the document.
   */
  instead?: Readonly<Record<string, string>>;
  /** Its commands that go on running, in their order. */
  services?: readonly Service[];
}

/** A block that is not run with the documents, but by something else that the gate runs. */
export interface Elsewhere {
  /** The file of that. */
  by: string;
  /** What stands there. */
  as: string;
}

/** How a block is tried. */
export type Way = Run | Elsewhere;

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

/** The blocks of each document, by how they begin. */
export const SHELL_BLOCKS: Readonly<Record<string, Readonly<Record<string, Way>>>> = {
  "README.md": {
    "npx -y deno": { by: ".ci/run", as: "npx -y deno@2.9.6 task test" },
    "deno run -A jsr:@ptlib/ptlib/cli new mumble": VERBATIM,
    "ptlib() {": {
      needs: ["obfs4proxy"],
      instead: { ...SERVER_PLACES, ...CLIENT_PLACES },
      services: [SERVER, CLIENT, CLIENT],
    },
    "ptlib tor": { needs: OBFS4_IN_TOR, apart: true },
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
      needs: OBFS4_IN_TOR,
      apart: true,
      files: { "rot13.ts": "examples/rot13.ts" },
    },
    "ptlib tor --transport webtunnel": {
      needs: ["tor", "tor-gencert", "lyrebird", "webtunnel-server"],
    },
    "ptlib new mumble": VERBATIM,
  },
  "docs/what-a-censor-sees.md": {
    "ptlib() {": { needs: ["obfs4proxy"] },
    "ptlib censor": { apart: true, needs: ["webtunnel-client", "webtunnel-server"] },
  },
};
