import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Secret } from "../../../model/model.ts";
import { shipped } from "../../../model/shipping.ts";
import { refuseUnreached } from "../../../operations/rotation/gates.ts";
import { planRotation } from "../../../operations/rotation/plan.ts";
import { type Runner, subjectOf } from "../../../operations/rotation/runner.ts";

const catalogue = await loadCatalogue("catalogue");

function secretOf(environment: string, id: string): { runner: Runner; secret: Secret } {
  const model = shipped(derive(catalogue, environment));
  const secret = model.secrets.find((one) => one.id === id);
  if (secret === undefined) throw new Error(`the catalogue has no ${id}`);
  const runner: Runner = {
    // Nothing of it is asked before something is brought.
    vault: undefined as unknown as Vault,
    model,
    by: "ada",
    report: () => {},
    signal: new AbortController().signal,
    host: { runs: "/nonexistent", root: "/nonexistent" },
  };
  return { runner, secret };
}

suite("a CI job whose values GitHub keeps (R44)", () => {
  test("refuses a rotation before anything is made, since nothing writes there yet", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    await assert.rejects(refuseUnreached(runner, secret), {
      name: "DeliveryError",
      message:
        "solo/openai is left as it is. solo/ci/test, github-actions acme/solo/staging: delivery to github-actions comes " +
        "with a later version of keyplane: leave out the job's deliver, so that it reads Vault itself",
    });
  });
  test("is named in the plan with its place, and not said to read Vault; a job that does is", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    const { sinks } = await subjectOf(runner, secret);
    const plan = await planRotation(runner.model, secret, { reason: "scheduled", now: new Date(), sinks });
    const placeOf = (id: string) => plan.deliveries.find(({ consumer }) => consumer === id)?.sinks;
    assert.deepEqual(placeOf("solo/ci/test"), ["github-actions acme/solo/staging"]);
    assert.deepEqual(placeOf("solo/ci/deploy"), []);
  });
});
