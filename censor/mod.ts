/**
 * What a censor sees of a pluggable transport: published rules over recorded connections. Every
 * finding says where its rule is from and what it does not prove. A pass says that these published
 * rules do not see a transport; it is no promise.
 *
 * @module
 */

export { byPosition, entropy, type Place } from "./byte_statistics.ts";
export { CensorError } from "./censor_error.ts";
export { type ClientHello, parseClientHello } from "./client_hello.ts";
export type { Finding, Judgement, RuleInfo, Sight } from "./finding.ts";
export { type Burst, bursts, firstPayload, type Flow, type Segment } from "./flow.ts";
export { type Exemption, exemptions, isFullyEncrypted } from "./fully_encrypted.ts";
export { type HttpRequest, parseHttpRequest } from "./http_request.ts";
export { findNestedHandshakes } from "./nested_handshake.ts";
export { askNdpi } from "./ndpi.ts";
export { type Observation, observe, type ObserveOptions } from "./observe.ts";
export { judge, rules } from "./passive_rules.ts";
export { toPcap } from "./pcap.ts";
export { judgeProbes, probeRules } from "./probe_rules.ts";
export type { Probing } from "./probe_server.ts";
export type { Load, Recording } from "./recording.ts";
export {
  commonLengths,
  findLengthField,
  findLengthRelation,
  fixedPlaces,
  hasFewLengths,
  type LengthField,
  type LengthRelation,
  lengthsOf,
} from "./regularity.ts";
export type { Ending, Probe, ProbeOutcome } from "./send_probe.ts";
export { type ReportPage, reportPage } from "./report_page.ts";
export { fromCapture } from "./tcp_streams.ts";
export { ja3, ja4 } from "./tls_fingerprint.ts";
