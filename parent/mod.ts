/**
 * The parent's side of the protocol: start any pluggable transport, and connect through it.
 *
 * @module
 */

export {
  type ClientMethod,
  type FailureMessage,
  type LogMessage,
  type Message,
  type MethodFailureMessage,
  parseLine,
  type ServerMethod,
  type StatusMessage,
  type StatusVersionMessage,
  type UnknownMessage,
} from "./line.ts";
export { LineReader } from "./line_reader.ts";
