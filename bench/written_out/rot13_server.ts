/** The server of `examples/rot13.ts`, written out. */

import { byTable } from "../rot13.ts";
import { serveClients } from "./serve_clients.ts";

await serveClients("rot13", byTable);
