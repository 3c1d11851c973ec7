/** The client of `examples/dummy_client.ts`, written out. */

import { serveUsers } from "./serve_users.ts";

await serveUsers("dummy", (conn) => conn);
