import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { servicesStatus, stopServices } from "../../local/services/index.ts";
import { AuditFile } from "../../operations/audit/reader.ts";
import { Visitor, visitors } from "../../operations/gates/visitor.ts";
import { startStack, type TestStack } from "./stack.ts";
import { keyplane } from "./support/keyplane.ts";

let stack: TestStack;

before(async () => {
  stack = await startStack();
});
after(() => stack?.[Symbol.asyncDispose]());

test("`up` again changes nothing: every resource is as it was; it writes nothing to Vault but logins, no configuration and no value", async () => {
  const audit = await AuditFile.fromEnd(join(stack.first.services.vault.auditDirectories[0], "audit.log"));
  const again = await stack.up();
  assert.equal(again.changed, 0);
  assert.deepEqual(again.changes, { same: created() });
  const entries = await audit.read();
  assert.ok(
    entries.some(({ action }) => action === "read"),
    "the log is the one that is written",
  );
  const written = entries.filter(({ action }) => !["read", "list", "login"].includes(action));
  assert.deepEqual([...new Set(written.map(({ path }) => path))], ["auth/token/revoke-self"]);
});

test("whom a killed probe or tour has left in Vault is gone after an `up` that changes nothing else; the command says so and exits 0", async () => {
  const [deployer, enroller, drift] = [
    await stack.as("deploy"),
    await stack.as("enrol"),
    await stack.as("drift"),
  ];
  const { human: mount } = stack.first.model.vault.auth;
  for (const name of Object.values(visitors)) {
    await Visitor.invite(name, { deployer: deployer.vault, enroller: enroller.vault, mount });
  }
  const left = () => Visitor.left(drift.vault);
  assert.deepEqual(await left(), Object.values(visitors));
  const { code, stdout, stderr } = await keyplane(stack.home, ["up", "--no-tour"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Nothing to change: no resource was touched/);
  assert.deepEqual(await left(), []);
  assert.deepEqual(await enroller.vault.list(`auth/${mount}/users`), [], "nor can they log in");
  for (const session of [deployer, enroller, drift]) await session.end();
});

test("the state is written as whole files only: a kill cannot leave half of one (gocloud's .attrs are not replaced whole)", async () => {
  const files = await readdir(join(stack.home, "pulumi", "backend", ".pulumi"), { recursive: true });
  assert.ok(files.some((file) => file.endsWith("local.json")));
  assert.deepEqual(
    files.filter((file) => file.endsWith(".attrs")),
    [],
  );
});

test("the state names no line of the program: another version of it finds nothing to write", async () => {
  const all = await resources();
  assert.ok(all.length > 100);
  // The SDK makes the stack's own resource itself.
  assert.deepEqual(
    all.filter(({ sourcePosition }) => sourcePosition !== undefined).map(({ type }) => type),
    ["pulumi:pulumi:Stack"],
  );
});

test("after `down` and `up` nothing of Vault has changed: same ports, unsealed, same resources; the AWS emulator, which forgets, is built again, and the functions' roles in Vault follow its ids", async () => {
  const { services } = stack.first;
  await stopServices(stack.home, { deleteData: false, report: () => {} });
  assert.deepEqual(
    (await servicesStatus(stack.home)).map(({ state }) => state),
    ["stopped", "stopped", "stopped", "stopped"],
  );
  const of = async (types: string) => (await resources()).filter(({ type }) => type.startsWith(types)).length;
  const [ofAws, functions] = [await of("aws:"), await of("vault:aws/authBackendRole:")];
  assert.ok(ofAws > 50 && functions > 0);
  const anew = { create: ofAws, replace: functions, same: created() - ofAws - functions };
  // The dry run that starts them again says what is gone, and leaves all to the update.
  const dry = await stack.up({ dryRun: true });
  assert.deepEqual(dry.changes, anew);
  const again = await stack.up();
  assert.deepEqual(again.changes, anew);
  assert.equal(again.services.aws.endpoint, services.aws.endpoint);
  assert.equal(again.services.vault.address, services.vault.address);
  assert.equal(again.services.postgres.port, services.postgres.port);
  assert.equal(again.services.issuer.url, services.issuer.url);
  assert.deepEqual(
    (await servicesStatus(stack.home)).map(({ state }) => state),
    ["running", "running", "running", "running"],
  );
});

test("after that the command has nothing to change, and exits 0", async () => {
  const { code, stdout, stderr } = await keyplane(stack.home, ["up", "--no-tour", "--json"]);
  assert.equal(code, 0, stderr);
  const { changed, changes } = JSON.parse(stdout);
  assert.deepEqual({ changed, changes }, { changed: 0, changes: { same: created() } });
});

test("a preview right after `up` has no change, and makes none", async () => {
  const { code, stdout, stderr } = await keyplane(stack.home, ["up", "--dry-run", "--json"]);
  assert.equal(code, 0, stderr);
  const { changed, changes } = JSON.parse(stdout);
  assert.deepEqual({ changed, changes }, { changed: 0, changes: { same: created() } });
});

/** Of the state. */
async function resources(): Promise<{ type: string; sourcePosition?: string }[]> {
  const file = join(stack.home, "pulumi", "backend", ".pulumi", "stacks", "keyplane", "local.json");
  const { checkpoint } = JSON.parse(await readFile(file, "utf8")) as {
    checkpoint: { latest: { resources: { type: string; sourcePosition?: string }[] } };
  };
  return checkpoint.latest.resources;
}

function created(): number {
  const { create } = stack.first.changes;
  assert.ok(create !== undefined && create > 50, "the first update made the platform");
  assert.deepEqual(Object.keys(stack.first.changes), ["create"]);
  return create;
}
