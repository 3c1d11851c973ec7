/** What start-up is compared with: a program that listens, says so, and waits. */

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
Deno.stdout.writeSync(new TextEncoder().encode("DONE\n"));
await listener.accept();
