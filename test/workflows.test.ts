import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { findTool } from "../local/toolchain/index.ts";
import { pins } from "../local/toolchain/pins.ts";
import { findShellcheck } from "../local/toolchain/shellcheck.ts";
import { findZizmor } from "../local/toolchain/zizmor.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { platformRoles } from "../model/derive/platform.ts";
import { derive } from "../model/derive.ts";
import { ruleFiles } from "../operations/gates/rule-files.ts";
import { claimsOf } from "./model/aws/github-jobs.ts";
import { allowed } from "./model/aws/simulator.ts";

const folder = ".github/workflows";

interface Step {
  id?: string;
  if?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, string>;
}
interface Job {
  environment?: string;
  concurrency?: { group: string; "cancel-in-progress": boolean };
  needs?: string | string[];
  permissions?: Record<string, string>;
  strategy?: { matrix: { environment: string[] } };
  env?: Record<string, string>;
  steps: Step[];
}
interface Workflow {
  concurrency?: unknown;
  on: Record<string, { branches?: string[]; inputs?: Record<string, { options?: string[] }> } | null>;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const workflows = new Map(
  readdirSync(folder).map((file) => [file, parse(readFileSync(join(folder, file), "utf8")) as Workflow]),
);
const jobs = [...workflows].flatMap(([file, { jobs }]) =>
  Object.entries(jobs).map(([name, job]) => ({ file, name, job })),
);
const catalogue = await loadCatalogue("catalogue");
const models = ["staging", "production"].map((environment) => derive(catalogue, environment));

const expression = (text: string) => `$\{{ ${text} }}`;

/** The GitHub environments that a job may run in. */
function environmentsOf(workflow: Workflow | undefined, { environment = "", strategy }: Job): string[] {
  const expression = /^\$\{\{ (\w+)\.(\w+) \}\}([\w-]*)$/.exec(environment);
  if (expression === null) return environment === "" ? [] : [environment];
  if (expression[1] === "matrix")
    return strategy?.matrix.environment.map((each) => `${each}${expression[3]}`) ?? [];
  return workflow?.on.workflow_dispatch?.inputs?.[expression[2] ?? ""]?.options ?? [];
}

/** The variable of the GitHub environment from which a job takes a role of AWS; none where it takes none. */
function roleVariable(job: Job): string | undefined {
  const value = job.env?.AWS_ROLE_ARN;
  return value === undefined ? undefined : /^\$\{\{ vars\.(\w+) \}\}$/.exec(value)?.[1];
}

suite("actionlint, and in it shellcheck of every script", () => {
  const lint = async (...files: string[]) => {
    const actionlint = await findTool("actionlint", () => {});
    const shellcheck = await findShellcheck(() => {});
    const words = ["-no-color", `-shellcheck=${shellcheck}`, "-pyflakes=", ...files];
    return promisify(execFile)(actionlint, words).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    );
  };
  test("find nothing in the workflows", async () => assert.deepEqual(await lint(), { code: 0, stdout: "" }));
  test("would find a variable that is not quoted", async () => {
    const text = readFileSync(join(folder, "drift.yml"), "utf8");
    const wrong = text.replace('--stack "$stack"', "--stack $stack");
    assert.notEqual(wrong, text);
    const file = join(await mkdtemp(join(tmpdir(), "keyplane-lint-")), "drift.yml");
    await writeFile(file, wrong);
    const { code, stdout } = await lint(file);
    assert.equal(code, 1);
    assert.match(stdout, /SC2086/);
    await rm(dirname(file), { recursive: true });
  });
});

test("shellcheck finds nothing in the scripts of the repository", async () => {
  const { stdout } = await promisify(execFile)("git", ["grep", "-lE", "^#!/bin/(ba)?sh"]);
  // In others such a line is a text.
  const scripts = stdout.split("\n").filter((file) => file !== "" && !/\.(ts|md|py)$/.test(file));
  assert.ok(scripts.includes(".github/install-pulumi") && scripts.includes("policies/analyzer"));
  await promisify(execFile)(await findShellcheck(() => {}), scripts);
});

test("zizmor finds nothing in the workflows, and would exit with its findings", async () => {
  const zizmor = await findZizmor(() => {});
  const { stdout } = await promisify(execFile)(zizmor, [
    ...["--offline", "--no-progress", "--persona=regular", "--format=json", ".github"],
  ]);
  assert.deepEqual(JSON.parse(stdout), []);
});

test("no workflow runs the program but by the command that counts what the policies judged", () => {
  const runs = jobs.flatMap(({ job }) => job.steps.map(({ run = "" }) => run));
  const lines = runs
    .flatMap((run) => run.split("\n"))
    .filter((line) => /\bpulumi (preview|up|destroy)\b/.test(line));
  assert.equal(lines.length, 5);
  for (const line of lines)
    assert.match(line, /npx keyplane judge --environment \S+ .*-- pulumi (preview|up)\b/);
});

test("whoever runs the program for an environment has made the code of its functions before", () => {
  let runs = 0;
  for (const { file, name, job } of jobs) {
    const bundled = new Set<string>();
    for (const { run = "" } of job.steps) {
      const [, made] = /^npx keyplane bundle --environment (\S+)$/.exec(run) ?? [];
      if (made !== undefined) bundled.add(made);
      if (!/\bpulumi (preview|up|destroy)\b/.test(run)) continue;
      // Each stack of the environment, in order, and none by a name that parts do not have.
      const [, environment = ""] =
        /^stacks=\$\(npx keyplane stacks --environment (\S+)\)\nfor stack in \$stacks; do\n.* pulumi (?:preview|up) --stack "\$stack" .*\ndone\n$/.exec(
          run,
        ) ?? [];
      runs++;
      assert.ok(bundled.has(environment), `${file} ${name}: ${run}`);
    }
  }
  assert.equal(runs, 5);
});

suite("permissions", () => {
  for (const [file, workflow] of workflows) {
    test(`${file} gives nothing to all of its jobs`, () => assert.deepEqual(workflow.permissions, {}));
  }
  for (const { file, name, job } of jobs) {
    const { permissions = {} } = job;
    test(`${file} ${name} may read the repository, and more only where it has to`, () => {
      const { contents, ...more } = permissions;
      assert.equal(contents, "read");
      const allowed: Record<string, Record<string, string>> = {
        "review.yml comment": { "pull-requests": "write" },
        "drift.yml look": { "id-token": "write", issues: "write" },
      };
      const runsWithLogin = environmentsOf(workflows.get(file), job).length > 0;
      assert.deepEqual(more, allowed[`${file} ${name}`] ?? (runsWithLogin ? { "id-token": "write" } : {}));
    });
    test(`${file} ${name} asks for an identity only in a GitHub environment, which has reviewers or a branch rule`, () => {
      if (permissions["id-token"] !== undefined) {
        assert.notDeepEqual(environmentsOf(workflows.get(file), job), []);
      }
    });
  }
});

suite("what stands in a workflow", () => {
  for (const [file] of workflows) {
    const text = readFileSync(join(folder, file), "utf8");
    test(`${file} names no secret, and its env no value: GitHub's own token, a variable or a job's output (R56)`, () => {
      assert.doesNotMatch(text, /\bsecrets\./);
      const values = jobs
        .filter((each) => each.file === file)
        .flatMap(({ job }) => [job.env ?? {}, ...job.steps.map(({ env = {} }) => env)])
        .flatMap((env) => Object.values(env));
      for (const value of values) {
        assert.match(value, /^\$\{\{ (vars|matrix|inputs|needs|github)\.[\w.]+ \}\}$/);
      }
    });
    test(`${file} pins each action by its commit, with the version beside it`, () => {
      for (const line of text.split("\n").filter((each) => /\buses:/.test(each))) {
        assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
      }
    });
    test(`${file} takes no expression into a script, and leaves no credential of Git's behind`, () => {
      for (const { job } of jobs.filter((each) => each.file === file)) {
        for (const { run = "", uses = "", with: settings } of job.steps) {
          assert.doesNotMatch(run, /\$\{\{/);
          if (uses.startsWith("actions/checkout@")) assert.equal(settings?.["persist-credentials"], false);
        }
      }
    });
  }

  // Beside them the shell's own words for a loop, what is kept of it, and where its output goes.
  const ours =
    /^(npm ci$|npx keyplane |\.github\/[\w-]+$|exec > \S+ 2>&1$|for \w+ in \$\w+; do$|done$|printf '%s' "\$\w+" > \S+$|cat [\w. ]+$|echo "[\w $]*"$|echo "\w+=\$\(cat "\$RUNNER_TEMP\/[\w.]+"\)" >> "\$GITHUB_OUTPUT"$|\w+=(\d|\$\(npx keyplane [^()|;&]*\))$|exit "\$\w+"$)/;
  const isOurs = (line: string) =>
    ours.test(line) && !/\b(curl|wget|eval|sudo|bash|sh|node|npm install)\b/.test(line);

  test("every step is a command that runs here as well: npm ci, keyplane's own, or a script of the repository", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["cli/keyplane.ts", "--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
    const called = jobs.flatMap(({ job }) =>
      job.steps.flatMap(({ run = "" }) =>
        [...run.matchAll(/npx keyplane ([a-z]+)/g)].map(([, name]) => name),
      ),
    );
    assert.deepEqual(
      [...new Set(called)].filter((name) => !commands.includes(name)),
      [],
    );
    const lines = jobs.flatMap(({ job }) => job.steps.flatMap(({ run = "" }) => run.split("\n")));
    const other = lines.map((line) => line.trim()).filter((line) => line !== "" && !isOurs(line));
    assert.deepEqual(other, []);
  });

  test("the workflows install the Pulumi that is pinned for this machine, by its checksum", () => {
    const script = readFileSync(".github/install-pulumi", "utf8");
    const pin = pins.find(({ name }) => name === "pulumi");
    assert.match(script, new RegExp(`^version=${pin?.version}$`, "m"));
    assert.match(script, new RegExp(`^sha256=${pin?.downloads["linux-amd64"]?.sha256}$`, "m"));
  });
});

suite("the logins are those that Vault admits", () => {
  for (const role of platformRoles) {
    const file = `${role}.yml`;
    const workflow = workflows.get(file);
    for (const { environment, jwtRoles, platform } of models) {
      test(`${file} can log in to ${environment} as keyplane.${role}, and as nothing else can`, () => {
        assert.ok(workflow !== undefined, `there is no ${file}`);
        const bound = jwtRoles.find(({ name }) => name === `keyplane.${role}`)?.boundClaims ?? {};
        // The workflow's file, at the branches that run it.
        const branches = bound.ref?.map((ref) => ref.replace("refs/heads/", "")) ?? [];
        assert.deepEqual(
          bound.job_workflow_ref,
          branches.map((branch) => `${platform.repository.name}/${folder}/${file}@refs/heads/${branch}`),
        );
        const jobsThere = Object.values(workflow.jobs).filter((job) =>
          environmentsOf(workflow, job).includes(bound.environment?.[0] ?? ""),
        );
        assert.equal(jobsThere.length, 1);
        assert.equal(jobsThere[0]?.permissions?.["id-token"], "write");
        for (const [event, settings] of Object.entries(workflow.on)) {
          assert.ok(bound.event_name?.includes(event), `Vault admits no token of a ${event}`);
          if (event === "push") assert.deepEqual(settings?.branches, branches);
        }
      });
    }
  }

  test("what runs by the clock waits for no reviewer, and for no run of another environment (R14)", () => {
    const readme = readFileSync("policies/README.md", "utf8");
    /** The table's row of a GitHub environment: who reviews there. */
    const reviewers = (name: string) =>
      new RegExp(`^\\|[^|]*\`${name}\`[^|]*\\|[^|]*\\| (\\w+) \\|`, "m").exec(readme)?.[1];
    const found: string[] = [];
    for (const [file, workflow] of workflows) {
      const byTheClock = "schedule" in workflow.on;
      for (const job of Object.values(workflow.jobs)) {
        for (const environment of environmentsOf(workflow, job)) {
          assert.equal(reviewers(environment), byTheClock ? "none" : "required", `${file}: ${environment}`);
          if (byTheClock) found.push(environment);
        }
        if (!byTheClock) continue;
        assert.equal(workflow.concurrency, undefined, file);
        const [of = ""] = environmentsOf(workflow, job);
        const group = job.concurrency?.group.replace(
          expression("matrix.environment"),
          of.split("-")[0] ?? "",
        );
        assert.equal(group, of.split("-").reverse().join("-"), file);
        assert.equal(job.concurrency?.["cancel-in-progress"], false);
      }
    }
    assert.deepEqual(found.sort(), [
      "production-drift",
      "production-rotate",
      "staging-drift",
      "staging-rotate",
    ]);
    // And no login of theirs is admitted from where people decide, nor theirs from there.
    for (const { environment, jwtRoles } of models) {
      for (const { name, boundClaims } of jwtRoles.filter(({ of }) => of.kind === "platform")) {
        const [, purpose = ""] = /^keyplane\.(drift|rotate)$/.exec(name) ?? [];
        if (name.startsWith("keyplane.promotion")) continue;
        assert.deepEqual(boundClaims.environment, [
          purpose === "" ? environment : `${environment}-${purpose}`,
        ]);
      }
    }
  });

  test("a pull request can log in to no Vault: neither its workflow, its event nor its environment is bound", () => {
    const review = workflows.get("review.yml");
    assert.deepEqual(Object.keys(review?.on ?? {}), ["pull_request"]);
    const used = Object.values(review?.jobs ?? {}).flatMap((job) => environmentsOf(review, job));
    assert.deepEqual(used, ["preview"]);
    for (const { jwtRoles } of models) {
      for (const { name, boundClaims } of jwtRoles) {
        assert.ok(!boundClaims.event_name?.includes("pull_request"), name);
        assert.ok(!boundClaims.environment?.includes("preview"), name);
        assert.ok(!boundClaims.job_workflow_ref?.some((ref) => ref.includes("/review.yml@")), name);
      }
    }
  });

  test("production is deployed after staging, and asks for its evidence before anything else (R25)", () => {
    const { staging, production } = workflows.get("deploy.yml")?.jobs ?? {};
    assert.equal(production?.needs, "staging");
    const runs = (job: Job | undefined) => job?.steps.map(({ run = "" }) => run) ?? [];
    const gates = runs(production).findIndex((run) => run.includes('--after "$RUNNER_TEMP/staging.json"'));
    const update = runs(production).findIndex((run) => run.includes("pulumi up"));
    assert.ok(gates >= 0 && gates < update);
    for (const [environment, job] of Object.entries({ staging, production })) {
      // Pulumi alone ends well when its pack has judged nothing.
      const judged = `keyplane judge --environment ${environment}`;
      const record = '--record "$RUNNER_TEMP/previewed"';
      const pack = '--stack "$stack" --policy-pack policies/analyzer';
      assert.ok(runs(job).some((run) => run.includes(`${judged} ${record} -- pulumi preview ${pack}\n`)));
      assert.ok(runs(job).some((run) => run.includes(`${judged} -- pulumi up ${pack} --yes`)));
      assert.ok(runs(job).some((run) => run.includes('--previewed "$RUNNER_TEMP/previewed" --state --live')));
      assert.match(runs(job).findLast((run) => run.includes("npx keyplane check")) ?? "", /--state --live/);
    }
  });

  test("production takes from staging that it read the second factor, and nothing else that it did not try (R51)", () => {
    const { staging, production } = workflows.get("deploy.yml")?.jobs ?? {};
    const steps = (job: Job | undefined) => job?.steps ?? [];
    const accepted = steps(production).flatMap(({ run = "" }) => /--accept-read (.*)$/.exec(run)?.[1] ?? []);
    assert.deepEqual(accepted, ["mfa"]);
    for (const job of [staging, production]) {
      const check = steps(job).find(({ run = "" }) => run.includes("--state --live"));
      // One command for each of the two audit devices.
      assert.match(check?.run ?? "", / --audit-command "\$FIRST_AUDIT_COMMAND" "\$SECOND_AUDIT_COMMAND" /);
      assert.deepEqual(check?.env, {
        FIRST_AUDIT_COMMAND: expression("vars.FIRST_AUDIT_COMMAND"),
        SECOND_AUDIT_COMMAND: expression("vars.SECOND_AUDIT_COMMAND"),
      });
    }
    assert.ok(models.every(({ vault }) => vault.audit.length === 2));
  });

  test("the code of a pull request runs without the right to write, and what writes runs the base's code", () => {
    const { check, comment } = workflows.get("review.yml")?.jobs ?? {};
    assert.deepEqual(check?.permissions, { contents: "read" });
    const checkouts = comment?.steps.filter(({ uses = "" }) => uses.startsWith("actions/checkout@")) ?? [];
    const base = expression("github.event.pull_request.base.sha");
    assert.deepEqual(
      checkouts.map(({ with: settings }) => [settings?.ref, settings?.path]),
      [
        [base, undefined],
        // As data, beside it: a command names it as a repository, and nothing runs there.
        [expression("github.sha"), "head"],
      ],
    );
    for (const { run = "" } of comment?.steps ?? []) {
      assert.doesNotMatch(run.replace("--repository head ", ""), /\bhead\b/);
    }
  });

  test("after a failed installation no step asks npx for a package that is not there", () => {
    for (const { file, name, job } of jobs) {
      const installed = job.steps.findIndex(({ run }) => run === "npm ci");
      for (const { run = "", if: condition = "success()" } of job.steps) {
        if (!run.includes("npx ") || !/cancelled|failure|always/.test(condition)) continue;
        assert.equal(job.steps[installed]?.id, "install", `${file} ${name}`);
        assert.match(condition, /&& steps\.install\.outcome == 'success'/, `${file} ${name}: ${run}`);
      }
    }
  });

  test("whoever changes the rules needs the administrators' review: CODEOWNERS has the paths that a review names", () => {
    const owned = readFileSync(".github/CODEOWNERS", "utf8")
      .split("\n")
      .filter((line) => line.startsWith("/"))
      .map((line) => line.split(" "));
    assert.deepEqual(
      owned.map(([path = ""]) => path.slice(1)).toSorted(),
      [...ruleFiles, "catalogue/organization.yaml"].toSorted(),
    );
    assert.ok(owned.every(([, owner]) => owner === "@acme/administrators"));
  });
});

suite("the roles of AWS are taken by the workflows that they trust", () => {
  for (const { environment, aws, platform } of models) {
    const taken = new Map<string, string>();
    for (const { file, name, job } of jobs) {
      const variable = roleVariable(job);
      const there = environmentsOf(workflows.get(file), job).find(
        (each) => each === environment || each.startsWith(`${environment}-`),
      );
      if (variable === undefined || there === undefined) continue;
      const purpose = /^AWS_(\w+)_ROLE_ARN$/.exec(variable)?.[1]?.toLowerCase() ?? variable;
      test(`${file} ${name} takes the role of AWS that ${variable} of ${environment} names: it trusts this job, and no other's does`, async () => {
        const role = aws?.roles.find((each) => each.name === `keyplane-${environment}-${purpose}`);
        assert.ok(role !== undefined && aws !== undefined, `there is no role for ${variable}`);
        const before = taken.get(variable);
        assert.ok(before === undefined || before === file, `${before} takes it from there as well`);
        taken.set(variable, file);
        const { repository } = platform;
        const [owner = "", repositoryName = ""] = repository.name.split("/");
        const claims = claimsOf({
          owner: { name: owner, id: repository.ownerId },
          repository: { name: repositoryName, id: repository.id },
          form: "immutable",
          environment: there,
          ref: "refs/heads/main",
          workflow: `${repository.name}/${folder}/${file}@refs/heads/main`,
          audience: "sts.amazonaws.com",
          distorted: (subject) => subject,
        });
        const issuer = "token.actions.githubusercontent.com";
        const entered = [];
        for (const each of aws.roles.filter(({ of }) => of === "github")) {
          const may = await allowed({
            principal: `arn:aws:iam::${aws.account}:oidc-provider/${issuer}`,
            action: "sts:AssumeRoleWithWebIdentity",
            resource: `arn:aws:iam::${aws.account}:role/${each.name}`,
            account: aws.account,
            policy: each.trust,
            context: Object.fromEntries(
              Object.entries(claims).map(([claim, value]) => [`${issuer}:${claim}`, value]),
            ),
          });
          if (may) entered.push(each.name);
        }
        assert.deepEqual(entered, [role.name]);
      });
    }
  }

  test("deploy, drift and rotate take theirs; a preview's is in an environment of its own", () => {
    const taking = jobs.flatMap(({ file, name, job }) =>
      roleVariable(job) === undefined ? [] : [`${file} ${name}: ${roleVariable(job)}`],
    );
    assert.deepEqual(taking, [
      "deploy.yml staging: AWS_DEPLOY_ROLE_ARN",
      "deploy.yml production: AWS_DEPLOY_ROLE_ARN",
      "drift.yml look: AWS_DRIFT_ROLE_ARN",
      "review.yml preview: AWS_PREVIEW_ROLE_ARN",
      "rotate.yml staging: AWS_ROTATE_ROLE_ARN",
      "rotate.yml production: AWS_ROTATE_ROLE_ARN",
    ]);
  });

  test("policies/README.md names each variable that the workflows read", () => {
    const text = readFileSync("policies/README.md", "utf8");
    const read = jobs.flatMap(({ job }) =>
      [job.env ?? {}, ...job.steps.map(({ env = {} }) => env)]
        .flatMap((env) => Object.values(env))
        .flatMap((value) => /vars\.(\w+)/.exec(value)?.[1] ?? []),
    );
    assert.deepEqual(
      [...new Set(read)].filter((name) => !text.includes(`\`${name}\``)),
      [],
    );
  });
});
