import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../free-port.ts";
import { entry, keyplane } from "./command.ts";
import { shop, TwoEnvironments } from "./two-environments.ts";

// The command as a workflow runs it for staging and then for production: two real Vaults, GitHub's token service played
// by a local server, a catalogue in a Git repository.

let at: TwoEnvironments;
before(async () => {
  at = await TwoEnvironments.start();
});
after(() => at?.[Symbol.asyncDispose]());

const run = (environment: string, ...args: string[]) => at.run(environment, ...args);
const json = (environment: string, ...args: string[]) => at.json(environment, ...args);
const source = (environment: string) => at.source(environment);
const journal = (environment: string) => at.journal(environment);

test("what is to be rotated must be said, in one way", async () => {
  const wrong = [[], ["--due", "--all"], ["shop/session", "--due"]];
  for (const { code, stderr } of await Promise.all(wrong.map((args) => run("staging", "rotate", ...args)))) {
    assert.equal(code, 2);
    assert.match(stderr, /name secrets, or write --due or --all: one of the three/);
  }
  const { code, stderr } = await run("staging", "rotate", "--due", "--reason", "compromise");
  assert.equal(code, 2);
  assert.match(stderr, /what has leaked is not waited for to be due/);
});

test("a wrong name is refused with those of its system, and what may be a value is not repeated", async () => {
  const wrong = await run("staging", "rotate", "shop/sesion");
  assert.equal(wrong.code, 2);
  assert.match(
    wrong.stderr,
    /shop\/sesion is no secret of staging; that system has shop\/openai, shop\/session, shop\/documents/,
  );
  const value = await run("staging", "rotate", "hunter2-Hunter2-hunter2");
  assert.equal(value.code, 2);
  assert.ok(!value.stderr.includes("unter2"));
});

test("a Vault that cannot be reached ends with exit code 3", async () => {
  const port = await freePort();
  const elsewhere = join(at.folder, "elsewhere");
  await mkdir(join(elsewhere, "systems"), { recursive: true });
  const text = at.organization().replaceAll(at.staging.address, `https://127.0.0.1:${port}`);
  await writeFile(join(elsewhere, "organization.yaml"), text);
  await writeFile(join(elsewhere, "systems/shop.yaml"), shop);
  const { code } = await keyplane(
    ["rotate", "shop/session", "--environment", "staging", "--catalogue", elsewhere],
    { env: at.environmentOf("staging") },
  );
  assert.equal(code, 3);
});

test("what cannot be undone is asked for: without a terminal --yes has to stand there, and nothing was done", async () => {
  const before = await source("staging");
  const unanswered = [
    ["--all"],
    ["shop/session", "--reason", "compromise"],
    ["shop/session", "--reason", "leaver"],
  ];
  const answers = await Promise.all(unanswered.map((args) => run("staging", "rotate", ...args)));
  for (const { code, stderr } of answers) {
    assert.equal(code, 2);
    assert.match(stderr, /A revoked value cannot be brought back\. Answer with --yes/);
    assert.match(stderr, /People are asked to log in again/);
  }
  assert.deepEqual(await source("staging"), before);
  assert.equal(await journal("staging"), undefined);
});

test("a dry run prints consumers in order, restarts, impact and times, and changes nothing", async () => {
  const before = await source("staging");
  const { code, stdout } = await run("staging", "rotate", "shop/session", "--dry-run");
  assert.equal(code, 0);
  const [worker, api] = [stdout.indexOf("shop/worker:"), stdout.indexOf("shop/api:")];
  assert.ok(worker > 0 && worker < api, stdout);
  assert.match(stdout, /impact: People are asked to log in again/);
  assert.match(stdout, /restarts, in this order: shop\/api/);
  assert.match(stdout, /watches error rates for 1 s; both values are accepted for 1 s/);
  assert.deepEqual(await source("staging"), before);
  assert.equal(await journal("staging"), undefined);
});

test("nothing is due the day after: a scheduled run says so and does nothing", async () => {
  const { code, stdout } = await run("staging", "rotate", "--due");
  assert.deepEqual([code, stdout], [0, "Nothing is due.\n"]);
});

test("encryption keys are listed, planned and rotated beside secrets; an abort is refused, since versions only go forward", async () => {
  const listed = await run("staging", "rotations");
  assert.match(listed.stdout, /^shop\/documents +on time +version 1 +of \d{4}-\d\d-\d\d +due \d{4}-/m);
  const plan = await run("staging", "rotate", "shop/documents", "--dry-run");
  assert.match(plan.stdout, /^shop\/documents: would make a version after 1 \(scheduled\)\.$/m);
  const unchanged = JSON.parse((await run("staging", "rotations", "shop/documents", "--json")).stdout);
  assert.deepEqual(
    unchanged.encryptionKeys.map((key: Record<string, unknown>) => [key.secret, key.version, key.history]),
    [["shop/documents", 1, []]],
  );
  const rotated = await run("staging", "rotate", "shop/documents");
  assert.deepEqual(
    [rotated.code, /^shop\/documents: done, version 2\.$/m.test(rotated.stdout)],
    [0, true],
    rotated.stderr,
  );
  const { stdout } = await run("staging", "rotations", "shop/documents");
  assert.match(
    stdout,
    /^shop\/documents +on time +version 2 .*\n {2}version 2, of .*: encrypts, rows not counted\n {2}version 1, of .*: decrypts, .* may not be retired: .*\n {2}note: the catalogue names no stored ciphertext .*\n {2}.* done \(scheduled\), version 1 → 2, in /,
  );
  const abort = await run("staging", "rotations", "abort", "shop/documents", "--yes");
  assert.equal(abort.code, 2);
  assert.match(abort.stderr, /shop\/documents is an encryption key: its versions only go forward/);
  const resumed = await run("staging", "rotations", "resume", "shop/documents");
  assert.deepEqual([resumed.code, resumed.stdout], [0, "Nothing is under way that could go on now.\n"]);
});

test("R25: an encryption key of production waits for staging's evidence, which names version and commit, and uses it up", async () => {
  const keyOf = async (environment: "staging" | "production") =>
    (await at[environment].root.read<{ latest_version: number }>("transit/keys/shop.documents"))
      ?.latest_version;
  const evidence = "kv/data/evidence/shop.documents";
  const shown = await at.staging.root.read<{ data: { evidence: Record<string, unknown> } }>(evidence);
  const { secret, version, commit, outcome } = shown?.data.evidence ?? {};
  assert.deepEqual(
    { secret, version, commit, outcome },
    { secret: "shop/documents", version: 2, commit: await at.head(), outcome: "done" },
  );

  // Vault makes a version there by itself: the evidence is not of that one.
  await at.staging.root.write("transit/keys/shop.documents/rotate");
  const other = await json("production", "rotate", "shop/documents");
  assert.deepEqual([other.code, other.rotations[0]?.result], [1, "refused"]);
  assert.match(
    other.rotations[0]?.text ?? "",
    /the evidence is of version 2, and staging has version 3 now; rotate it there: keyplane rotate shop\/documents/,
  );
  const plan = await run("production", "rotate", "shop/documents", "--dry-run");
  assert.match(plan.stdout, /would be refused: .*staging has version 3 now/);
  assert.equal(await keyOf("production"), 1);

  await run("staging", "rotate", "shop/documents");
  // In force there for as long as rotations are watched, a second; Vault tells whole seconds.
  await sleep(2_500);
  const follows = await json("production", "rotate", "shop/documents");
  assert.deepEqual([follows.code, follows.rotations[0]?.result], [0, "done"], follows.rotations[0]?.text);
  assert.deepEqual([await keyOf("staging"), await keyOf("production")], [4, 2]);
  const again = await json("production", "rotate", "shop/documents");
  assert.equal(again.code, 1);
  assert.match(again.rotations[0]?.text ?? "", /the evidence is older than the last rotation here/);
});

test("R25: production is refused while staging has not rotated, by name and with what to run", async () => {
  const before = await source("production");
  const { code, rotations } = await json("production", "rotate", "shop/session");
  assert.equal(code, 1);
  assert.equal(rotations[0]?.result, "refused");
  assert.match(
    rotations[0]?.text ?? "",
    /staging has no evidence of a rotation; rotate it there: keyplane rotate/,
  );
  assert.deepEqual(await source("production"), before);
  assert.equal(await journal("production"), undefined);
  const plan = await run("production", "rotate", "shop/session", "--dry-run");
  assert.match(plan.stdout, /would be refused: .*staging has no evidence/);
});

test("R25, R26: once staging has rotated and kept it, production may; one that is rolled back here uses nothing up", async () => {
  const before = await source("staging");
  const first = await run("staging", "rotate", "shop/session");
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^shop\/session: done, version 2\./);
  assert.equal(first.stderr.match(/shop\/session: People are asked to log in again/g)?.length, 1, "R49");
  const now = await source("staging");
  assert.notEqual(now.token, before.token);
  assert.ok(!`${first.stdout}${first.stderr}`.includes(now.token), "a value was printed");
  const evidence = await at.staging.root.read<{ data: { evidence: { commit: string } } }>(
    "kv/data/evidence/shop/session",
  );
  const head = await at.head();
  assert.equal(evidence?.data.evidence.commit, head);

  const follows = await json("production", "rotate", "shop/session");
  // An hour's overlap in production: both values are accepted, and a later run goes on.
  assert.deepEqual(
    [follows.code, follows.rotations[0]?.result, follows.rotations[0]?.state],
    [0, "drains", "drain"],
  );
  const aborted = await run("production", "rotations", "abort", "shop/session", "--yes");
  assert.equal(aborted.code, 0, aborted.stderr);
  const again = await json("production", "rotate", "shop/session");
  assert.equal(
    again.rotations[0]?.result,
    "drains",
    "evidence of a rotation that was rolled back here still holds",
  );
});

test("status says what is under way, until when, and exits with 0 while all goes as planned", async () => {
  const { code, stdout } = await run("production", "rotations");
  assert.equal(code, 0);
  assert.match(stdout, /^shop\/session +under way at drain since .* until /m);
  assert.match(stdout, /^shop\/openai +no value .*keyplane set/m);
  const one = await run("production", "rotations", "shop/session");
  assert.match(
    one.stdout,
    /rolled-back \(scheduled\), version 1 → \d+, in .*: keyplane\.rotate asked for it/,
  );
});

test("stopped by Ctrl-C while it waits for the overlap, a run ends with 4 and the rotation can be resumed", async () => {
  const child = spawn(
    process.execPath,
    [entry, "rotate", "shop/session", "--wait", "--environment", "production", "--catalogue", at.catalogue],
    {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...at.environmentOf("production") },
      stdio: "pipe",
    },
  );
  const ended = new Promise((resolve) => child.once("close", resolve));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    // It has taken the rotation over.
    if (/goes on at drain/.test(text)) child.kill("SIGINT");
  });
  assert.equal(await ended, 4, said);
  assert.equal((await journal("production"))?.state, "drain");
  const planned = await run("production", "rotations", "resume", "shop/session", "--dry-run");
  assert.match(planned.stdout, /^shop\/session: rotation goes on at drain/);
  // Its lease was given back: nobody is at it.
  const resumed = await run("production", "rotations", "resume", "shop/session");
  assert.match(resumed.stdout, /^shop\/session: drain: .*; a later `keyplane rotate --due` goes on\.$/m);
  assert.deepEqual([resumed.code, (await journal("production"))?.state], [0, "drain"]);
});

test("abort says what it would do, asks, and then goes back to the value before", async () => {
  const state = await journal("production");
  const dry = await run("production", "rotations", "abort", "shop/session", "--dry-run");
  assert.equal(dry.code, 0);
  assert.match(
    dry.stdout,
    /shop\/session would go back from drain to version \d+: shop\/api, shop\/worker get the value before/,
  );
  assert.deepEqual(await journal("production"), state);
  const unasked = await run("production", "rotations", "abort", "shop/session");
  assert.equal(unasked.code, 2);
  const { code, stdout } = await run("production", "rotations", "abort", "shop/session", "--yes");
  assert.deepEqual([code, stdout.includes("rolled back: keyplane.rotate asked for it")], [0, true]);
  assert.equal((await journal("production"))?.state, "rolled-back");
  const idle = await run("production", "rotations", "abort", "shop/session", "--yes");
  assert.deepEqual([idle.code, idle.stdout], [0, "shop/session: nothing is under way.\n"]);
  const shown = await run("production", "rotations");
  assert.equal(shown.code, 1, "one that was rolled back is a finding");
});

test("R21: after a compromise production replaces everything that a machine makes, due or not, waits for no evidence and no overlap, says so, and is done", async () => {
  const before = await source("production");
  const { code, stdout, stderr } = await run(
    "production",
    ...["rotate", "--all", "--reason", "compromise", "--yes"],
  );
  // What a person has still to make is a finding.
  assert.equal(code, 1, stderr);
  assert.match(stderr, /= shop\/openai: ada makes it: keyplane set shop\/openai$/m);
  assert.match(stderr, /✓ shop\/documents: version 3 encrypts/);
  assert.match(stderr, /compromise: evidence of staging is not waited for/);
  assert.match(stdout, /^shop\/session: done/m);
  assert.match(stdout, /left out: the overlap of 3600 s was cut short/);
  assert.notEqual((await source("production")).token, before.token);
});

test("R25: after that staging's older evidence is used up, and a catalogue of another commit is refused", async () => {
  const used = await json("production", "rotate", "shop/session");
  assert.equal(used.code, 1);
  assert.match(used.rotations[0]?.text ?? "", /the evidence is older than the last rotation here/);
  await run("staging", "rotate", "shop/session");
  await writeFile(join(at.catalogue, "systems/shop.yaml"), `${shop}# changed\n`);
  const dirty = await json("production", "rotate", "shop/session");
  assert.match(dirty.rotations[0]?.text ?? "", /the evidence is of commit [0-9a-f]{12}, and this is none/);
  await at.commit("Another catalogue");
  const other = await json("production", "rotate", "shop/session");
  assert.equal(other.code, 1);
  assert.match(
    other.rotations[0]?.text ?? "",
    /the evidence is of commit [0-9a-f]{12}, and this is [0-9a-f]{12}; check that one out/,
  );
});

test("a secret that a person makes is named with what to do, and not rotated", async () => {
  const { code, stdout } = await run("staging", "rotate", "shop/openai");
  assert.deepEqual([code, stdout], [1, "shop/openai: ada makes it: keyplane set shop/openai.\n"]);
});

test("no value that was ever made stands in a journal", async () => {
  for (const environment of ["staging", "production"]) {
    const text = JSON.stringify(await journal(environment));
    assert.ok(!text.includes((await source(environment)).token));
  }
});
