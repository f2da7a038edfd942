import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { stopServices } from "../local/services/index.ts";
import { milliseconds, type Row, type Scale, timed } from "./measure.ts";

/**
 * How long `keyplane up` takes: from nothing, again at once, and after `down`. With `cold` also from an empty tool
 * cache, so that every tool is downloaded or built anew.
 */
export async function timesOfUp({ cold, say }: Scale): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  const home = join(folder, "home");
  const keyplane = (args: string[], environment: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, [resolve("cli/keyplane.ts"), ...args], {
      env: { ...process.env, KEYPLANE_HOME: home, ...environment },
      maxBuffer: 1 << 26,
    });
  try {
    const rows: Row[] = [];
    if (cold) {
      say("up: getting every tool anew, which takes a quarter of an hour where they must be built");
      const empty = { XDG_CACHE_HOME: join(folder, "cache") };
      const time = await timed(() => keyplane(["up"], empty));
      rows.push({
        what: "`keyplane up`, first, with its tour, no tool in the cache (cold)",
        measured: milliseconds(time),
      });
      await keyplane(["down", "--delete"]);
    }
    const first = await timed(() => keyplane(["up"]));
    const again = await timed(() => keyplane(["up", "--no-tour"]));
    await keyplane(["down"]);
    const restarted = await timed(() => keyplane(["up", "--no-tour"]));
    rows.push(
      {
        what: "`keyplane up`, first, with its tour, tools in the cache (warm)",
        measured: milliseconds(first),
      },
      { what: "`keyplane up --no-tour`, again, everything running", measured: milliseconds(again) },
      { what: "`keyplane up --no-tour`, after `keyplane down`", measured: milliseconds(restarted) },
    );
    return rows;
  } finally {
    await stopServices(home, { deleteData: true, report: () => {} });
    await rm(folder, { recursive: true, force: true });
  }
}
