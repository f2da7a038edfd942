import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { rotateKept } from "../../cli/kept-rotations.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";

const model = derive(await loadCatalogue("catalogue"), "production");
const invocation = { signal: new AbortController().signal, dryRun: false, report: () => {} };
const names = ["AWS_ROLE_ARN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const own = Object.fromEntries(names.map((name) => [name, process.env[name]]));

before(() => {
  for (const name of names) delete process.env[name];
});
after(() => {
  for (const name of names) if (own[name] !== undefined) process.env[name] = own[name];
});

const secret = "keyplane/production/titan/ledger/titan-proxy";

test("what has leaked in Secrets Manager is named where nobody can rotate it from here, with what to do: 1 (R21)", async () => {
  const rows = await rotateKept(invocation, { model }, "leaked");
  assert.deepEqual(
    rows.map(({ secret: name, result, code }) => [name, result, code]),
    [[secret, "by hand", 1]],
  );
  assert.match(
    rows[0]?.text ?? "",
    /^not rotated: .* as the role keyplane-production-rotate \(AWS_ROLE_ARN\), or as an administrator `aws secretsmanager rotate-secret --secret-id keyplane\/production\/titan\/ledger\/titan-proxy` twice, the second time once the first is in force$/,
  );
});

test("what is due there is left to the workflow that has the role: 0", async () => {
  const rows = await rotateKept(invocation, { model }, "overdue");
  assert.deepEqual(
    rows.map(({ secret: name, code }) => [name, code]),
    [["1 in Secrets Manager", 0]],
  );
});
