import assert from "node:assert/strict";
import { test } from "node:test";
import type { Consumer, Model, Secret, Service } from "../../../model/model.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { planRotation } from "../../../operations/rotation/plan.ts";

const now = new Date("2026-11-22T12:00:00Z");

function consumer(name: string, role: Consumer["role"], fields: string[]): Consumer {
  const as = Object.fromEntries(fields.map((field) => [field.toUpperCase().replace("-", "_"), field]));
  return {
    id: `titan/${name}`,
    kind: "service",
    name,
    role,
    path: `services/titan/${name}/hmac`,
    as,
    files: {},
  };
}

const secret: Secret = {
  id: "titan/hmac",
  system: "titan",
  name: "hmac",
  owner: "ada",
  class: "critical",
  kind: "hmac",
  fields: ["primary", "secondary", "key-id"],
  generator: { by: "machine", bytes: 32, encoding: "hex" },
  rotate: { by: "machine", overlap: 86_400, onCompromise: true },
  idle: { source: "metric", metric: "hmac_secondary_used_total" },
  impact: "Signals are signed anew",
  source: "source/titan/hmac",
  journal: "rotation/titan/hmac",
  evidence: "evidence/titan/hmac",
  stored: [],
  templates: {},
  consumers: [
    consumer("brain", "signer", ["primary", "key-id"]),
    consumer("gateway", "reader", ["primary", "secondary"]),
    consumer("sentinel", "listener", ["primary", "secondary"]),
  ],
};

const service = (name: string, reload: Service["reload"], settles = 0): Service => ({
  id: `titan/${name}`,
  system: "titan",
  name,
  runsOn: "compose",
  settles,
  reload,
  policy: name,
  deliver: [],
});

const model: Pick<Model, "services" | "rotation"> = {
  services: [
    service("brain", "restart", 90),
    service("gateway", "restart", 60),
    service("sentinel", "watch"),
    service("other", "restart"),
  ],
  rotation: {
    concurrent: { perService: 1, total: 8 },
    jitter: 3600,
    blackouts: [],
    watch: 300,
    evidence: 86_400,
  },
};

const sink = (name: string, isSeen: boolean): Sink => ({
  name,
  write: () => assert.fail("a plan writes nothing"),
  reload: () => assert.fail("a plan reloads nothing"),
  running: async () =>
    isSeen ? { state: "runs", version: 3, how: "" } : { state: "unobservable", why: "it is write-only" },
});

test("the plan tells who gets what in which order, and exactly who restarts how often (R29, R34, R49)", async () => {
  const plan = await planRotation(model, secret, {
    reason: "scheduled",
    now,
    sinks: ({ name }) => (name === "brain" ? [] : [sink(`.env of ${name}`, name === "sentinel")]),
    probes: ({ name }) => [{ name: `/health of ${name}`, check: () => assert.fail("a plan probes nothing") }],
  });
  assert.deepEqual(
    plan.deliveries.map(({ consumer: id, moment, gets }) => `${moment}: ${id} gets ${gets}`),
    [
      "listeners: titan/sentinel gets the new value, beside the old one",
      "listeners: titan/gateway gets the new value to accept, beside the one it signs with",
      "signers: titan/gateway gets the new value, beside the old one",
      "signers: titan/brain gets the new value",
      "revocation: titan/sentinel gets the new value without the old one",
      "revocation: titan/gateway gets the new value without the old one",
    ],
  );
  assert.deepEqual(plan.restarts, ["titan/gateway", "titan/gateway", "titan/brain", "titan/gateway"]);
  assert.deepEqual(plan.deliveries[0]?.sinks, [".env of sentinel"]);
  assert.deepEqual(plan.deliveries[0]?.probes, ["/health of sentinel"]);
  assert.equal(plan.impact, "Signals are signed anew");
  assert.deepEqual(plan.times, {
    overlap: 86_400,
    watch: 300,
    settles: 150,
    earliestEnd: new Date("2026-11-23T12:02:30Z"),
  });
  assert.deepEqual(plan.unobservable, [
    "titan/brain: reads Vault itself; it has 90 s to take up a new one",
    "titan/gateway, .env of gateway: it is write-only; it has 60 s to take up a new one",
  ]);
  assert.deepEqual(plan.skipped, []);
});

test("the plan names each declared probe that would not be asked (R46)", async () => {
  const plan = await planRotation(model, secret, {
    ...{ reason: "scheduled", now },
    unprobed: ({ name, id }) =>
      name === "brain" ? { why: `${id} is not looked at`, acknowledged: true } : undefined,
  });
  assert.deepEqual(plan.unprobed, ["titan/brain is not looked at"]);
  assert.deepEqual((await planRotation(model, secret, { reason: "scheduled", now })).unprobed, []);
});

test("the plan of a password says that its server refuses its clients until they have restarted (R27, R49)", async () => {
  const consumers = [consumer("api", "reader", ["password"]), consumer("redis", "listener", ["password"])];
  const password: Secret = { ...secret, kind: "password", fields: ["password"], consumers };
  const said = async (more: Partial<Secret>, reason: "first" | "scheduled" = "scheduled") =>
    (await planRotation(model, { ...password, ...more }, { reason, now })).meanwhile;
  const { window } = await planRotation(model, password, { reason: "scheduled", now });
  assert.deepEqual(window?.refused, ["titan/api"]);
  const refused =
    "once it has restarted with the new value, titan/redis refuses the old one: titan/api is refused until it has restarted too; all of them follow at once";
  assert.equal(await said({}), refused);
  assert.equal(await said({ kind: "s3" }), refused);
  assert.equal(await said({ kind: "s3", provider: { name: "aws", api: true } }), undefined);
  assert.equal(await said({}, "first"), undefined);
  assert.equal(await said({ consumers: consumers.slice(0, 1) }), undefined);
});

test("the plan of a compromise has no overlap and says what it leaves out (R21)", async () => {
  const plan = await planRotation(model, secret, { reason: "compromise", now });
  assert.deepEqual(plan.times, {
    overlap: 0,
    watch: 0,
    settles: 150,
    earliestEnd: new Date(now.getTime() + 150_000),
  });
  assert.equal(plan.deliveries.length, 6);
  assert.deepEqual(plan.skipped, [
    "error rates are not watched (300 s)",
    "the overlap of 86400 s is cut short",
    "the old value is not waited for to be unused",
  ]);
});

test("a first value is brought to each consumer once, and nothing is dropped", async () => {
  const plan = await planRotation(model, secret, { reason: "first", now });
  assert.deepEqual(
    plan.deliveries.map(({ consumer: id, moment }) => `${moment}: ${id}`),
    ["listeners: titan/sentinel", "signers: titan/gateway", "signers: titan/brain"],
  );
});

test("a field assembled from the one before changes when that is dropped", async () => {
  const assembled: Secret = {
    ...secret,
    templates: { both: "{primary},{secondary}", one: "{primary}" },
    consumers: [consumer("gateway", "listener", ["both"]), consumer("sentinel", "listener", ["one"])],
  };
  const plan = await planRotation(model, assembled, { reason: "scheduled", now });
  assert.deepEqual(
    plan.deliveries.filter(({ moment }) => moment === "revocation").map(({ consumer: id }) => id),
    ["titan/gateway"],
  );
});

for (const [logins, reason, meanwhile] of [
  [
    ["brain_a", "brain_b"],
    "scheduled",
    "titan/ledger accepts both brain_a and brain_b, until the old one is shut and its sessions are ended",
  ],
  [
    ["trading"],
    "scheduled",
    "from its staging on titan/ledger refuses new connections of trading with the old password (SQLSTATE 28P01), " +
      "open ones go on with the old one; all consumers get the new one at once",
  ],
  [
    ["trading"],
    "compromise",
    "from its staging on titan/ledger refuses new connections of trading with the old password (SQLSTATE 28P01), " +
      "open ones are ended once everybody has the new one; all consumers get the new one at once",
  ],
  [["trading"], "first", undefined],
] as const) {
  test(`the plan says what a database with ${logins.length} login(s) accepts meanwhile: ${reason} (R31, R32)`, async () => {
    const user = logins.length === 1 ? logins[0] : "brain";
    const databaseUser = { database: "titan/ledger", user, memberOf: "group", logins: [...logins] };
    const { idle: _, ...rest } = secret;
    const password: Secret = { ...rest, kind: "postgres-password", databaseUser };
    const plan = await planRotation(model, password, { reason, now });
    assert.equal(plan.meanwhile, meanwhile);
    assert.deepEqual(plan.idle, { source: "sessions" });
    const isShut = logins.length === 1 && reason !== "first";
    const refused = ["titan/brain", "titan/gateway", "titan/sentinel"];
    assert.deepEqual(plan.window, isShut ? { refused, takeover: { lease: 62, latest: 962 } } : undefined);
  });
}
