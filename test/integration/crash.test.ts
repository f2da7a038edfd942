import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { layout } from "../../local/services/home.ts";
import { stopServices } from "../../local/services/index.ts";
import { type UpOptions, up } from "../../local/up.ts";
import { killService } from "./running-services.ts";
import { assertBootstrapPasswordsAreDead, assertMadeOnce } from "./support/converged.ts";
import { spawnKeyplane } from "./support/keyplane.ts";
import { crashes, momentsOver } from "./support/seeded.ts";

/**
 * How far an `up` of a new home is, from 0 to 1: by the lines that it has said until Vault audits its first request, then by
 * how much Vault has audited. Not by time, so that a moment means the same on a busy machine.
 */
const starting = 0.3;
const whole = { linesUntilAudit: 0, audited: 0 };

test("the password that a database's manager is made with logs nobody in after the update", async () => {
  await withHome(async (home) => {
    const { child, ended } = spawnKeyplane(home, ["up", "--no-tour"]);
    const said = linesOf(child);
    while (child.exitCode === null && (await audited(home)) === 0) await sleep(10);
    whole.linesUntilAudit = said.lines;
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
    whole.audited = await audited(home);

    const again = await up(options(home));
    assert.equal(await assertBootstrapPasswordsAreDead(home, again), again.model.databases.length);
  });
});

// Ten moments in all by default: four of `up`, three of Vault and three of Postgres.
const during = Math.round(crashes / 3);
const ofUp = process.env.KEYPLANE_SCALE === "prove" ? crashes : crashes - 2 * during;

/**
 * Moments of one home, from early to late: each run is killed, the next one goes on from what it left, and the last one
 * converges. In `npm run prove` every crash has a home of its own.
 */
function inHomes(moments: number[]): number[][] {
  return process.env.KEYPLANE_SCALE === "prove" ? moments.map((moment) => [moment]) : [moments];
}

test(`kill -9 of \`up\` at ${ofUp} seeded moments: the next one goes on, the last converges, makes nothing twice, and leaves nothing to change`, async (t) => {
  let killed = 0;
  for (const moments of inHomes(momentsOver(1, ofUp, 1_605))) {
    await withHome(async (home) => {
      let seen = "";
      for (const moment of moments) {
        const { child, ended } = spawnKeyplane(home, ["up", "--no-tour"]);
        await reach(moment, home, child);
        if (child.kill("SIGKILL")) killed++;
        const { code, stderr } = await ended;
        seen = `at ${moment.toFixed(2)} of the run ${code === null ? "killed" : `ended with ${code}`}, last line: ${lastLine(stderr)}`;
        t.diagnostic(seen);
        assert.ok(code === null || code === 0, seen);
      }
      await assertConverges(home, seen);
    });
  }
  assert.ok(killed >= ofUp - 1, `${killed} of ${ofUp} were killed before they ended`);
});

// The moments of issuing credentials are in crash-credentials.test.ts.
for (const victim of ["vault", "postgres"] as const) {
  test(`kill -9 of ${victim} at ${during} seeded moments of an \`up\`: it names what ended and what to do (exit 3), the next one goes on, and the last converges`, async (t) => {
    for (const moments of inHomes(momentsOver(1 - starting, during, victim.length))) {
      await withHome(async (home) => {
        let seen = "";
        for (const moment of moments) {
          const { child, ended } = spawnKeyplane(home, ["up", "--no-tour"]);
          await reach(starting + moment, home, child);
          await killService(home, victim);
          const { code, stderr } = await ended;
          seen = `at ${(starting + moment).toFixed(2)} of the run, which ended with ${code}: ${lastLine(stderr)}`;
          t.diagnostic(seen);
          if (code === 0) continue;
          assert.equal(code, 3, seen);
          assert.match(stderr, new RegExp(`error: ${victim} .*keyplane up`, "s"), seen);
        }
        await assertConverges(home, seen);
      });
    }
  });
}

async function assertConverges(home: string, seen: string): Promise<void> {
  try {
    const next = await up(options(home));
    await assertMadeOnce(home, next);
    const preview = await up({ ...options(home), dryRun: true });
    assert.deepEqual(Object.keys(preview.changes), ["same"]);
  } catch (cause) {
    throw new Error(`${seen}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Waits until a run is so far, or has ended. */
async function reach(moment: number, home: string, child: ChildProcess): Promise<void> {
  if (moment < starting) {
    const said = linesOf(child);
    const place = (moment / starting) * whole.linesUntilAudit;
    while (child.exitCode === null && said.lines < Math.floor(place)) await sleep(2);
    // Somewhere before the next line, which may come at once or after a second.
    await sleep((place % 1) * 400);
    return;
  }
  // What runs before it in the same home have audited counts; that this one is at it counts as well.
  const before = await audited(home);
  const wanted = ((moment - starting) / (1 - starting)) * whole.audited;
  while (child.exitCode === null && (await audited(home)) < Math.max(before + 1, wanted)) await sleep(5);
}

function linesOf(child: ChildProcess): { lines: number } {
  const said = { lines: 0 };
  child.stderr?.on("data", (text: string) => {
    said.lines += text.split("\n").length - 1;
  });
  return said;
}

/** Bytes that Vault has audited. */
async function audited(home: string): Promise<number> {
  try {
    return (await stat(join(layout(home).audit[0], "audit.log"))).size;
  } catch {
    return 0;
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

function options(home: string): UpOptions {
  return { home, catalogue: "catalogue", dryRun: false, providers: "local", report: () => {} };
}

async function withHome(use: (home: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-crash-"));
  const home = join(folder, "home");
  try {
    await use(home);
  } finally {
    await stopServices(home, { deleteData: true, report: () => {} });
    await rm(folder, { recursive: true, force: true });
  }
}
