/** Every property there is. */

import { addressProperties } from "./address_properties.ts";
import { argsProperties } from "./args_properties.ts";
import { bridgeLineProperties } from "./bridge_line_properties.ts";
import { captureProperties } from "./capture_properties.ts";
import { censorProperties } from "./censor_properties.ts";
import { configProperties } from "./config_properties.ts";
import { cstringProperties } from "./cstring_properties.ts";
import { extOrPortProperties } from "./ext_orport_properties.ts";
import { framesProperties } from "./frames_properties.ts";
import { headProperties } from "./head_properties.ts";
import { lineProperties } from "./line_properties.ts";
import { negotiationProperties } from "./negotiation_properties.ts";
import type { NamedProperty } from "./property.ts";
import { proxyProperties } from "./proxy_properties.ts";
import { reportProperties } from "./report_properties.ts";
import { scrubProperties } from "./scrub_properties.ts";
import { socksProperties } from "./socks_properties.ts";
import { webtunnelProperties } from "./webtunnel_properties.ts";
import { webtunnelServerProperties } from "./webtunnel_server_properties.ts";

/** The properties of all subjects. */
export const allProperties: readonly NamedProperty[] = [
  ...configProperties,
  ...addressProperties,
  ...argsProperties,
  ...bridgeLineProperties,
  ...cstringProperties,
  ...lineProperties,
  ...negotiationProperties,
  ...reportProperties,
  ...scrubProperties,
  ...socksProperties,
  ...proxyProperties,
  ...extOrPortProperties,
  ...headProperties,
  ...framesProperties,
  ...webtunnelProperties,
  ...webtunnelServerProperties,
  ...captureProperties,
  ...censorProperties,
];
