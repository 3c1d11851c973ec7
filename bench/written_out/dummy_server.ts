/** The server of `examples/dummy_server.ts`, written out. */

import { serveClients } from "./serve_clients.ts";

await serveClients("dummy", (conn) => conn);
