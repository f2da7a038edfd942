import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { platform } from "../../infra/index.ts";
import { record } from "../../infra/record.ts";
import { Engine } from "../../local/engine.ts";
import { startVaultProvider } from "../../local/providers/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { judge } from "../../policies/judge.ts";
import { seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";

// A preview of a stack that does not exist yet asks nothing of Vault: the real engine with the pack is all that runs.

const pack = resolve("policies/analyzer");
let folder: string;
let engine: Engine;
let provider: { close(): Promise<void> };
let catalogue: Catalogue;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-policies-"));
  catalogue = await loadCatalogue("catalogue");
  const started = await startVaultProvider({ address: "https://127.0.0.1:1", ca: "", token: () => "" });
  provider = started;
  engine = await Engine.open({
    home: folder,
    pulumi: await findTool("pulumi", () => {}),
    environment: {
      PULUMI_DEBUG_PROVIDERS: `vault:${started.port}`,
    },
  });
});
after(async () => {
  await provider?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What an account has beside the emulator's types, the official provider alone serves. */
function withoutAws({ aws: _, ...model }: Model): Model {
  return model;
}

/** Verdicts of a preview with the pack, as `verdict rule resource`, and whether the engine let it pass. */
async function byEngine(
  stack: string,
  model: Model,
): Promise<{ verdicts: string[]; passed: boolean; judged: string; log: string }> {
  const opened = await engine.stack(stack, async () =>
    platform(model, { part: "all", bootstrapPasswords: {} }),
  );
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

async function inProcess(stack: string, model: Model): Promise<string[]> {
  const program = await record(stack, () => platform(model, { part: "all", bootstrapPasswords: {} }));
  const findings = judge(rules, program.map(seen));
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
  const model = withoutAws(derive(catalogue, "production"));
  const { verdicts, passed, log } = await byEngine("production", model);
  assert.deepEqual(verdicts, await inProcess("production", model), log);
  assert.equal(passed, true, log);
});

test("a violation in each subject stops the preview, with the same verdicts as in process", async () => {
  const right = withoutAws(derive(catalogue, "staging"));
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
    "consumer-own-paths",
    "database-tls",
    "jwt-claims-exact",
    "jwt-workflow-bound",
    "key-rotates",
    "name-exact",
    "quota-everywhere",
  ]);
});
