import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setValue } from "../../../operations/values/set.ts";
import type { TestStack } from "../stack.ts";
import { dataPath } from "./consumer-path.ts";
import { asService, dynamicUsers, issue } from "./credentials.ts";
import { gitHubJobs, rightClaims } from "./github-job.ts";
import { login, tokenOf } from "./login.ts";
import { EnrolledPerson } from "./person.ts";
import { TokenForge } from "./token-forge.ts";

/** A value that no log may hold. */
export interface Planted {
  what: string;
  value: string;
  /** It was a parameter or an answer of a request, so that its hash must be in the audit log. */
  audited: boolean;
}

/** Sends values of every kind through Vault on the ways that they usually take, and returns them. */
export async function plantValues(stack: TestStack): Promise<Planted[]> {
  const { vault, home } = stack;
  const { model, services } = stack.first;
  const planted: Planted[] = [];
  const plant = (what: string, value: string | undefined, audited = true) => {
    assert.ok(value !== undefined && value.length >= 12, what);
    planted.push({ what, value, audited });
  };

  // A secret's value: set by hand, delivered, read by its consumer.
  const secret = model.secrets.find(({ id }) => id === "titan/binance");
  assert.ok(secret !== undefined);
  const given = {
    key: `canary-${randomBytes(12).toString("hex")}`,
    secret: `canary "${randomBytes(12).toString("hex")}"`,
  };
  const rotate = await stack.as("rotate");
  await setValue({ vault: rotate.vault, model, by: rotate.who }, secret, given, () => {});
  plant("a field of a secret", given.key);
  plant("a field of a secret with quotes", given.secret);
  const [consumer] = secret.consumers;
  assert.ok(consumer !== undefined);
  const host = await asService({ services, model, vault }, consumer.id);
  const read = await host.request<{ data: Record<string, string> }>("GET", dataPath(model, consumer.path));
  assert.ok(Object.values(read.data.data).includes(given.key), "the consumer reads it");
  plant("a host's token", host.token);
  plant("the rotation role's token", rotate.vault.token);
  await rotate.end();

  // A generated value.
  const hmac = model.secrets
    .find(({ id }) => id === "titan/hmac")
    ?.consumers.find(({ id }) => id === "titan/titan-brain");
  assert.ok(hmac !== undefined);
  const brain = await asService({ services, model, vault }, hmac.id);
  const generated = await brain.request<{ data: Record<string, string> }>("GET", dataPath(model, hmac.path));
  plant("a generated secret", generated.data.data.primary);

  // Database credentials.
  const user = dynamicUsers(model).find(({ user }) =>
    model.appRoles.some(({ service }) => service === user.service),
  )?.user;
  assert.ok(user !== undefined);
  const quant = await asService({ services, model, vault }, user.service);
  plant("a database password", (await issue(quant, model, user.role)).password);

  // What is encrypted.
  const encryption = model.encryptionKeys.flatMap(({ key, consumers }) =>
    consumers.map(({ id, may }) => ({ key, id, may })),
  );
  const encryptor = encryption.find(
    ({ id, may }) => may.includes("encrypt") && model.appRoles.some(({ service }) => service === id),
  );
  assert.ok(encryptor !== undefined);
  const plaintext = randomBytes(24).toString("base64");
  const encrypting = await asService({ services, model, vault }, encryptor.id);
  await encrypting.write(`${model.vault.mounts.transit}/encrypt/${encryptor.key}`, { plaintext });
  plant("a plaintext", plaintext);

  // A person: password, second factor, session; and what the person mistypes.
  const person = await EnrolledPerson.enrol(stack, "hana");
  plant("a person's password", person.password);
  plant("a second factor's secret", person.totp.secret.base32, false);
  plant("a person's token", (await person.session()).token);
  const mistyped = `${person.password}x`;
  assert.equal((await login(vault, person.loginPath, { password: mistyped })).admitted, false);
  plant("a mistyped password", mistyped);
  const { method } = await person.start();
  const header = `canary${randomBytes(8).toString("hex")}`;
  const inHeader = { headers: { "x-vault-mfa": `${method}:${header}` } };
  await assert.rejects(vault.write(person.loginPath, { password: person.password }, inHeader));
  plant("a code in a header", header, false);

  // A host's halves, handed over wrapped.
  const enrol = await stack.as("enrol");
  const [role] = model.appRoles;
  assert.ok(role !== undefined);
  const path = `auth/${model.vault.auth.approle}/role/${role.name}`;
  const { wrap_info } = await enrol.vault.write(`${path}/secret-id`, {}, { wrapTtl: "5m" });
  plant("a wrapping token", wrap_info?.token);
  const unwrapped = await vault.with(wrap_info?.token).write<{ secret_id: string }>("sys/wrapping/unwrap");
  const role_id = (await enrol.vault.read<{ role_id: string }>(`${path}/role-id`))?.role_id;
  await enrol.end();
  const { secret_id } = unwrapped.data;
  await tokenOf(vault, `auth/${model.vault.auth.approle}/login`, { role_id, secret_id });
  plant("a secret id", secret_id);

  // A CI job's login token, and one that is no token at all.
  const [job] = gitHubJobs(model);
  assert.ok(job !== undefined);
  const jwt = await (await TokenForge.ofStack(home)).sign(rightClaims(job));
  const github = `auth/${model.vault.auth.github}/login`;
  plant("a CI job's Vault token", await tokenOf(vault, github, { role: job.role, jwt }));
  plant("a CI job's OIDC token", jwt);
  const garbage = `canary${randomBytes(12).toString("hex")}`;
  assert.equal((await login(vault, github, { role: job.role, jwt: garbage })).admitted, false);
  plant("what was sent as OIDC token and is none", garbage);
  const guess = `hvs.canary${randomBytes(12).toString("hex")}`;
  await assert.rejects(vault.with(guess).request("GET", "auth/token/lookup-self"));
  plant("a guessed token", guess);

  // The keys that open Vault.
  const keys = JSON.parse(await readFile(services.vault.unsealKeysFile, "utf8")) as { unsealKeys: string[] };
  for (const unsealKey of keys.unsealKeys) plant("an unseal key", unsealKey, false);
  return planted;
}
