/** The client of `examples/rot13.ts`, written out. */

import { byTable } from "../rot13.ts";
import { serveUsers } from "./serve_users.ts";

await serveUsers("rot13", byTable);
