import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { planText } from "../../../cli/rotation-plan.ts";
import type { Vault } from "../../../clients/vault.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Secret } from "../../../model/model.ts";
import { shipped } from "../../../model/shipping.ts";
import { refuseUnreached } from "../../../operations/rotation/gates.ts";
import { drainOf } from "../../../operations/rotation/overlap.ts";
import { planRotation } from "../../../operations/rotation/plan.ts";
import { type Runner, subjectOf } from "../../../operations/rotation/runner.ts";

const catalogue = await loadCatalogue("catalogue");
const now = new Date("2026-11-23T10:00:00Z");

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
  test("refuses what is scheduled before anything is made, since nothing writes there yet", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    const own = { ...secret, consumers: secret.consumers.filter(({ kind }) => kind === "ci") };
    await assert.rejects(refuseUnreached(runner, own, "scheduled"), {
      name: "PersonNeededError",
      message:
        "solo/openai is left as it is. solo/ci/test, github-actions acme/solo/staging: delivery to github-actions comes " +
        "with a later version of keyplane: leave out the job's deliver, so that it reads Vault itself",
    });
    const elsewhere = { ...runner, host: { runs: "/nonexistent" } };
    await assert.rejects(refuseUnreached(elsewhere, secret, "scheduled"), { name: "UnreachedError" });
  });
  test("leaves no leaked value alive for a place that a person has to write, and the plan names it (R21)", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    const own = { ...secret, consumers: secret.consumers.filter(({ kind }) => kind === "ci") };
    const { sinks } = await subjectOf(runner, own);
    for (const reason of ["compromise", "leaver"] as const) {
      await refuseUnreached(runner, own, reason);
      const plan = await planRotation(runner.model, own, { reason, now, sinks });
      const said =
        "by hand: solo/ci/test, github-actions acme/solo/staging: nothing writes there yet, a person has to put the new value there";
      const text = planText({ secret: own.id, does: "begins", plan }).map((line) => line.trim());
      assert.ok(text.includes(said), text.join("\n"));
    }
  });
  test("is no reason to refuse a service's own place that nothing writes yet: that stays refused (R21)", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    const services = runner.model.services.map((service) => ({
      ...service,
      deliver: [{ to: "fly" as const, app: "solo" }],
    }));
    const model = { ...runner.model, services };
    for (const reason of ["scheduled", "compromise", undefined] as const) {
      await assert.rejects(refuseUnreached({ ...runner, model }, secret, reason), {
        name: "DeliveryError",
        message: /delivery to fly/,
      });
    }
  });
  test("is named in the plan with its place, and not said to read Vault; a job that does is", async () => {
    const { runner, secret } = secretOf("staging", "solo/openai");
    const { sinks } = await subjectOf(runner, secret);
    const plan = await planRotation(runner.model, secret, { reason: "scheduled", now, sinks });
    const placeOf = (id: string) => plan.deliveries.find(({ consumer }) => consumer === id)?.sinks;
    assert.deepEqual(placeOf("solo/ci/test"), ["github-actions acme/solo/staging"]);
    assert.deepEqual(placeOf("solo/ci/deploy"), []);
  });
});

suite("a CI job that began before the switch has the old value, and nobody can make it read again", () => {
  const hour = 3600;
  const planned = async (
    environment: string,
    id: string,
    reason: "scheduled" | "compromise" = "scheduled",
  ) => {
    const { runner, secret } = secretOf(environment, id);
    const plan = await planRotation(runner.model, secret, { reason, now });
    return { secret, plan, text: planText({ secret: id, does: "begins", plan }) };
  };

  test("is waited for where both values are accepted: the plan counts it, whatever the overlap", async () => {
    const { runner, secret } = secretOf("production", "trading-bot/exchange");
    const none = { ...secret, rotate: { ...secret.rotate, overlap: 0 } };
    assert.deepEqual([drainOf(secret), drainOf(none), drainOf({ ...none, consumers: [] })], [hour, hour, 0]);
    const plan = await planRotation(runner.model, none, { reason: "scheduled", now });
    assert.deepEqual(plan.jobs, { ids: ["trading-bot/ci/deploy"], waits: hour });
    assert.ok(plan.times.earliestEnd.getTime() - now.getTime() >= hour * 1000);
    const text = planText({ secret: secret.id, does: "begins", plan }).map((line) => line.trim());
    const said =
      "a job that began before the switch has the old value (trading-bot/ci/deploy): revokes 1 h after the switch at the earliest";
    assert.ok(text.includes(said), text.join("\n"));
  });
  test("is waited for with everybody else where the overlap is longer: the plan says when that ends", async () => {
    const { runner, secret } = secretOf("production", "trading-bot/exchange");
    const week = { ...secret, rotate: { ...secret.rotate, overlap: 7 * 24 * hour } };
    const plan = await planRotation(runner.model, week, { reason: "scheduled", now });
    assert.equal(plan.jobs?.waits, 7 * 24 * hour);
    assert.match(
      planText({ secret: secret.id, does: "begins", plan }).join("\n"),
      /\(trading-bot\/ci\/deploy\): revokes 7 d after the switch at the earliest/,
    );
  });
  test("is refused where one value is accepted at a time, which no wait helps: the plan says so (R32)", async () => {
    const { secret, plan, text } = await planned("production", "solo/secret-key");
    assert.deepEqual([plan.jobs, drainOf(secret)], [{ ids: ["solo/ci/deploy"], waits: 0 }, 0]);
    assert.match(text.join("\n"), /\(solo\/ci\/deploy\), which is refused from then on: run it again/);
  });
  test("is not waited for after a compromise, which is among what is left out (R21)", async () => {
    const { plan } = await planned("production", "trading-bot/exchange", "compromise");
    assert.equal(plan.jobs, undefined);
    assert.ok(
      plan.skipped.includes(
        "trading-bot/ci/deploy is not waited for: a job that began before the switch is refused",
      ),
    );
  });
});
