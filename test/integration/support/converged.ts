import assert from "node:assert/strict";
import { join } from "node:path";
import { Vault } from "../../../clients/vault.ts";
import { Engine } from "../../../local/engine.ts";
import { loginAs } from "../../../local/identity.ts";
import { findTool } from "../../../local/toolchain/index.ts";
import type { UpResult } from "../../../local/up.ts";
import { partsOf } from "../../../model/parts.ts";
import { AuditFile } from "../../../operations/audit/reader.ts";
import { refusal } from "./credentials.ts";

interface State {
  resources: { urn: string; id?: string; type: string; inputs: Record<string, unknown> }[];
  pending_operations?: unknown[] | null;
}

/** The engine's state of every stack, with what is secret in it decrypted. */
export async function statesOf(home: string, { model }: Pick<UpResult, "model">): Promise<State[]> {
  const engine = await Engine.open({
    home,
    pulumi: await findTool("pulumi", () => {}),
    environment: {},
  });
  const states: State[] = [];
  for (const { stack: name } of partsOf(model).flat()) {
    const { stack } = await engine.stack(name, async () => {});
    states.push((await stack.exportStack()).deployment as State);
  }
  return states;
}

/**
 * Nothing was made twice, and nothing is left half-made: every resource is in the state once and in Vault once,
 * every value has one version, and no manager still has the password that it was made with.
 */
export async function assertMadeOnce(home: string, up: UpResult): Promise<void> {
  const { model, services } = up;
  const states = await statesOf(home, up);
  const resources = states.flatMap(({ resources, pending_operations }) => {
    assert.deepEqual(pending_operations ?? [], []);
    return resources;
  });
  const urns = resources.map(({ urn }) => urn);
  assert.equal(new Set(urns).size, urns.length, "no resource twice in the state");

  const vault = new Vault({ address: services.vault.address, ca: services.vault.ca });
  const drift = await loginAs(services, model, vault, "drift");
  const rotate = await loginAs(services, model, vault, "rotate");
  try {
    const idsOf = (type: string) =>
      resources
        .filter((resource) => resource.type === type)
        .map(({ id = "" }) => id.slice(id.lastIndexOf("/") + 1))
        .sort();
    // What Vault names by itself could be there twice without anyone seeing it.
    const methods = await drift.vault.list("identity/mfa/method/totp");
    assert.deepEqual(methods.toSorted(), idsOf("vault:identity/mfaTotp:MfaTotp"), "MFA methods");
    // A machine's login makes an entity that Vault names by itself, once.
    const entities = (await drift.vault.list("identity/entity/name")).filter(
      (name) => !/^entity_[0-9a-f]+$/.test(name),
    );
    assert.deepEqual(entities.toSorted(), model.people.map(({ name }) => name).sort(), "entities");
    const groups = await drift.vault.list("identity/group/name");
    assert.deepEqual(groups.toSorted(), model.groups.map(({ name }) => name).sort(), "groups");
    const policies = (await drift.vault.list("sys/policies/acl")).filter((name) => name !== "root");
    assert.deepEqual(policies.toSorted(), model.policies.map(({ name }) => name).sort(), "policies");
    const kv = model.vault.mounts.kv;
    const latest = async (path: string) =>
      rotate.vault.read<{ data: Record<string, string>; metadata: { version: number } }>(
        `${kv}/data/${path}`,
      );
    for (const { id, source, consumers, generator, databaseUser } of model.secrets) {
      if (generator.by !== "machine" || databaseUser !== undefined) continue;
      const made = await latest(source);
      assert.equal(made?.metadata.version, 1, `${id}: its value is made once`);
      for (const consumer of consumers) {
        const delivered = await latest(consumer.path);
        // Killed before it was noted, a delivery is repeated with the same value.
        assert.ok(delivered && delivered.metadata.version <= 2, `${id}: versions at ${consumer.path}`);
        for (const [field, value] of Object.entries(delivered.data)) {
          if (made.data[field] !== undefined) assert.equal(value, made.data[field], `${id} ${field}`);
        }
      }
    }
  } finally {
    await drift.end();
    await rotate.end();
    await vault.close();
  }
  await assertBootstrapPasswordsAreDead(home, up, states);
}

/** @returns how many passwords were tried */
export async function assertBootstrapPasswordsAreDead(
  home: string,
  up: UpResult,
  states?: State[],
): Promise<number> {
  const { model, services } = up;
  let tried = 0;
  for (const { resources } of states ?? (await statesOf(home, up))) {
    for (const { type, inputs } of resources) {
      if (type !== "vault:database/secretBackendConnection:SecretBackendConnection") continue;
      const { username, password } = inputs.postgresql as { username: string; password?: unknown };
      const plain = plaintextOf(password);
      if (plain === undefined) continue;
      const database = model.databases.find(({ manager }) => manager === username)?.database ?? "";
      const code = await refusal({ services }, database, { username, password: plain });
      assert.equal(code, "28P01", `${username}'s bootstrap password`);
      tried++;
    }
  }
  const audit = new AuditFile(join(services.vault.auditDirectories[0], "audit.log"));
  const done = (await audit.read()).filter(({ outcome }) => outcome === "allowed").map(({ path }) => path);
  for (const { connection } of model.databases) {
    const rotated = done.lastIndexOf(`database/rotate-root/${connection}`);
    assert.notEqual(rotated, -1, `${connection}: its password was replaced`);
  }
  return tried;
}

/** A secret of the exported state: its JSON text under a marker, or the value itself. */
function plaintextOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "plaintext" in value) {
    return JSON.parse(String(value.plaintext)) as string;
  }
  return undefined;
}
