import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { Policy } from "@pulumi/vault/policy.js";
import { Provider } from "@pulumi/vault/provider.js";
import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { type RecordedResource, record } from "../../infra/record.ts";
import { Engine } from "../../local/engine.ts";
import { startVaultProvider } from "../../local/providers/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { pulumiIn, type RunPulumi } from "../../operations/gates/pulumi.ts";
import { judge } from "../../policies/judge.ts";
import { seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";
import { exported } from "../policies/made.ts";
import { realState } from "../policies/real.ts";
import { keyplane } from "./support/keyplane.ts";
import { startPreviews } from "./support/previews.ts";

// A preview of a stack that does not exist yet asks nothing of Vault: the real engine with the pack is all that runs.

const pack = resolve("policies/analyzer");
let folder: string;
let engine: Engine;
let providers: { port: number; close(): Promise<void> }[];
let catalogue: Catalogue;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-policies-"));
  catalogue = await loadCatalogue("catalogue");
  // What an account has beside the emulator's types, the official provider alone serves.
  const vault = await startVaultProvider({ address: "https://127.0.0.1:1", ca: "", token: () => "" });
  const aws = await startPreviews("7.48.0");
  providers = [vault, aws];
  engine = await Engine.open({
    home: folder,
    pulumi: await findTool("pulumi", () => {}),
    environment: { PULUMI_DEBUG_PROVIDERS: `vault:${vault.port},aws:${aws.port}` },
  });
});
after(async () => {
  for (const provider of providers ?? []) await provider.close();
  await rm(folder, { recursive: true, force: true });
});

type Program = (model: Model) => void;

const program: Program = (model) =>
  platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode(resolve("lambdas")) });

/** Verdicts of a preview with the pack, as `verdict rule resource`, and whether the engine let it pass. */
async function byEngine(
  stack: string,
  model: Model,
  declare = program,
): Promise<{ verdicts: string[]; passed: boolean; judged: string; log: string }> {
  const opened = await engine.stack(stack, async () => declare(model));
  const verdicts = new Set<string>();
  let log = "";
  let judged = "";
  const passed = await opened.stack
    .preview({
      policyPacks: [pack],
      color: "never",
      onOutput: (text) => (log += text),
      onEvent: ({ policyEvent }) => {
        if (policyEvent === undefined) return;
        const { policyName, message, resourceUrn, enforcementLevel } = policyEvent;
        if (policyName === "keyplane-judged") {
          judged = message;
          return;
        }
        const pending = message.startsWith("pending: ");
        assert.equal(enforcementLevel, pending ? "advisory" : "mandatory");
        verdicts.add(line(pending ? "pending" : "violated", policyName, resourceUrn));
      },
    })
    .then(
      () => true,
      (error: Error) => {
        log += error.message;
        return false;
      },
    );
  return { verdicts: [...verdicts].sort(), passed, judged, log };
}

async function inProcess(stack: string, model: Model, declare = program): Promise<string[]> {
  const findings = judge(rules, (await record(stack, () => declare(model))).map(seen));
  return [...new Set(findings.map(({ verdict, rule, urn }) => line(verdict, rule.name, urn)))].sort();
}

/** The engine names the stack where a rule is about all of it, and it puts everything below the stack. */
function line(verdict: string, rule: string, urn: string | undefined): string {
  const [type = "", name = ""] = (urn ?? "").split("::").slice(2);
  return type.startsWith("pulumi:pulumi:Stack") && !type.includes("$")
    ? `${verdict} ${rule}`
    : `${verdict} ${rule} ${type} ${name}`.trimEnd();
}

test("the engine's verdicts on the shipped program are those of `keyplane check`, and it lets it pass", async () => {
  const model = derive(catalogue, "production");
  const { verdicts, passed, log } = await byEngine("production", model);
  assert.deepEqual(verdicts, await inProcess("production", model), log);
  assert.equal(passed, true, log);
});

test("a violation in each subject stops the preview, with the same verdicts as in process", async () => {
  const right = derive(catalogue, "staging");
  const wrong: Model = {
    ...right,
    vault: {
      ...right.vault,
      audit: right.vault.audit.map((device) => ({ ...device, name: `Raw ${device.name}` })),
    },
    policies: right.policies.map((policy) =>
      policy.name === "titan.titan-brain"
        ? { ...policy, rules: [{ path: "kv/data/services/soma/gateway/x", capabilities: ["read"] }] }
        : policy,
    ),
    jwtRoles: right.jwtRoles.map((role) => ({
      ...role,
      boundClaims: { ...role.boundClaims, ref: ["refs/heads/*"] },
    })),
    appRoles: right.appRoles.map((role) => ({ ...role, cidrs: ["0.0.0.0/0"] })),
    databases: right.databases.map((database) => ({ ...database, tls: "disable" as const })),
    encryptionKeys: right.encryptionKeys.map((key) => ({ ...key, autoRotate: 91 * 86_400 })),
    quotas: right.quotas.slice(1),
    ...(right.aws !== undefined && {
      aws: {
        ...right.aws,
        alarms: right.aws.alarms.filter(({ name }) => !name.endsWith("root-used")),
        functions: right.aws.functions.map((each) => ({ ...each, memory: 1 })),
        schedules: right.aws.schedules.map((each) => ({ ...each, expression: "rate(1 day)" })),
        trail: { ...right.aws.trail, retention: 30 },
      },
    }),
  };
  const { verdicts, passed, log } = await byEngine("staging", wrong);
  const expected = await inProcess("staging", wrong);
  assert.deepEqual(verdicts, expected, log);
  assert.equal(passed, false);
  const violated = new Set(
    expected.filter((text) => text.startsWith("violated")).map((text) => text.split(" ")[1]),
  );
  assert.deepEqual([...violated].sort(), [
    "approle-network-bound",
    "aws-alarms",
    "aws-lambda-bounded",
    "aws-logs-kept",
    "aws-schedule-often",
    "consumer-own-paths",
    "database-tls",
    "jwt-claims-exact",
    "jwt-workflow-bound",
    "key-rotates",
    "name-exact",
    "platform-one-environment",
    "quota-everywhere",
  ]);
});

test("a policy whose text no update would put right, and a Vault that the program names, stop the preview, as in process", async () => {
  const declare: Program = (model) => {
    program(model);
    new Policy(
      "copy",
      { name: "solo.copy", policy: 'path "kv/data/services/solo/copy/x" { capabilities = ["read"] }' },
      { ignoreChanges: ["policy"] },
    );
    new Provider("other", { address: "https://vault.other.example" });
  };
  const model = derive(catalogue, "production");
  const { verdicts, passed, log } = await byEngine("production", model, declare);
  assert.deepEqual(verdicts, await inProcess("production", model, declare), log);
  assert.equal(passed, false);
  assert.deepEqual(
    verdicts.filter((text) => text.startsWith("violated")),
    [
      "violated provider-default pulumi:providers:vault other",
      "violated state-changes-not-ignored vault:index/policy:Policy copy",
    ],
  );
});

suite("`keyplane check --state` of an environment whose state is where `pulumi` is logged in", () => {
  let environment: Record<string, string>;
  let state: RecordedResource[];
  let run: RunPulumi;

  before(async () => {
    const [project, backend, bin] = ["project", "remote", "bin"].map((name) => join(folder, name));
    for (const each of [project, backend, bin]) await mkdir(each ?? "");
    const pulumi = await findTool("pulumi", () => {});
    await symlink(pulumi, join(bin ?? "", "pulumi"));
    environment = {
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      PULUMI_HOME: join(folder, "pulumi-home"),
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE: "of a test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    await writeFile(join(project ?? "", "Pulumi.yaml"), "name: keyplane\nruntime: nodejs\n");
    run = pulumiIn(project ?? "", pulumi, environment);
    assert.equal((await run(["stack", "init", "staging"])).code, 0);
    state = await realState("staging");
  });

  async function checked(resources: Parameters<typeof exported>[0]) {
    const file = join(folder, "state.json");
    await writeFile(file, JSON.stringify(exported(resources)));
    const { code, stderr } = await run(["stack", "import", "--stack", "staging", "--file", file]);
    assert.equal(code, 0, stderr);
    return keyplane(folder, ["check", "--environment", "staging", "--state", "--json"], { environment });
  }
  interface Answer {
    verdict: string;
    gates: { gate: string; outcome: string; judged: number; of: number; findings: { rule: string }[] }[];
  }

  test("judges every resource of it", async () => {
    const { code, stdout, stderr } = await checked(state);
    const { verdict, gates } = JSON.parse(stdout) as Answer;
    assert.deepEqual(
      gates.map(({ gate, outcome }) => [gate, outcome]),
      [
        ["preview", "pending"],
        ["state", "passed"],
      ],
      stderr,
    );
    assert.deepEqual([gates[1]?.judged, gates[1]?.of], [state.length, state.length]);
    // The live gate was not asked for.
    assert.deepEqual([code, verdict], [0, "incomplete"]);
  });

  test("ends with 1 and names the rule where something in it is wrong", async () => {
    const wrong = state.map((resource) =>
      resource.type === "aws:cloudtrail/trail:Trail"
        ? { ...resource, inputs: { ...resource.inputs, enableLogging: false } }
        : resource,
    );
    const { code, stdout } = await checked(wrong);
    const { verdict, gates } = JSON.parse(stdout) as Answer;
    assert.deepEqual([code, verdict], [1, "failed"]);
    assert.deepEqual(
      gates[1]?.findings.map(({ rule }) => rule),
      ["aws-trail-everywhere"],
    );
  });

  const itself = "urn:pulumi:staging::keyplane::pulumi:pulumi:Stack::keyplane-staging";
  for (const [what, type] of [
    ["a provider answered", "vault:identity/entity:Entity"],
    ["the stack gives out", "pulumi:pulumi:Stack"],
  ] as const) {
    test(`finds a live value in what ${what}, though nobody asked for it`, async () => {
      const [first] = state;
      assert.ok(first);
      const all = [{ ...first, urn: itself, type: "pulumi:pulumi:Stack", inputs: {}, parent: "" }, ...state];
      const asked = all.find((resource) => resource.type === type);
      assert.ok(asked);
      const answered = { ...asked, outputs: { ...asked.inputs, rootPassword: "planted" } };
      const { code, stdout } = await checked(all.map((each) => (each === asked ? answered : each)));
      const { verdict, gates } = JSON.parse(stdout) as Answer;
      assert.deepEqual([code, verdict], [1, "failed"]);
      assert.deepEqual(
        gates[1]?.findings.map(({ rule }) => rule),
        ["state-no-live-value"],
      );
      assert.ok(!stdout.includes("planted"));
    });
  }

  test("passes nothing where there is no such stack", async () => {
    const elsewhere = join(folder, "elsewhere");
    await mkdir(elsewhere);
    const { code, stderr } = await keyplane(folder, ["check", "--environment", "staging", "--state"], {
      environment: { ...environment, PULUMI_BACKEND_URL: `file://${elsewhere}` },
    });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /the state of staging could not be read/);
  });
});
