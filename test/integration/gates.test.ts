import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFile, cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { runtime } from "@pulumi/pulumi";
import { Policy } from "@pulumi/vault/policy.js";
import { platform } from "../../infra/index.ts";
import { apply, Engine, type OpenedStack, preview, update } from "../../local/engine.ts";
import { pack } from "../../local/gates.ts";
import { bundles } from "../../local/lambdas.ts";
import { type ServedProvider, startAwsProvider, startVaultProvider } from "../../local/providers/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import type { LambdaName } from "../../model/aws.ts";
import type { Model } from "../../model/model.ts";
import { AuditFile } from "../../operations/audit/reader.ts";
import { GateError, outcomeOf, verdictOf } from "../../operations/gates/gate.ts";
import type { Session } from "../../operations/login.ts";
import { startStack, type TestStack } from "./stack.ts";
import { keyplane } from "./support/keyplane.ts";
import { startPreviews } from "./support/previews.ts";
import { PulumiProject } from "./support/pulumi-project.ts";
import { late, lateOf, lateWithin, wrong } from "./support/wrong-programs.ts";

// One real local stack, brought up by `up` with its three gates; then wrong programs, packs and states on it.

let stack: TestStack;
let deployer: Session;
let vault: ServedProvider;
let aws: ServedProvider;
let cluster: Awaited<ReturnType<typeof startPreviews>>;
let lambdaCode: Record<LambdaName, string>;

before(async () => {
  stack = await startStack();
  const { services, model } = stack.first;
  const { address, ca } = services.vault;
  deployer = await stack.as("deploy");
  vault = await startVaultProvider({ address, ca, token: () => deployer.vault.token ?? "" });
  aws = await startAwsProvider(services.aws);
  cluster = await startPreviews("4.0.0");
  lambdaCode = await bundles(stack.home, model);
});
after(async () => {
  await vault?.close();
  await aws?.close();
  await cluster?.close();
  await deployer?.end();
  await stack?.[Symbol.asyncDispose]();
});

const quiet = () => {};

async function engineWith(policies: string, home = stack.home): Promise<Engine> {
  return Engine.open({
    home,
    pulumi: await findTool("pulumi", quiet),
    environment: { PULUMI_DEBUG_PROVIDERS: `vault:${vault.port},aws:${aws.port},kubernetes:${cluster.port}` },
    policies: { pack: policies, catalogue: resolve("catalogue") },
  });
}

/** Whether the program came to its end: what a gate found before a mistake in it proves nothing of the rest. */
let isDeclared = false;

async function opened(
  model: Model,
  policies = pack,
  name = "local",
  beside = () => {},
): Promise<OpenedStack> {
  const engine = await engineWith(policies);
  isDeclared = false;
  return engine.stack(name, async () => {
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode });
    beside();
    isDeclared = true;
  });
}

const stateFile = () => join(stack.home, "pulumi", "backend", ".pulumi", "stacks", "keyplane", "local.json");

/** What was written to Vault while something ran, and whether the state changed. */
async function touched(work: () => Promise<void>): Promise<{ written: string[]; state: boolean }> {
  const before = await readFile(stateFile(), "utf8");
  const audit = await AuditFile.fromEnd(join(stack.first.services.vault.auditDirectories[0], "audit.log"));
  await work();
  const written = (await audit.read()).filter(({ action }) => !["read", "list", "login"].includes(action));
  return {
    written: written.map(({ path }) => path).filter((path) => path !== "auth/token/revoke-self"),
    state: (await readFile(stateFile(), "utf8")) !== before,
  };
}

async function refused(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => assert.fail("it passed"),
    (error: Error) => error,
  );
}

test("`up` runs three gates with one verdict: what is pending before the update is judged after it, by count", () => {
  const { gates, changes } = stack.first;
  assert.deepEqual(
    gates.map((gate) => [gate.gate, outcomeOf(gate)]),
    [
      ["preview", "pending"],
      ["state", "passed"],
      ["live", "passed"],
    ],
  );
  const [preview, state, live] = gates;
  // The default provider of Vault and that of AWS are in the state as well, and nobody counts them as created.
  assert.equal(state?.judged, (changes.create ?? 0) + 2);
  assert.equal(preview?.judged, state?.judged);
  assert.deepEqual([live?.judged, live?.of], [3, 3]);
  assert.equal(verdictOf(gates), "passed");
});

suite("a change against the rules", () => {
  let violated: Set<string>;
  let stopped: Error;
  let left: { written: string[]; state: boolean };

  before(async () => {
    const model = Object.values(wrong).reduce((model, [, change]) => change(model), stack.first.model);
    left = await touched(async () => {
      const declare = () => {
        for (const [, , beside] of Object.values(wrong)) beside?.();
      };
      stopped = await refused(update(await opened(model, pack, "local", declare), quiet));
    });
    const findings = stopped instanceof GateError ? stopped.gate.findings : [];
    violated = new Set(findings.filter(({ verdict }) => verdict === "violated").map(({ rule }) => rule));
  });

  test("stops the update before anything changes", () => {
    assert.ok(stopped instanceof GateError, stopped.stack);
    assert.ok(isDeclared, "the whole program was declared");
    assert.equal(stopped.gate.gate, "preview");
    assert.match(stopped.message, /^the policies stop local \(nothing was changed\):/);
    assert.deepEqual(left, { written: [], state: false });
  });

  for (const [subject, [rule]] of Object.entries(wrong)) {
    test(`of ${subject} is named`, () => assert.ok(violated.has(rule), [...violated].join(", ")));
  }
});

test("one change against one rule is enough to stop the update", async () => {
  const [rule, change] = wrong.quotas ?? assert.fail();
  const error = await refused(update(await opened(change(stack.first.model)), quiet));
  assert.ok(error instanceof GateError, error.stack);
  assert.deepEqual(
    error.gate.findings.map((finding) => `${finding.verdict} ${finding.rule}`),
    [`violated ${rule}`],
  );
});

/** A stack in which a rule says nothing before the update and stops it half-way: what it says, which names the policy made before. */
async function stoppedLate(stack: OpenedStack, rule: string, made: string): Promise<GateError> {
  const planned = await preview(stack, quiet);
  assert.equal(planned.gate && outcomeOf(planned.gate), "pending", "not passed, and not failed either");
  const pending = planned.gate?.findings.filter(({ verdict }) => verdict === "pending") ?? [];
  assert.ok(
    pending.some((finding) => finding.rule === rule),
    pending.map((finding) => finding.rule).join(", "),
  );
  const error = await refused(apply(stack, quiet));
  assert.ok(error instanceof GateError, error.stack);
  assert.equal(error.gate.gate, "state");
  const [, changes = ""] = /this run had made \d+ change\(s\): (.*)/.exec(error.message) ?? [];
  assert.ok(changes.includes(`create vault:index/policy:Policy ${made}`), error.message);
  assert.ok(error.message.includes(rule), error.message);
  return error;
}

/** One of each provider, or each subject's. */
const unknown = process.env.KEYPLANE_SCALE === "prove" ? { ...late, ...lateOf } : late;
for (const [subject, [rule, what, declare]] of Object.entries(unknown)) {
  test(`what only the update makes known of ${subject} stops it there, and the error names what was made before`, async () => {
    const engine = await engineWith(pack);
    const apart = await engine.stack(`local.apart-${subject.replace(" ", "-").toLowerCase()}`, async () => {
      const first = new Policy("titan.first", {
        name: "titan.first",
        policy: 'path "kv/data/services/titan/first/a" {\n  capabilities = ["read"]\n}\n',
      });
      declare(first.id);
    });
    const error = await stoppedLate(apart, rule, "titan.first");
    assert.match(error.message, what);
    assert.equal(await deployer.vault.read("sys/policies/acl/titan.extra"), undefined);
    assert.deepEqual(cluster.made, []);
    await deployer.vault.delete("sys/policies/acl/titan.first");
  });
}

test("`keyplane up` refuses an exception without its last day before anything is made", async () => {
  const catalogue = join(stack.home, "..", "without-expiry");
  await cp("catalogue", catalogue, { recursive: true });
  await appendFile(
    join(catalogue, "systems", "titan.yaml"),
    "\nexceptions:\n  old-ledger:\n    rule: database-tls\n    applies-to: titan/ledger\n    owner: ada\n    reason: None.\n",
  );
  const left = await touched(async () => {
    const { code, stderr } = await keyplane(stack.home, ["up", "--catalogue", catalogue]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /titan\.yaml:\d+:\d+: .*expires/);
  });
  assert.deepEqual(left, { written: [], state: false });
});

for (const [name, why] of [
  [
    "throwing",
    /The rule broken-rule failed at urn:.*: nothing can be said, so nothing passes: the rule's own mistake/,
  ],
  ["unable", /packs\/unable\.ts/],
  ["dying", /the policy pack ended half-way: nothing was judged to the end, so nothing passes/],
  ["silent", /the policy pack judged 0 of \d+ resources: what was not judged has not passed/],
] as const) {
  test(`a policy pack that is ${name} stops the update with its reason, and nothing changes`, async () => {
    const policies = resolve(`test/integration/packs/${name}.ts`);
    const { written, state } = await touched(async () => {
      const command = [resolve("test/integration/packs/update.ts"), stack.home, policies];
      const { code, stdout } = await promisify(execFile)(process.execPath, command).then(
        () => assert.fail("it passed"),
        (error: { code: number; stdout: string }) => error,
      );
      assert.equal(code, 1);
      const { message } = JSON.parse(stdout) as { message: string };
      assert.match(message, why);
    });
    assert.deepEqual({ written, state }, { written: [], state: false });
  });

  test(`a policy pack that is ${name} lets no state pass`, async () => {
    const engine = await engineWith(resolve(`test/integration/packs/${name}.ts`));
    const gate = engine.stack("local", async () => {}).then((each) => engine.judge(each));
    const outcome = await gate.then(outcomeOf, (error: Error) => error.name);
    assert.ok(["failed", "GateError"].includes(outcome), outcome);
  });
}

test("the second gate names what is wrong in a state, whatever the preview said", async () => {
  const before = await readFile(stateFile(), "utf8");
  try {
    const brain = /(path \\"kv\/data\/services\/titan\/titan-brain\/[^"]*\\" \{\\n\s*capabilities = \[)/g;
    const after = before.replaceAll(brain, '$1\\"sudo\\", ');
    assert.notEqual(after, before);
    await writeFile(stateFile(), after);
    const engine = await engineWith(pack);
    const gate = await engine.judge(await engine.stack("local", async () => {}));
    assert.equal(outcomeOf(gate), "failed");
    assert.equal(gate.judged, gate.of);
    const { code, stdout } = await keyplane(stack.home, ["check", "--state", "--json"]);
    assert.equal(code, 1, stdout);
    const { verdict, gates } = JSON.parse(stdout) as {
      verdict: string;
      gates: { outcome: string; findings: { rule: string }[] }[];
    };
    assert.equal(verdict, "failed");
    assert.ok(gates[1]?.findings.some(({ rule }) => rule === "consumer-no-sudo"));
  } finally {
    await writeFile(stateFile(), before);
  }
});

test("`keyplane check --state --live` judges all three gates of the running stack, and its evidence is of the commit", async () => {
  const { code, stdout, stderr } = await keyplane(stack.home, ["check", "--state", "--live", "--json"]);
  assert.equal(code, 0, stderr + stdout);
  const { verdict, gates } = JSON.parse(stdout) as {
    verdict: string;
    gates: { gate: string; judged: number; of: number }[];
  };
  assert.equal(verdict, "passed");
  assert.deepEqual(
    gates.map(({ gate, judged, of }) => [gate, judged > 0 && judged === of]),
    [
      ["preview", true],
      ["state", true],
      ["live", true],
    ],
  );
});

suite("`keyplane judge` around the Pulumi CLI's own update", () => {
  let project: PulumiProject;
  const update = (env: Record<string, string> = {}) => {
    const command = ["up", "--policy-pack", "policies/analyzer", "--yes", "--skip-preview"];
    return project.judge("local", command, { env });
  };
  before(async () => {
    project = await PulumiProject.make(join(stack.home, "..", "cli"), `vault:${vault.port}`);
    await project.declarePolicies();
    await project.run("stack", "init", "local");
  });

  test("refuses what only the update makes known, and names what was made before it", async () => {
    const { code, stdout, stderr } = await update({ BEYOND: "late" });
    assert.equal(code, 1, stdout + stderr);
    assert.match(
      stderr,
      /the policies stop local \(this run had made \d+ change\(s\): .*create vault:index\/policy:Policy titan\.a/,
    );
    assert.match(stderr, /consumer-own-paths Policy titan\.c: /);
    assert.equal(await deployer.vault.read("sys/policies/acl/titan.c"), undefined);
  });

  test("ends well where the pack has judged all that the engine registered", async () => {
    const { code, stdout, stderr } = await update();
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^state: 5 of 5 resources judged: passed$/m);
    for (const name of ["a", "b", "c"]) await deployer.vault.delete(`sys/policies/acl/titan.${name}`);
  });
});

test("a state without resources has not passed: the engine's own analysis would end well on it", async () => {
  const engine = await engineWith(pack);
  const gate = engine.stack("empty", async () => {}).then((each) => engine.judge(each));
  assert.equal(await gate.then(outcomeOf, (error: Error) => error.name), "GateError");
});

test("`keyplane as` gives its command alone a token of the role, revokes it afterwards, and ends as the command does", async () => {
  const code = `
    const { Vault } = await import(${JSON.stringify(resolve("clients/vault.ts"))});
    const { readFileSync, statSync } = await import("node:fs");
    const { VAULT_ADDR: address, VAULT_TOKEN: token, VAULT_CACERT: file } = process.env;
    const vault = new Vault({ address, token, ca: readFileSync(file, "utf8") });
    const self = await vault.read("auth/token/lookup-self");
    console.log(JSON.stringify({ token, policies: self.policies, mode: statSync(file).mode & 0o777 }));
    process.exit(7);`;
  const words = [process.execPath, "--input-type=module", "--eval", code];
  const { code: ended, stdout, stderr } = await keyplane(stack.home, ["as", "drift", "--", ...words]);
  assert.equal(ended, 7, stderr);
  const { token, policies, mode } = JSON.parse(stdout) as { token: string; policies: string[]; mode: number };
  assert.deepEqual(policies, ["default", "keyplane.drift"]);
  assert.equal(mode, 0o600);
  await assert.rejects(stack.vault.with(token).read("auth/token/lookup-self"), { status: 403 });
  assert.equal((await keyplane(stack.home, ["as", "root", "--", "true"])).code, 2);
});

/** One, or every subject; each leaves something in the running stack. */
const within = Object.entries(lateWithin).slice(0, process.env.KEYPLANE_SCALE === "prove" ? undefined : 1);
for (const [index, [subject, [rule, wanted, argument, value]]] of within.entries()) {
  test(`what only the update makes known of ${subject} in the shipped program stops it there, and the error names what was made before`, async () => {
    const name = `titan.first-${index}`;
    const policy = `path "kv/data/services/titan/first-${index}/a" {\n  capabilities = ["read"]\n}\n`;
    const engine = await engineWith(pack);
    const local = await engine.stack("local", async () => {
      const made = new Policy(name, { name, policy });
      let isChanged = false;
      runtime.registerStackTransformation(({ type, props, opts }) => {
        if (type !== wanted || isChanged) return undefined;
        isChanged = true;
        return { props: { ...props, [argument]: made.id.apply(() => value) }, opts };
      });
      platform(stack.first.model, { part: "all", bootstrapPasswords: {}, lambdaCode });
    });
    await stoppedLate(local, rule, name);
  });
}
