import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { type RequestOptions, Vault, type VaultResponse } from "../../clients/vault.ts";
import { findTool } from "../../local/toolchain/index.ts";
import { type EnvironmentOverrides, loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { renderPolicy } from "../../model/policies.ts";
import { freePort } from "../free-port.ts";

/** A real Vault server in memory, over TLS, for the tests of operations. */
export interface TestVault {
  address: string;
  ca: string;
  caFile: string;
  root: Vault;
  rootToken: string;
  /** Unseals it again, after `sys/seal`. */
  unseal(): Promise<void>;
  folder: string;
  auditFile: string;
  stop(): Promise<void>;
}

export async function startTestVault(): Promise<TestVault> {
  const executable = await findTool("vault", () => {});
  const folder = await mkdtemp(join(tmpdir(), "keyplane-vault-"));
  const port = await freePort();
  const rootToken = randomBytes(16).toString("hex");
  const child = spawn(
    executable,
    [
      "server",
      "-dev",
      "-dev-tls",
      `-dev-tls-cert-dir=${folder}`,
      "-dev-no-store-token",
      `-dev-listen-address=127.0.0.1:${port}`,
    ],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "ignore"],
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        VAULT_DEV_ROOT_TOKEN_ID: rootToken,
        VAULT_LOG_LEVEL: "error",
      },
    },
  );
  let said = "";
  child.stdout.on("data", (part) => {
    said += part;
  });
  const caFile = join(folder, "vault-ca.pem");
  const address = `https://127.0.0.1:${port}`;
  const ca = await answers(child, address, caFile);
  const root = new Vault({ address, ca, token: rootToken });
  const auditFile = join(folder, "audit.log");
  await root.write("sys/audit/file", { type: "file", options: { file_path: auditFile } });
  return {
    address,
    ca,
    caFile,
    root,
    rootToken,
    folder,
    auditFile,
    async unseal() {
      const key = /^Unseal Key: (\S+)$/m.exec(said)?.[1];
      if (key === undefined) throw new Error("Vault has not said its unseal key");
      await root.request("POST", "sys/unseal", { body: { key } });
    },
    async stop() {
      await root.close();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function answers(child: ChildProcess, address: string, caFile: string): Promise<string> {
  for (const end = Date.now() + 60_000; Date.now() < end && child.exitCode === null; ) {
    try {
      const ca = await readFile(caFile, "utf8");
      const vault = new Vault({ address, ca, timeout: 1000 });
      await vault.request("GET", "sys/health");
      await vault.close();
      return ca;
    } catch {
      await wait(50);
    }
  }
  child.kill("SIGKILL");
  throw new Error("Vault did not come up");
}

/** Fails before or after the request number `at`, as a process that is killed there would. */
export function dies(vault: Vault, at: number, when: "before" | "after"): Vault {
  let count = 0;
  const dying = vault.with(vault.token);
  dying.request = async <T>(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<VaultResponse<T>> => {
    count++;
    if (count === at && when === "before") throw new Error("killed");
    const answer = await vault.request<T>(method, path, options);
    if (count === at) throw new Error("killed");
    return answer;
  };
  return dying;
}

/** The model of the real catalogue, on this Vault. */
export async function localModel({ address, auditFile }: TestVault): Promise<Model> {
  const overrides: EnvironmentOverrides = {
    vault: {
      address,
      audit: { first: { type: "file", path: auditFile }, second: { type: "file", path: `${auditFile}.2` } },
    },
    github: { issuer: "https://127.0.0.1:1" },
  };
  return settlesAtOnce(derive(await loadCatalogue("catalogue"), "local", overrides));
}

/** Whom nobody can see takes a new value up at once: for tests whose consumers read Vault themselves. */
export function settlesAtOnce(model: Model): Model {
  return { ...model, services: model.services.map((service) => ({ ...service, settles: 0 })) };
}

/** Signs what GitHub would sign for a workflow of the platform's repository; `changed` claims are others. */
export type SignJob = (workflow: string, changed?: Record<string, string>) => Promise<string>;

/**
 * Makes by hand what operations stand on: mounts, the platform's policies and roles, people with MFA. The same
 * names as the program makes; only the trust in the OIDC issuer is by key, so that none has to run.
 */
export async function makePlatform({ root }: TestVault, model: Model): Promise<SignJob> {
  const { kv, transit } = model.vault.mounts;
  await root.write(`sys/mounts/${kv}`, { type: "kv", options: { version: "2" } });
  await root.write(`sys/mounts/${transit}`, { type: "transit" });
  await root.write(`${transit}/keys/${model.vault.fingerprintKey}`, { type: "hmac", key_size: 32 });
  await root.write("sys/auth/github", { type: "jwt" });
  await root.write("sys/auth/userpass", { type: "userpass" });
  const keys = await generateKeyPair("RS256");
  await root.write("auth/github/config", {
    jwt_validation_pubkeys: [await exportSPKI(keys.publicKey)],
    bound_issuer: model.github.issuer,
  });
  for (const policy of model.policies.filter(({ of }) => of.kind === "platform")) {
    await root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
  }
  for (const role of model.jwtRoles.filter(({ of }) => of.kind === "platform")) {
    await root.write(`auth/github/role/${role.name}`, {
      role_type: "jwt",
      user_claim: role.userClaim,
      bound_audiences: [role.audience],
      bound_claims: role.boundClaims,
      token_policies: role.policies,
      token_type: role.tokenType,
      token_ttl: role.ttl,
      token_max_ttl: role.maxTtl,
    });
  }
  await makePeople(root, model);
  const claims = (workflow: string) => {
    const ref = `refs/heads/${model.github.branches[0]}`;
    return {
      repository: model.platform.repository.name,
      repository_id: String(model.platform.repository.id),
      repository_owner_id: String(model.platform.repository.ownerId),
      environment: `${model.github.environment}${/^(drift|rotate)\.yml$/.test(workflow) ? `-${workflow.slice(0, -4)}` : ""}`,
      ref,
      ref_type: "branch",
      event_name: "workflow_dispatch",
      job_workflow_ref: `${model.platform.repository.name}/.github/workflows/${workflow}@${ref}`,
    };
  };
  return (workflow, changed = {}) =>
    new SignJWT({ ...claims(workflow), ...changed })
      .setProtectedHeader({ alg: "RS256" })
      .setIssuer(model.github.issuer)
      .setAudience(model.github.audience)
      .setSubject("repo:acme/secrets:environment:local")
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(keys.privateKey);
}

/** A platform with a session of the role that rotates: what everything that writes values needs. */
export async function startRotator(): Promise<{
  server: TestVault;
  model: Model;
  sign: SignJob;
  rotator: Vault;
}> {
  const server = await startTestVault();
  const model = await localModel(server);
  const sign = await makePlatform(server, model);
  const jwt = await sign("rotate.yml");
  const { auth } = await server.root
    .with(undefined)
    .write("auth/github/login", { role: "keyplane.rotate", jwt });
  return { server, model, sign, rotator: server.root.with(auth?.client_token) };
}

async function makePeople(root: Vault, model: Model): Promise<void> {
  const mounts = await root.read<Record<string, { accessor: string }>>("sys/auth");
  const accessor = mounts?.["userpass/"]?.accessor;
  for (const { name } of model.people) {
    const { data: entity } = await root.write<{ id: string }>("identity/entity", { name });
    await root.write("identity/entity-alias", { name, canonical_id: entity.id, mount_accessor: accessor });
  }
  const { data: method } = await root.write<{ method_id: string }>("identity/mfa/method/totp", {
    method_name: "keyplane",
    issuer: `Keyplane ${model.organization}`,
  });
  await root.write("identity/mfa/login-enforcement/humans", {
    mfa_method_ids: [method.method_id],
    auth_method_accessors: [accessor],
  });
}
