import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Vault, VaultError, type VaultResponse } from "../../../clients/vault.ts";
import type { LocalServices } from "../../../local/services/index.ts";
import { userWithAppRole } from "../../../local/tour/database.ts";
import { tour } from "../../../local/tour/index.ts";
import { tried, triedInAws } from "../../../local/tour/line.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Model } from "../../../model/model.ts";
import { AuditTrail } from "../../../operations/audit/trail.ts";

let folder: string;
let model: Model;
let services: LocalServices;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-tour-"));
  model = derive(await loadCatalogue("catalogue"), "local");
  services = {
    home: folder,
    vault: {
      address: "https://127.0.0.1:1",
      ca: "",
      caFile: "",
      unsealKeysFile: "",
      auditDirectories: [join(folder, "first"), join(folder, "second")],
    },
    postgres: { host: "127.0.0.1", port: 1, superuser: "", passwordFile: "", logFile: "" },
    issuer: { url: "https://127.0.0.1:1", ca: "" },
    aws: { endpoint: "http://127.0.0.1:1", account: "000000000000", region: "eu-west-1" },
  };
});
after(() => rm(folder, { recursive: true }));

test("a catalogue with nothing to show a promise with gets a line for each that says what it lacks", async () => {
  const { aws: _, ...rest } = model;
  const empty: Model = {
    ...rest,
    ciJobs: [],
    databases: [],
    vault: { ...model.vault, auth: { ...model.vault.auth, human: "oidc" } },
  };
  const lines = [];
  for await (const line of tour({
    services,
    model: empty,
    vault: new Vault({ address: services.vault.address }),
  })) {
    lines.push(line);
  }
  assert.deepEqual(
    lines.map(({ outcome }) => outcome),
    Array(7).fill("not shown"),
  );
  assert.deepEqual(
    lines.map(({ seen }) => seen),
    [
      "no CI job of the catalogue reads a secret that a machine makes",
      "no CI job of the catalogue reads a secret that a machine makes",
      "no service of the catalogue that logs in by AppRole uses a database",
      "no service of the catalogue that logs in by AppRole uses a database",
      "people of this environment log in at the organization's own OIDC provider",
      "people of this environment log in at the organization's own OIDC provider",
      "this environment has no AWS account",
    ],
  );
});

test("a database user whose service logs in by AppRole is found behind users that do not", () => {
  const shown = userWithAppRole(model);
  assert.ok(shown !== undefined);
  const pod = { ...shown.user, service: "titan/somewhere-in-a-cluster" };
  const databases = [
    { ...shown.database, users: [] },
    { ...shown.database, users: [pod] },
    { ...shown.database, users: [pod, shown.user] },
  ];
  assert.equal(userWithAppRole({ ...model, databases })?.user, shown.user);
  assert.equal(userWithAppRole({ ...model, databases: databases.slice(0, 2) }), undefined);
});

test("a promise without its line in Vault's or AWS' record fails, whatever was seen (R51)", () => {
  const line = { promise: "p", outcome: "fails", seen: "s" } as const;
  assert.deepEqual(tried("p", true, "s", undefined), { ...line, kept: "audit" });
  assert.deepEqual(triedInAws("p", true, "s", undefined), { ...line, kept: "trail" });
});

test("a promise that was seen broken fails with its line in the record", async () => {
  const audit = { ...entry, requestId: "1" };
  const line = { promise: "p", outcome: "fails", seen: "s" } as const;
  assert.deepEqual(tried("p", false, "s", audit), { ...line, kept: "audit", audit });
  assert.equal(tried("p", true, "s", audit).outcome, "holds");
  const trail = { time: entry.time, who: "the account", action: "sts AssumeRole", of: "r" } as const;
  assert.deepEqual(triedInAws("p", false, "s", trail), { ...line, kept: "trail", trail });
  assert.equal(triedInAws("p", true, "s", trail).outcome, "holds");
});

const entry = {
  time: "2026-01-01T00:00:00.000Z",
  who: "titan.ci.deploy",
  action: "read",
  path: "kv/data/a",
  outcome: "allowed",
} as const;

const line = (id: string, role: string, error?: string) =>
  `${JSON.stringify({
    time: entry.time,
    type: "response",
    ...(error !== undefined && { error }),
    auth: { metadata: { role } },
    request: { id, operation: "read", path: entry.path },
  })}\n`;

async function trailOver(texts: [string, string]): Promise<AuditTrail> {
  const folders: [string, string] = [
    await mkdtemp(join(folder, "device-")),
    await mkdtemp(join(folder, "device-")),
  ];
  const trail = await AuditTrail.follow(folders.map((folder) => `${folder}/audit.log`));
  await Promise.all(folders.map((device, at) => writeFile(join(device, "audit.log"), texts[at] ?? "")));
  return trail;
}

const answer: VaultResponse<unknown> = {
  data: {},
  lease_id: "",
  lease_duration: 0,
  renewable: false,
  request_id: "mine",
  warnings: null,
};

test("the audit line of an answer is its own, not another caller's of the same path", async () => {
  const both = ["before", "mine", "after"].map((id) => line(id, "titan.ci.deploy")).join("");
  const trail = await trailOver([both, both]);
  assert.deepEqual(await trail.of(answer, "titan.ci.deploy"), { ...entry, requestId: "mine" });
});

test("the audit line of a refusal, which has no request id, is the role's own", async () => {
  const error = "1 error occurred: * permission denied";
  const both = line("theirs", "soma.ci.deploy", error) + line("mine", "titan.ci.deploy", error);
  const trail = await trailOver([both, both]);
  assert.deepEqual(await trail.of(new VaultError("GET", entry.path, 403, []), "titan.ci.deploy"), {
    ...entry,
    outcome: "denied",
    requestId: "mine",
  });
});

test("a line that only one of the two devices has does not count (R51)", async () => {
  const trail = await trailOver([line("mine", "titan.ci.deploy"), line("theirs", "titan.ci.deploy")]);
  assert.equal(await trail.of(answer, "titan.ci.deploy"), undefined);
});
