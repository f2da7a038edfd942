import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { checkProgram } from "../../cli/check-program.ts";
import { bundles } from "../../local/lambdas.ts";
import { startAwsProvider, startVaultProvider } from "../../local/providers/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { type PreviewRecord, recordedPreview } from "../../operations/gates/preview-record.ts";
import type { Run } from "../cli/command.ts";
import { PulumiProject } from "./support/pulumi-project.ts";

// `keyplane judge` around previews of the real Pulumi CLI with the real pack, as the workflows run it.

let folder: string;
let providers: { port: number; close(): Promise<void> }[];
let connected: string;
/** A program of a few policies. */
let small: PulumiProject;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-judge-"));
  // A preview of a new environment asks no system anything: nothing listens there.
  providers = [
    await startVaultProvider({ address: "https://127.0.0.1:1", ca: "", token: () => "" }),
    await startAwsProvider({
      endpoint: "http://127.0.0.1:1",
      account: "000000000000",
      region: "eu-west-1",
    }),
  ];
  connected = `vault:${providers[0]?.port},aws:${providers[1]?.port}`;
  small = await PulumiProject.make(join(folder, "small"), connected);
  await small.declarePolicies();
  await small.run("stack", "init", "local");
});
after(async () => {
  for (const each of providers ?? []) await each.close();
  await rm(folder, { recursive: true, force: true });
});

const preview = ["preview", "--policy-pack", "policies/analyzer"];

suite("the preview of staging", () => {
  let run: Run;
  let text: string;
  let of: { environment: string; commit: string; stacks: string[]; declared: number };
  let project: PulumiProject;

  before(async () => {
    project = await PulumiProject.make(join(folder, "staging"), connected);
    const { commit } = await clone(project);
    const lambdas = join(folder, "lambdas");
    const catalogue = await loadCatalogue("catalogue");
    await bundles(lambdas, derive(catalogue, "staging"));
    await project.run("stack", "init", "staging");
    const record = join(folder, "previewed");
    run = await project.judge("staging", preview, {
      options: ["--record", record],
      env: { KEYPLANE_LAMBDAS: lambdas },
    });
    text = await readFile(join(record, "staging.json"), "utf8").catch(() => "");
    const { resources } = await checkProgram(catalogue, "staging", {
      today: "2026-01-01",
      auditFolder: "/a",
    });
    of = { environment: "staging", commit, stacks: ["staging"], declared: resources };
  });

  test("is judged by the pack, resource by resource, and ends well", () => {
    assert.equal(run.code, 0, run.stdout.slice(-4000) + run.stderr);
    assert.match(run.stdout, /^preview: (\d+) of \1 resources judged, \d+ pending: pending$/m);
  });

  test("records what the engine counted: what the program declares, the stack itself and two providers (R25)", () => {
    const { findings, ...counted } = JSON.parse(text) as PreviewRecord;
    const count = of.declared + 3;
    const { environment, commit } = of;
    assert.deepEqual(counted, { format: 1, environment, stack: "staging", commit, judged: count, of: count });
    assert.ok(findings.length > 50 && findings.every(({ verdict }) => verdict === "pending"));
  });

  test("is the first gate of the evidence, with its counts", async () => {
    const gate = await recordedPreview(of, async () => text);
    assert.deepEqual([gate.gate, gate.judged, gate.of], ["preview", of.declared + 3, of.declared + 3]);
  });

  test("is no longer recorded once another one is not judged", async () => {
    const record = join(folder, "previewed");
    const { code } = await project.judge("staging", preview, {
      options: ["--record", record],
      env: await instead("exit 0", project),
    });
    assert.equal(code, 1);
    assert.deepEqual(await readdir(record), []);
  });

  test("leaves none of Pulumi's own logs, in which secrets stand in clear (R54)", async () => {
    const logs = await readdir(join(folder, "staging", "home", "logs"));
    assert.deepEqual(
      logs.filter((file) => !file.includes("stack")),
      [],
    );
  });
});

/** Another `pulumi` first on PATH: a script, in which `$pulumi` is the real one. */
async function instead(script: string, { pulumi, env } = small): Promise<Record<string, string>> {
  const bin = await mkdtemp(join(folder, "instead-"));
  await writeFile(join(bin, "pulumi"), `#!/bin/sh\npulumi="${pulumi}"\n${script}\n`, { mode: 0o700 });
  return { PATH: [bin, env.PATH].join(delimiter) };
}

/** The repository as a commit of its own: what is recorded is of one. */
async function clone(project: PulumiProject): Promise<{ commit: string }> {
  const code = ["infra", "model", "policies", "node_modules", "package.json"];
  await project.link(...code);
  await cp("catalogue", join(project.root, "catalogue"), { recursive: true });
  for (const name of await readdir(".")) {
    if (name.startsWith("Pulumi.")) await cp(name, join(project.root, name));
  }
  // The CLI writes a new stack's salt into its file.
  await writeFile(join(project.root, ".gitignore"), `${code.join("\n")}\nPulumi.*.yaml\n`);
  const author = ["-c", "user.name=t", "-c", "user.email=t@t.example"];
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", ["-C", project.root, ...author, ...args])).stdout.trim();
  await git("init", "--quiet");
  await git("add", ".");
  await git("commit", "--quiet", "--message", "Begin");
  return { commit: await git("rev-parse", "HEAD") };
}

test("what is secret in a preview that passes is in no file and no output afterwards (R54)", async () => {
  const canary = randomBytes(16).toString("hex");
  const { code, stdout, stderr } = await small.judge("local", preview, { env: { CANARY: canary } });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^preview: 6 of 6 resources judged: passed$/m);
  assert.ok(!`${stdout}${stderr}`.includes(canary));
  const places = [
    folder,
    ...(await readdir("/dev/shm").catch(() => [])).map((name) => join("/dev/shm", name)),
  ];
  const found = await promisify(execFile)("grep", ["-rlsF", canary, ...places]).catch((error) => error);
  assert.deepEqual([found.code, found.stdout], [1, ""]);
});

suite("a preview that was not judged is refused:", () => {
  const withoutPack =
    'for word; do shift; case "$word" in --policy-pack) skip=1;; *) [ -n "$skip" ] || set -- "$@" "$word"; skip=;; esac; done\n' +
    'exec "$pulumi" "$@"';
  const killed =
    'for log; do :; done; "$pulumi" "$@" & until grep -qs resourcePreEvent "$log"; do sleep 0.05; done; kill -9 $!; exit 0';

  for (const [what, env, why] of [
    [
      "by an engine that loads no pack",
      () => instead(withoutPack),
      /the policy pack judged 0 of 5 resources: what was not judged has not passed/,
    ],
    [
      "by an engine that was killed half-way, whatever it ends with",
      () => instead(killed),
      /the policy pack judged 0 of \d resources: what was not judged has not passed/,
    ],
    [
      "by an engine that says nothing of what it did",
      () => instead("exit 0"),
      /the policy pack judged 0 of 0 resources: what was not judged has not passed/,
    ],
    [
      "where a rule is broken, which is named",
      async () => ({ BEYOND: "now" }),
      /the policies stop local \(nothing was changed\):\nconsumer-own-paths Policy titan\.c: /,
    ],
  ] as const) {
    test(what, async () => {
      const { code, stderr, stdout } = await small.judge("local", preview, { env: await env() });
      assert.equal(code, 1, stdout + stderr);
      assert.match(stderr, why);
    });
  }

  test("by a pack that was killed half-way: that is no finding (exit 4), and Pulumi's own code is said", async () => {
    const pack = resolve("test/integration/packs/dying.ts");
    const { code, stdout } = await small.judge("local", ["preview", "--policy-pack", pack]);
    assert.equal(code, 4);
    assert.match(
      stdout,
      /preview: 0 of \d resources judged: failed; pulumi ended with \d+, and what was not/,
    );
  });
});
