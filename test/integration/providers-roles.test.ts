import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { environmentOf } from "../../local/services/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { renderPolicy } from "../../model/policies.ts";
import { ProgramStack, type Run } from "./providers-stack.ts";

let stack: ProgramStack;
let built: Run;

/** A token with one policy of the model and nothing else, not even Vault's default one. */
async function tokenOf(policy: string): Promise<string> {
  const { auth } = await stack.vault.write("auth/token/create", {
    policies: [policy],
    no_default_policy: true,
  });
  return auth?.client_token ?? "";
}

before(async () => {
  const catalogue = await loadCatalogue("catalogue");
  stack = await ProgramStack.start((services) => {
    const environment = environmentOf(services);
    const kubernetes = { host: "https://127.0.0.1:6443", certificate: services.issuer.ca };
    return derive(catalogue, "local", { ...environment, vault: { ...environment.vault, kubernetes } });
  });
  const deploy = stack.model.policies.find(({ name }) => name === "keyplane.deploy");
  assert.ok(deploy);
  await stack.vault.write("sys/policies/acl/keyplane.deploy", { policy: renderPolicy(deploy) });
  stack.token = await tokenOf("keyplane.deploy");
  built = await stack.up();
});
after(() => stack?.[Symbol.asyncDispose]());

test("the deploy role, without root, can build everything that the five systems declare", () => {
  assert.ok(built.steps.length > 100);
  assert.deepEqual(
    built.steps.filter((step) => !step.startsWith("create ")),
    [],
  );
});

test("the drift role can look at everything, and sees what was changed by hand", async () => {
  stack.token = await tokenOf("keyplane.drift");
  assert.deepEqual((await stack.drift()).steps, []);
  await stack.vault.write("sys/policies/acl/titan.titan-brain", {
    policy: 'path "kv/*" { capabilities = ["read"] }',
  });
  await stack.vault.delete("auth/kubernetes/role/trading-bot.bot");
  assert.deepEqual((await stack.drift()).steps, [
    "delete AuthBackendRole trading-bot.bot",
    "update Policy titan.titan-brain",
  ]);
});

test("the drift role can put nothing back: it cannot write", async () => {
  await assert.rejects(stack.up({ refresh: true }), /403: 1 error occurred:\s+\* permission denied/);
  assert.match(
    (await stack.vault.read<{ policy: string }>("sys/policies/acl/titan.titan-brain"))?.policy ?? "",
    /"kv\/\*"/,
  );
});

test("the deploy role puts it back", async () => {
  stack.token = await tokenOf("keyplane.deploy");
  await stack.up({ refresh: true });
  assert.deepEqual((await stack.drift()).steps, []);
});
