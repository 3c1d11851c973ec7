/** What the programs of the load may do. */

export const USERS_PERMISSIONS = ["--allow-net=127.0.0.1"];

/** It keeps the cookie of an Extended ORPort in a directory for temporary files. */
export const DESTINATION_PERMISSIONS = [
  "--allow-net=127.0.0.1",
  "--allow-read",
  "--allow-write",
];
