import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { planText } from "../../../cli/rotation-plan.ts";
import type { Vault } from "../../../clients/vault.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Consumer, RotationModel, Secret } from "../../../model/model.ts";
import { shipped } from "../../../model/shipping.ts";
import { planMany } from "../../../operations/rotation/fleet-plan.ts";
import { refuseUnreached } from "../../../operations/rotation/gates.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";

const model = shipped(derive(await loadCatalogue("catalogue"), "staging"));
const now = new Date("2026-11-23T10:00:00Z");
const written = { created_time: "2026-11-20T10:00:00Z", deletion_time: "", destroyed: false };

/** Every source has a value, and nothing was ever rotated. Values are not asked for. */
const vault = {
  async read(path: string) {
    if (path.includes("/metadata/source/")) return { current_version: 1, versions: { 1: written } };
    assert.match(path, /\/(data|metadata)\/rotation\//);
    return undefined;
  },
} as unknown as Vault;

const hmac = model.secrets.find(({ id }) => id === "titan/hmac");

/** A job whose values GitHub keeps. */
const job: Consumer = {
  ...{ id: "solo/ci/test", kind: "ci", name: "test", role: "signer", path: "ci/solo/test/hmac" },
  ...{ as: { HMAC: "primary" }, files: {} },
};

/** The plan of titan/hmac, and why the same run would refuse it. */
async function planned(
  options: {
    root?: string;
    reason?: "scheduled" | "compromise";
    services?: Partial<RotationModel["services"][number]>;
    consumers?: Consumer[];
  } = {},
) {
  const { reason = "scheduled", root, services } = options;
  assert.ok(hmac);
  const secret: Secret = { ...hmac, consumers: options.consumers ?? hmac.consumers };
  const runner: Runner = {
    ...{ vault, by: "ada", report: () => {}, signal: new AbortController().signal },
    model: { ...model, services: model.services.map((service) => ({ ...service, ...services })) },
    host: { runs: "/nonexistent", ...(root !== undefined && { root }) },
    clock: { now: () => now, sleep: () => assert.fail("a plan waits for nothing") },
  };
  const [plan] = await planMany(runner, [secret], { what: "these", reason });
  assert.ok(plan?.does === "begins");
  const refusal = await refuseUnreached(runner, secret, reason).then(
    () => undefined,
    ({ message }: Error) => message.slice("titan/hmac is left as it is. ".length),
  );
  return { plan, text: planText(plan).map((line) => line.trim()), refusal };
}

suite("the dry run says what the same command refuses before it begins, in the same words", () => {
  test("on a machine that is no service's host: nobody is given time to take up what comes to nobody", async () => {
    const { plan, text, refusal } = await planned();
    assert.match(refusal ?? "", /this machine is not the service's host/);
    assert.ok(text.includes(`would be refused: ${refusal}`), text.join("\n"));
    assert.deepEqual([plan.plan.times.settles, plan.plan.unobservable], [0, []]);
    assert.doesNotMatch(text.join("\n"), /cannot be seen/);
  });
  test("where nothing delivers yet, after a compromise too (R21)", async () => {
    for (const reason of ["scheduled", "compromise"] as const) {
      const services = { deliver: [{ to: "fly" as const, app: "titan" }] };
      const { text, refusal } = await planned({ root: "/nonexistent", services, reason });
      assert.match(refusal ?? "", /delivery to fly comes with a later version/);
      assert.ok(text.includes(`would be refused: ${refusal}`), text.join("\n"));
    }
  });
  test("where a person has to put it, on a schedule; after a compromise it begins, and the person is told (R21, R44)", async () => {
    const { text, refusal } = await planned({ consumers: [job] });
    assert.match(refusal ?? "", /delivery to github-actions/);
    assert.ok(text.includes(`would be refused: ${refusal}`), text.join("\n"));
    const leaked = await planned({ consumers: [job], reason: "compromise" });
    assert.deepEqual([leaked.refusal, leaked.plan.refused], [undefined, undefined]);
    assert.match(leaked.text.join("\n"), /by hand: solo\/ci\/test, github-actions/);
  });
  test("whoever reads Vault itself is given its time all the same", async () => {
    const services = { deliver: [], settles: 90 };
    const { plan, text } = await planned({ services });
    assert.equal(plan.refused, undefined);
    assert.equal(plan.plan.times.settles, 180);
    assert.match(text.join("\n"), /cannot be seen: titan\/titan-brain: reads Vault itself; it has 90 s/);
  });
});
