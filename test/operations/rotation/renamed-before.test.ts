import assert from "node:assert/strict";
import { before, test } from "node:test";
import { keptId } from "../../../model/kept-names.ts";
import type { Secret } from "../../../model/model.ts";
import { type Evidence, refusal } from "../../../operations/rotation/evidence.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import type { ErrorWatch } from "../../../operations/rotation/watch.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { serviceOf } from "../delivery/services.ts";
import { renamed } from "./as-renamed.ts";
import { instance, TestClock, watchOf } from "./counting.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { rotated } from "./postgres-steps.ts";
import { scopes, world } from "./provider-world.ts";
import { catalogueModel } from "./rotator-context.ts";

// Renamed before the upgrade: versions before 2026-11-29 wrote the catalogue's new names, and not what a rename keeps.

let server: DatabaseServer;
const shared = endedWithFile();

before(async () => {
  server = await startDatabaseServer(shared);
});

/** As an older version wrote: what it is kept under is the catalogue's id. */
function asWrittenBefore(secret: Secret): Secret {
  return { ...secret, source: `source/${secret.id}` };
}

test("logins that an older version marked by a database user's new name are its own (R31)", async () => {
  const secret = renamed(server.like(server.secret("titan/ledger-titan-brain"), "marked"));
  const first = await rotated(server, asWrittenBefore(secret), undefined, "first");
  const second = await rotated(server, asWrittenBefore(secret), first);
  const third = await rotated(server, secret, second);
  assert.equal(third.user, "marked_a");
  assert.equal(await server.refusal(secret, second), "28P01");
  const fourth = await rotated(server, secret, third);
  assert.equal(await server.refusal(secret, fourth), undefined);
});

test("keys that an older version labelled by a secret's new name are told from others' (R15)", async () => {
  await using w = await world(await catalogueModel(), { quota: 5 });
  const context = { ...w.context, secret: renamed(w.context.secret) };
  const prefix = `keyplane/acme/local/${context.secret.id}`;
  const left = w.server.issue(scopes, `${prefix}/an-earlier-rotation`);
  const own = w.server.issue(scopes, `${prefix}/${context.rotation}`);
  const next = await provider.create(context, w.current);
  assert.deepEqual([left.isLive, own.isLive], [false, false]);
  const made = w.server.live().find(({ id }) => id === next["issued-id"]);
  assert.equal(made?.label, `keyplane/acme/local/${keptId(context.secret)}/${context.rotation}`);
});

test("evidence that an older version wrote by a secret's new name holds (R25)", () => {
  const at = "2026-01-01T00:00:00Z";
  const evidence: Evidence = {
    ...{
      format: 2 as const,
      environment: "staging",
      secret: "new/db-api",
      rotation: "r",
      commit: "c0ffee",
      version: 2,
    },
    ...{
      outcome: "done" as const,
      reason: "scheduled" as const,
      startedAt: at,
      healthyFrom: at,
      healthyUntil: at,
    },
    ...{ expires: "2026-02-01T00:00:00Z", by: "keyplane.rotate", fingerprints: {} },
  };
  const expected = {
    ...{ environment: "staging", commit: "c0ffee", version: 2, healthyFor: 60 },
    ...{ secret: "new/db-api", kept: "old/db-api", now: new Date("2026-01-01T01:00:00Z") },
  };
  assert.equal(refusal(evidence, true, expected), undefined);
  assert.equal(refusal({ ...evidence, secret: "other/db-api" }, true, expected)?.case, "another secret");
});

test("error rates that an older version noted by a service's new name are compared with (R48)", async (t) => {
  const one = await instance(t, { errors_total: 0 });
  const observe = { instances: [one.url], metrics: "/metrics" };
  const service = serviceOf("api", [], { observe, policy: "shop.before" });
  const clock = new TestClock();
  const name = `errors of shop/api at ${one.url}/metrics`;
  const baseline = {
    ...{ "ended at": clock.time, [name]: 0, [`${name}: events`]: 0, [`${name}: exposure`]: 30 },
    [`${name}: mark total`]: 0,
  };
  one.metrics.errors_total = 1000;
  clock.pass(60);
  const watch: ErrorWatch = watchOf(service);
  const verdict = await watch.judge(baseline, clock.now(), clock, new AbortController().signal);
  assert.equal(verdict.state, "raised");
  assert.ok(!watch.unanswered(baseline).some((unanswered) => unanswered.startsWith("errors")));
});
