import assert from "node:assert/strict";
import { before, test } from "node:test";
import { loadCatalogueFrom } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { keptId, keptServiceId } from "../../../model/kept-names.ts";
import type { Secret } from "../../../model/model.ts";
import { errorSourcesOf } from "../../../operations/rotation/error-sources.ts";
import { evidenceOf, refusal } from "../../../operations/rotation/evidence.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { realFiles } from "../../model/real.ts";
import { renamed } from "./as-renamed.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { beginning, rotated, staged } from "./postgres-steps.ts";
import { scopes, world } from "./provider-world.ts";
import { catalogueModel } from "./rotator-context.ts";

let server: DatabaseServer;
const shared = endedWithFile();

before(async () => {
  server = await startDatabaseServer(shared);
});

test("a database user that was renamed goes on rotating with its own logins, also after a compromise (R21, R31)", async () => {
  const secret = server.like(server.secret("titan/ledger-titan-brain"), "moved");
  const first = await rotated(server, secret, undefined, "first");
  const second = await rotated(server, renamed(secret), first);
  assert.equal(second.user, "moved_b");
  assert.equal(await server.refusal(secret, first), "28P01");
  const third = await rotated(server, renamed(secret), second, "compromise");
  assert.equal(third.user, "moved_a");
  assert.equal(await server.refusal(secret, second), "28P01");
});

test("a database user with one login that was renamed goes on rotating (R32)", async () => {
  const secret = server.like(server.secret("rec-io/trading-rec_trading_user"), "moved_one");
  const first = await rotated(server, secret, undefined, "first");
  const second = await rotated(server, renamed(secret), { user: "moved_one", ...first });
  assert.equal(await server.refusal(secret, { ...first, user: "moved_one" }), "28P01");
  assert.equal(await server.refusal(secret, { ...second, user: "moved_one" }), undefined);
});

test("a rename while a rotation is under way takes nothing from what it has staged (R31)", async () => {
  const secret = server.like(server.secret("titan/ledger-titan-brain"), "moving");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const after = { ...context, secret: renamed(secret) };
  await postgres.stage(after, next, first);
  await postgres.probe(after, next, first);
  await postgres.revoke(after, first, next);
  await postgres.verify(after, first, next);
  assert.equal(await server.refusal(secret, next), undefined);
});

test("a login that another secret took under its name is still refused", async () => {
  const secret = server.like(server.secret("titan/ledger-titan-brain"), "taken");
  await rotated(server, secret, undefined, "first");
  const other = { ...secret, id: "titan/other", source: "source/titan/other" };
  const context = beginning(server, other);
  await assert.rejects(
    postgres.stage(context, { user: "taken_a", password: "x".repeat(40) }, undefined),
    /belongs to \w+ titan\/taken: give the user of \w+ titan\/other another name/,
  );
});

test("keys that a provider made for a secret before it was renamed are still told from others' (R15)", async () => {
  await using w = await world(await catalogueModel());
  const left = w.server.issue(scopes, "keyplane/acme/local/trading-bot/exchange/an-earlier-rotation");
  const context = { ...w.context, secret: renamed(w.context.secret) };
  const next = await provider.create(context, w.current);
  assert.equal(left.isLive, false);
  const made = w.server.live().find(({ id }) => id === next["issued-id"]);
  assert.equal(made?.label, `keyplane/acme/local/trading-bot/exchange/${context.rotation}`);
});

test("evidence of before a rename holds at its commit, for a secret and for an encryption key (R25)", async () => {
  const model = await catalogueModel();
  const { at, context, expected } = {
    at: "2026-01-01T00:00:00Z",
    context: { environment: "staging", commit: "c0ffee", lasts: 86_400, by: "keyplane.rotate" },
    expected: {
      ...{ environment: "staging", commit: "c0ffee", version: 2, healthyFor: 60 },
      now: new Date("2026-01-01T01:00:00Z"),
    },
  };
  const journal: Journal = {
    ...{
      state: "done",
      id: "r",
      reason: "scheduled",
      owner: "o",
      leaseUntil: at,
      attempt: 1,
      from: 1,
      to: 2,
    },
    ...{ startedAt: at, since: at, switchedAt: at, skipped: [], history: [] },
  };
  for (const one of [...model.secrets, ...model.encryptionKeys]) {
    const after = { ...one, id: `${one.id}-renamed` };
    const evidence = evidenceOf(journal, { ...context, secret: after });
    assert.equal(
      refusal(evidence, true, { ...expected, secret: one.id, kept: keptId(one) }),
      undefined,
      one.id,
    );
    assert.equal(keptId(after), one.id);
  }
});

test("error rates of before a service was renamed are found again after it (R48)", async () => {
  const model = await catalogueModel();
  const observe = { instances: ["http://127.0.0.1:1"], metrics: "metrics", log: "api.log" };
  const services = model.services.map((service) => ({ ...service, observe }));
  const names = (
    all: typeof services,
    appRoles: typeof model.appRoles,
    kubernetesRoles: typeof model.kubernetesRoles,
  ) =>
    errorSourcesOf({ appRoles, kubernetesRoles }, all, { fetch, audit: "audit.log" }).map(({ name }) => name);
  const after = services.map((service) => ({ ...service, id: `${service.id}-renamed` }));
  const moved = <Role extends { service: string }>(role: Role): Role => ({
    ...role,
    service: `${role.service}-renamed`,
  });
  const before = names(services, model.appRoles, model.kubernetesRoles);
  assert.ok(before.length > services.length);
  assert.deepEqual(names(after, model.appRoles.map(moved), model.kubernetesRoles.map(moved)), before);
});

test("every secret and service of a renamed system is known by what it was before; so are its databases' users", () => {
  const files = realFiles();
  const before = derive(loadCatalogueFrom(files), "local");
  for (const secret of before.secrets) assert.equal(keptId(secret), secret.id);
  for (const service of before.services) assert.equal(keptServiceId(service), service.id);
  const text = files["systems/titan.yaml"] ?? "";
  const renamedText = text
    .replace("system: titan\n", "system: argo\nrenamed-from: titan\n")
    .replace(/^ {2}ledger:.*\n/m, "  books:\n    renamed-from: ledger\n")
    .replaceAll("{ database: ledger", "{ database: books");
  const organization = (files["organization.yaml"] ?? "").replaceAll(/\btitan\b/g, "argo");
  const { "systems/titan.yaml": _, ...others } = files;
  const after = derive(
    loadCatalogueFrom({ ...others, "organization.yaml": organization, "systems/argo.yaml": renamedText }),
    "local",
  );
  const own = (secrets: Secret[], system: string) => secrets.filter((secret) => secret.system === system);
  assert.ok(own(after.secrets, "argo").some(({ id }) => id === "argo/books-titan-brain"));
  assert.deepEqual(
    own(after.secrets, "argo").map(keptId).sort(),
    own(before.secrets, "titan").map(keptId).sort(),
  );
  assert.deepEqual(after.services.map(keptServiceId).sort(), before.services.map(keptServiceId).sort());
});
