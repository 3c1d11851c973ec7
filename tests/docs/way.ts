/**
 * How a shell block of a document is tried.
 *
 * @module
 */

/** A command that goes on running. */
export interface Service {
  /** How it begins in the document; all of it where it is not there. */
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
  /** Whether nothing after it has to do with it: those blocks do not wait for it. */
  apart?: true;
  /**
   * The programs that it needs, besides what every machine has; or `deno bundle`, or `namespace` for a
   * network namespace.
   */
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
   * the port of a service that sends everything back, `%here%` the directory of the document,
   * `%checkout%` that of ptlib, and `%path%` the PATH without what is put before it here.
   */
  instead?: Readonly<Record<string, string>>;
  /** What has to run beside it, and does so until the end of the document. */
  beside?: readonly Service[];
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
