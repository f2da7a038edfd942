import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { findTool } from "../../local/toolchain/index.ts";
import type { PolicyEvent } from "../../operations/gates/policy-events.ts";
import { pulumiIn } from "../../operations/gates/pulumi.ts";
import { judge } from "../../policies/judge.ts";
import { type Declared, seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";
import { signature } from "../../policies/wire.ts";
import { exported } from "../policies/made.ts";
import { mutants } from "../policies/mutation.ts";
import { environments, realState } from "../policies/real.ts";

const home = await mkdtemp(join(tmpdir(), "keyplane-mutants-"));
after(() => rm(home, { recursive: true, force: true }));

/** One of each mutation of the shipped programs, all of them resources of one state. */
async function mutated(): Promise<(Declared & { parent: string })[]> {
  const found = new Map<string, Declared>();
  for (const environment of environments) {
    const state = await realState(environment);
    for (const resource of state) {
      for (const { what, resource: mutant } of mutants(resource, ["default"])) {
        // A state has no value that only an update makes known, and no mark of a secret value that is another.
        // Nor is a pack shown which options a state's resources were declared with, but for their protection.
        const isOfState = !/ (unknown|left as it is|retained)$/.test(what) && !what.includes(signature);
        if (isOfState && !found.has(what)) found.set(what, mutant);
      }
    }
  }
  return [...found.values()].map(({ ignoreChanges: _, retainOnDelete: __, ...mutant }, at) => {
    const name = `mutant-${at}`;
    return { ...mutant, name, parent: "", urn: `urn:pulumi:production::keyplane::${mutant.type}::${name}` };
  });
}

/** What the engine says of a state, as `resource verdict rule: message`. */
async function byEngine(resources: Parameters<typeof exported>[0]): Promise<string[]> {
  const file = join(home, "state.json");
  await writeFile(file, JSON.stringify(exported(resources)));
  const run = pulumiIn(home, await findTool("pulumi", () => {}), {
    ...process.env,
    PULUMI_HOME: join(home, "pulumi"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
  });
  const pack = resolve("policies/analyzer");
  const { stdout, stderr } = await run([
    "policy",
    "analyze",
    "--file",
    file,
    "--policy-pack",
    pack,
    "--json",
  ]);
  const said = stdout
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => (JSON.parse(line) as { policyEvent?: PolicyEvent }).policyEvent ?? []);
  assert.ok(
    said.some(({ message }) => message.startsWith(`judged ${resources.length} resources one by one`)),
    stderr,
  );
  return said
    .filter(({ policyName }) => policyName !== "keyplane-judged")
    .map(({ policyName, message, resourceUrn = "" }) => {
      const isWhole = resourceUrn.includes("::pulumi:pulumi:Stack::");
      return `${isWhole ? "stack" : resourceUrn.split("::").at(-1)} ${policyName}: ${message}`;
    })
    .sort();
}

test("the engine's findings at every mutation of the shipped programs are those of `keyplane check`, word for word", async () => {
  const resources = await mutated();
  const expected = judge(rules, resources.map(seen)).map(({ rule, verdict, message, urn }) => {
    assert.equal(verdict, "violated", message);
    return `${urn?.split("::").at(-1) ?? "stack"} ${rule.name}: ${message}. ${rule.fix}`;
  });
  const found = await byEngine(resources);
  // The engine also shows the pack what the resources have as outputs, which may say the same twice.
  assert.deepEqual([...new Set(found)].sort(), [...new Set(expected)].sort());
  const reporting = new Set(expected.map((text) => text.split(" ")[1]));
  assert.ok(
    resources.length > 1500 && reporting.size > 100,
    `${resources.length} by ${reporting.size} rules`,
  );
});
