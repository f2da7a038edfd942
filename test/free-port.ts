import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFree } from "../local/services/ports.ts";

const folder = join(tmpdir(), `keyplane-test-ports-${process.getuid?.() ?? ""}`);
const marks = new Set<string>();
process.once("exit", () => {
  for (const mark of marks) rmSync(mark, { force: true });
});

/**
 * A free port of 127.0.0.1 for a server of a test: none that another test was given, however long its server takes to
 * listen, and below those among which `up` chooses.
 */
export async function freePort(): Promise<number> {
  await mkdir(folder, { recursive: true });
  for (;;) {
    const port = randomInt(10_000, 20_000);
    const mark = join(folder, String(port));
    try {
      await writeFile(mark, String(process.pid), { flag: "wx" });
    } catch {
      // Of a test that runs, or of one that was killed long ago.
      const made = await stat(mark).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > 86_400_000) await rm(mark, { force: true });
      continue;
    }
    marks.add(mark);
    if (await isFree(port)) return port;
  }
}
