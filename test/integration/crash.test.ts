import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exit, exitCode } from "../../cli/exit.ts";
import { layout } from "../../local/services/home.ts";
import { stopServices } from "../../local/services/index.ts";
import { type UpOptions, type UpResult, up } from "../../local/up.ts";
import { killService } from "./running-services.ts";
import { type ChangingCatalogue, changingCatalogue } from "./support/changing-catalogue.ts";
import { assertBootstrapPasswordsAreDead, assertMadeOnce } from "./support/converged.ts";
import { type Run, spawnKeyplane } from "./support/keyplane.ts";
import { crashes, momentsOver } from "./support/seeded.ts";

// Crashes of a first start are in kill-services.test.ts as well, those of issuing credentials in crash-credentials.test.ts.

/**
 * By default all crashes happen in one home, whose catalogue changes before every third of them, so that the run that is
 * killed has something to make and something to take away; the others have to find that nothing is to be done. In `npm run
 * prove` each has a home of its own and the shipped catalogue.
 */
const prove = process.env.KEYPLANE_SCALE === "prove";
const count = prove ? Math.ceil(crashes / 3) : 4;

interface Stack {
  home: string;
  catalogue: string;
}

let changing: ChangingCatalogue;
let shared: Stack;

before(async () => {
  changing = await changingCatalogue();
  shared = { home: await newHome(), catalogue: changing.folder };
});
after(async () => {
  await remove(shared);
  await changing[Symbol.asyncDispose]();
});

/**
 * How far a run is, from 0 to 1: by the lines that it has said until Vault audits something, then by how much Vault has
 * audited. Not by time, so that a moment means the same on a busy machine.
 */
const starting = prove ? 0.3 : 0;
const whole = { linesUntilAudit: 0, audited: 0, auditedWithoutChange: 0 };

test("kill -9 of `up` in the midst of the first update: the next one exits 0, and the password that a database's manager was made with logs nobody in", async (t) => {
  const { child, ended } = command(shared);
  // About a third of what the first update has Vault audit.
  while (child.exitCode === null && (await audited(shared)) < 150_000) await sleep(5);
  child.kill("SIGKILL");
  const { code, stderr } = await ended;
  t.diagnostic(lastLine(stderr));
  assert.equal(code, null, `it ended by itself:\n${stderr}`);
  await assertExits0(shared, lastLine(stderr));
  const from = await audited(shared);
  const again = await up(options(shared));
  whole.auditedWithoutChange = (await audited(shared)) - from;
  assert.equal(again.changed, 0);
  assert.equal(await assertBootstrapPasswordsAreDead(shared.home, again), again.model.databases.length);
});

test("how much a run has Vault audit is known before the moments in it are chosen", async (t) => {
  if (prove) await inNewHome(measure);
  else {
    await changing.change();
    await measure(shared);
  }
  t.diagnostic(JSON.stringify(whole));
  assert.ok(whole.audited > whole.auditedWithoutChange && whole.auditedWithoutChange > 10_000);
});

test(`kill -9 of \`up\` at ${count} seeded moments: the next one exits 0 each time, makes nothing twice, and leaves nothing to change`, async (t) => {
  let landed = 0;
  await atMoments(1_605, 0, async (stack, moment, toAudit) => {
    const { child, ended } = command(stack);
    await reach(moment, stack, { toAudit, isOver: () => child.exitCode !== null, said: linesOf(child) });
    child.kill("SIGKILL");
    const { code, stderr } = await ended;
    assert.ok(code === null || code === exit.clean, stderr);
    if (code === null) landed++;
    const seen = `at ${moment.toFixed(2)} ${code === null ? "killed" : "had ended"}, last line: ${lastLine(stderr)}`;
    t.diagnostic(seen);
    await assertExits0(stack, seen);
  });
  assert.ok(landed >= count * 0.9, `${landed} of ${count} were killed before they ended`);
});

/** At least so many of ten kills stop the run: Postgres is needed in parts of it only. */
for (const [victim, atLeast] of [
  ["vault", 8],
  ["postgres", 4],
] as const) {
  test(`kill -9 of ${victim} at ${count} seeded moments of an \`up\`: it names what ended and what to do (exit 3), the next one goes on each time and leaves nothing to change`, async (t) => {
    let [landed, stopped] = [0, 0];
    await atMoments(victim.length, starting, async (stack, moment, toAudit) => {
      const run = { isOver: false };
      const ended = outcomeOf(up(options(stack))).finally(() => {
        run.isOver = true;
      });
      await reach(moment, stack, { toAudit, isOver: () => run.isOver });
      if (!run.isOver) landed++;
      await killService(stack.home, victim);
      const { code, said } = await ended;
      const seen = `at ${moment.toFixed(2)} of the run, which ended with ${code}: ${lastLine(said)}`;
      t.diagnostic(seen);
      if (code !== exit.clean) {
        stopped++;
        assert.equal(code, exit.unreachable, seen);
        assert.match(said, new RegExp(`^${victim} .*keyplane up`, "s"), seen);
      }
      const next = await outcomeOf(up(options(stack)));
      assert.equal(next.code, exit.clean, `${seen}\n${next.said}`);
    });
    assert.ok(landed >= count * 0.9, `${landed} of ${count} kills were before the run ended`);
    assert.ok(stopped >= Math.floor((count * atLeast) / 10), `${stopped} of ${count} kills stopped the run`);
  });
}

/** Has a crash happen at each moment; nothing is left to change after the last, in `npm run prove` after each. */
async function atMoments(
  seed: number,
  from: number,
  crash: (stack: Stack, moment: number, toAudit: number) => Promise<void>,
): Promise<void> {
  for (const [index, moment] of momentsOver(1 - from, count, seed).entries()) {
    const changes = prove || index % 3 === 0;
    const toAudit = changes ? whole.audited : whole.auditedWithoutChange;
    if (prove) {
      await inNewHome(async (stack) => {
        await crash(stack, from + moment, toAudit);
        await assertNothingLeft(stack);
      });
    } else {
      if (changes) await changing.change();
      await crash(shared, from + moment, toAudit);
    }
  }
  if (!prove) await assertNothingLeft(shared);
}

/** The command, as a process of its own. */
function command({ home, catalogue }: Stack): { child: ChildProcess; ended: Promise<Run> } {
  return spawnKeyplane(home, ["up", "--no-tour", "--catalogue", catalogue]);
}

function options({ home, catalogue }: Stack): UpOptions {
  return { home, catalogue, dryRun: false, providers: "local", report: () => {} };
}

/** The exit code that the command has for it, and what it says. */
async function outcomeOf(run: Promise<UpResult>): Promise<{ code: number; said: string }> {
  try {
    await run;
    return { code: exit.clean, said: "" };
  } catch (error) {
    return { code: exitCode(error), said: error instanceof Error ? error.message : String(error) };
  }
}

async function assertExits0(stack: Stack, seen: string): Promise<void> {
  const { code, stderr } = await command(stack).ended;
  assert.equal(code, exit.clean, `after ${seen}\n${stderr}`);
}

async function assertNothingLeft(stack: Stack): Promise<void> {
  const preview = await up({ ...options(stack), dryRun: true });
  assert.deepEqual(preview.touched, []);
  await assertMadeOnce(stack.home, preview);
}

async function measure(stack: Stack): Promise<void> {
  const from = await audited(stack);
  const { child, ended } = command(stack);
  const said = linesOf(child);
  while (child.exitCode === null && (await audited(stack)) === from) await sleep(10);
  whole.linesUntilAudit = said.lines;
  const { code, stderr } = await ended;
  assert.equal(code, exit.clean, stderr);
  whole.audited = (await audited(stack)) - from;
}

/**
 * Waits until a run is so far, or is over.
 * @param toAudit bytes that Vault audits in the whole of it
 */
async function reach(
  moment: number,
  stack: Stack,
  {
    toAudit,
    isOver,
    said = { lines: 0 },
  }: { toAudit: number; isOver: () => boolean; said?: { lines: number } },
): Promise<void> {
  const from = await audited(stack);
  if (moment < starting) {
    const place = (moment / starting) * whole.linesUntilAudit;
    while (!isOver() && said.lines < Math.floor(place)) await sleep(2);
    // Somewhere before the next line, which may come at once or after a second.
    await sleep((place % 1) * 400);
    return;
  }
  const wanted = ((moment - starting) / (1 - starting)) * toAudit;
  while (!isOver() && (await audited(stack)) < from + Math.max(1, wanted)) await sleep(5);
}

function linesOf(child: ChildProcess): { lines: number } {
  const said = { lines: 0 };
  child.stderr?.on("data", (text: string) => {
    said.lines += text.split("\n").length - 1;
  });
  return said;
}

/** Bytes that Vault has audited. */
async function audited({ home }: Stack): Promise<number> {
  try {
    return (await stat(join(layout(home).audit[0], "audit.log"))).size;
  } catch {
    return 0;
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

async function newHome(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), "keyplane-crash-")), "home");
}

async function remove({ home }: Stack): Promise<void> {
  await stopServices(home, { deleteData: true, report: () => {} });
  await rm(join(home, ".."), { recursive: true, force: true });
}

async function inNewHome(use: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = { home: await newHome(), catalogue: "catalogue" };
  try {
    await use(stack);
  } finally {
    await remove(stack);
  }
}
