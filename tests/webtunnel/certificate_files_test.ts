import { assertEquals, assertRejects } from "@std/assert";
import { CertificateFiles } from "../../webtunnel/certificate_files.ts";
import { FakeClock } from "../timers.ts";
import {
  TEST_CERTIFICATE,
  TEST_CHAIN_CERTIFICATE,
  TEST_CHAIN_KEY,
  TEST_KEY,
} from "../net/test_certificates.ts";

/** Files in memory, and a clock that stands still, in place of Deno's. */
class Files implements Disposable {
  readonly texts: Record<string, string> = { cert: TEST_CERTIFICATE, key: TEST_KEY };
  /** What reading throws. */
  error: Error | undefined;
  /** When they were written; null where that cannot be told. */
  written: number | null = 0;
  reads = 0;
  looks = 0;
  readonly clock = new FakeClock(0);
  readonly #real = { readTextFile: Deno.readTextFile, stat: Deno.stat };

  constructor() {
    Object.assign(Deno, {
      readTextFile: (path: string) => {
        this.reads++;
        return this.error ? Promise.reject(this.error) : Promise.resolve(this.texts[path]);
      },
      stat: (path: string) => {
        this.looks++;
        if (this.written === null) return Promise.reject(new Deno.errors.NotFound());
        return Promise.resolve({
          mtime: new Date(this.written),
          size: this.texts[path]!.length,
          ino: 1,
        });
      },
    });
  }

  [Symbol.dispose](): void {
    this.clock[Symbol.dispose]();
    Object.assign(Deno, this.#real);
  }
}

function open(told: string[] = []): Promise<CertificateFiles> {
  return CertificateFiles.open(["cert", "key"], (severity, text) => {
    told.push(`${severity}: ${text}`);
  });
}

const PAIR = { cert: TEST_CERTIFICATE, key: TEST_KEY };
const RENEWED = { cert: TEST_CHAIN_CERTIFICATE, key: TEST_CHAIN_KEY };
const OTHER_KEY =
  "warning: The old certificate stays in use: The key of key= is another one than that of the certificate of cert=";

Deno.test("CertificateFiles looks at its files once in 10 s, and reads only what is new", async () => {
  using files = new Files();
  const certificate = await open();
  assertEquals([files.looks, files.reads], [2, 2]);
  files.clock.now = 9_999;
  assertEquals(await certificate.current(), PAIR);
  assertEquals(files.looks, 2);
  files.clock.now = 10_000;
  assertEquals(await certificate.current(), PAIR);
  assertEquals(await certificate.current(), PAIR);
  assertEquals([files.looks, files.reads], [4, 2]);
  Object.assign(files.texts, RENEWED);
  files.written = 1;
  files.clock.now = 19_999;
  assertEquals(await certificate.current(), PAIR);
  files.clock.now = 20_000;
  assertEquals(await certificate.current(), RENEWED);
  assertEquals([files.looks, files.reads], [6, 4]);
});

Deno.test("CertificateFiles has all who wait for a look get what it brings", async () => {
  using files = new Files();
  const certificate = await open();
  Object.assign(files.texts, RENEWED);
  files.written = 1;
  files.clock.now = 10_000;
  const both = await Promise.all([certificate.current(), certificate.current()]);
  assertEquals(both, [RENEWED, RENEWED]);
  assertEquals(files.looks, 4);
});

Deno.test("CertificateFiles warns once of what stays wrong, and not of what comes in parts", async () => {
  using files = new Files();
  const told: string[] = [];
  const certificate = await open(told);
  const look = async () => {
    files.clock.now += 10_000;
    return await certificate.current();
  };
  for (const written of [1, 2, 3]) {
    files.texts["cert"] = TEST_CHAIN_CERTIFICATE;
    files.written = written;
    assertEquals(await look(), PAIR);
  }
  assertEquals(told, []);
  for (let times = 0; times < 3; times++) assertEquals(await look(), PAIR);
  assertEquals(told, [OTHER_KEY]);
  files.written = 4;
  for (let times = 0; times < 3; times++) await look();
  assertEquals(told, [OTHER_KEY, OTHER_KEY]);
  files.texts["key"] = TEST_CHAIN_KEY;
  assertEquals(await look(), RENEWED);
  const used = "notice: The renewed certificate of cert= is in use";
  assertEquals(told, [OTHER_KEY, OTHER_KEY, used]);
});

Deno.test("CertificateFiles reads again where it cannot be told whether they are new", async () => {
  using files = new Files();
  const certificate = await open();
  files.written = null;
  files.clock.now = 10_000;
  Object.assign(files.texts, RENEWED);
  assertEquals(await certificate.current(), RENEWED);
});

const { NotCapable, NotFound, PermissionDenied } = Deno.errors;

for (
  const [error, why] of [
    [new NotCapable(), "Deno was not granted to read it: add --allow-read=cert"],
    [new NotFound(), "there is no such file"],
    [new PermissionDenied(), "this user may not read it"],
    [new Error("It is a directory"), "It is a directory"],
  ] as const
) {
  Deno.test(`CertificateFiles says of a file: ${why}`, async () => {
    using files = new Files();
    files.error = error;
    const { message, cause } = await assertRejects(() => open(), Error);
    assertEquals([message, cause], [`The file of cert= cannot be used: ${why}`, error]);
  });
}

/** Opens while Deno's own server throws. */
async function openWhile(error: Error): Promise<CertificateFiles> {
  using _files = new Files();
  const { listenTls } = Deno;
  Object.assign(Deno, {
    listenTls: () => {
      throw error;
    },
  });
  try {
    return await open();
  } finally {
    Object.assign(Deno, { listenTls });
  }
}

Deno.test("CertificateFiles refuses what TLS cannot use, where that can be tried", async () => {
  const refused = new Error("failed to parse private key as RSA, ECDSA, or EdDSA");
  const { message, cause } = await assertRejects(() => openWhile(refused), Error);
  assertEquals([/of a kind that TLS cannot use/.test(message), cause], [true, refused]);
  assertEquals(await (await openWhile(new NotCapable())).current(), PAIR);
  const shortage = Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  assertEquals(await (await openWhile(shortage)).current(), PAIR);
});

for (const [file, what] of [["cert", "certificate"], ["key", "private key"]] as const) {
  Deno.test(`CertificateFiles says that there is no ${what} in ${file}=`, async () => {
    using files = new Files();
    files.texts[file] = "junk";
    const { message, cause } = await assertRejects(() => open(), Error);
    assertEquals(message, `The file of ${file}= has no ${what} in PEM that can be read`);
    assertEquals(cause instanceof Error, true);
  });
}
