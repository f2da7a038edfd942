import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Part, partsOf } from "../../model/parts.ts";
import { ProgramStack } from "./providers-stack.ts";

let stack: ProgramStack;
let stages: Part[][];
const steps = new Map<string, string[]>();

before(async () => {
  stack = await ProgramStack.start();
  stages = partsOf(stack.model);
  for (const stage of stages) {
    await Promise.all(
      stage.map(async (part) => {
        steps.set(part.stack, (await stack.up({}, part)).steps);
      }),
    );
  }
  stack.bootstrapPasswords = {};
});
after(() => stack?.[Symbol.asyncDispose]());

test("the platform comes first, then the systems' parts side by side", () => {
  assert.deepEqual(stages, [
    [{ stack: "local.platform", part: "platform" }],
    [
      { stack: "local.first", part: "first" },
      { stack: "local.second", part: "second" },
    ],
  ]);
});

test("a part's stack holds what its systems need and nothing else", () => {
  assert.deepEqual(steps.get("local.second"), [
    "create AuthBackendRole soma.gateway",
    "create Policy soma.gateway",
  ]);
  assert.deepEqual(steps.get("local.first"), [
    "create AuthBackendRole titan.ci.deploy",
    "create AuthBackendRole titan.quant",
    "create DatabaseCredentials titan.ledger",
    "create Endpoint titan.ledger-rotate-root",
    "create Policy titan.ci.deploy",
    "create SecretBackendConnection titan.ledger-connection",
    "create SecretBackendKey titan.documents",
    "create SecretBackendRole titan.ledger-titan.ledger.keyplane.rotate",
    "create SecretBackendRole titan.ledger-titan.ledger.quant",
  ]);
});

test("every part's preview has no change afterwards, in any order", async () => {
  for (const part of stages.flat().reverse()) {
    assert.deepEqual((await stack.preview(part)).steps, [], part.stack);
  }
});

test("the parts together are a working platform: a role of one issues credentials in the mount of another", async () => {
  const issued = await stack.vault.read<{ username: string }>("database/creds/titan.ledger.quant");
  assert.match(issued?.username ?? "", /^v-root-titan/);
});
