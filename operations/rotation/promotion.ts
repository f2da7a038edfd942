import { type Vault, VaultError } from "../../clients/vault.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Model, Promotion, Secret } from "../../model/model.ts";
import { gitHubToken, LoginError } from "../login.ts";
import { ConflictError, stateOf, writeVersion } from "../values/kv.ts";
import { type Evidence, type Expected, type Refusal, refusal, SealedEvidence } from "./evidence.ts";

/** The environment before this one has not shown that a secret can be rotated. Says what is missing and what to do. */
export class EvidenceError extends Error {
  override name = "EvidenceError";
  /** Which of the cases; undefined where it was told by someone else. */
  readonly case: Refusal["case"] | undefined;
  constructor(message: string, refused?: Refusal["case"]) {
    super(message);
    this.case = refused;
  }
}

interface Writing {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: Pick<Model, "vault" | "rotation">;
}

/**
 * Writes evidence, sealed, in place of what an older rotation left; it goes by itself when it expires. Without effect
 * where no environment comes after this one. May run twice.
 * @returns whether anything was written
 */
export async function writeEvidence(
  { vault, model }: Writing,
  secret: Pick<Secret, "evidence">,
  evidence: Evidence,
): Promise<boolean> {
  const { mounts, evidenceKey } = model.vault;
  if (evidenceKey === undefined) return false;
  const path = `${mounts.kv}/data/${secret.evidence}`;
  for (let tries = 1; ; tries++) {
    // Before its content: what someone else writes in between is then found, or is in our way.
    const { version } = await stateOf(vault, mounts.kv, secret.evidence);
    const found = await vault.read<{ data: unknown }>(path);
    const there = SealedEvidence.safeParse(found?.data).data;
    // What someone else put there stands for nothing.
    const isOurs =
      there !== undefined &&
      (await sealOf(vault, mounts.transit, evidenceKey, there.evidence)) === there.seal;
    const before = isOurs ? there.evidence : undefined;
    if (before?.rotation === evidence.rotation) return false;
    if (before !== undefined && before.startedAt > evidence.startedAt) return false;
    await vault.write(`${mounts.kv}/metadata/${secret.evidence}`, {
      cas_required: true,
      delete_version_after: `${model.rotation.evidence}s`,
      max_versions: 5,
    });
    const sealed = { evidence, seal: await sealOf(vault, mounts.transit, evidenceKey, evidence) };
    try {
      await writeVersion(vault, mounts.kv, secret.evidence, { data: sealed, after: version });
      return true;
    } catch (error) {
      // Another runner has written: perhaps the same.
      if (!(error instanceof ConflictError) || tries === 3) throw error;
    }
  }
}

async function sealOf(vault: Vault, transit: string, key: string, evidence: Evidence): Promise<string> {
  const { data } = await vault.write<{ hmac: string }>(`${transit}/hmac/${key}`, { input: sealed(evidence) });
  return data.hmac;
}

/** What a seal is made of: the same text whatever the order of the fields. */
function sealed(evidence: Evidence): string {
  const order = (value: unknown): unknown =>
    typeof value !== "object" || value === null
      ? value
      : Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, order(inner)]),
        );
  return Buffer.from(`keyplane evidence\n${JSON.stringify(order(evidence))}`).toString("base64");
}

/** A secret, whose versions are its source's, or an encryption key, whose versions transit has under a name. */
export type Promotable = Pick<Secret, "id" | "evidence"> & ({ source: string } | { key: string });

export interface Reading {
  /** Of the environment before, logged in as the role of `promotion`. */
  vault: Vault;
  promotion: Promotion;
  subject: Promotable;
}

/**
 * The evidence of the environment before this one, when it lets a secret or an encryption key be rotated here.
 * @throws EvidenceError that names what is wrong; VaultError, VaultUnreachableError
 */
export async function requireEvidence(
  { vault, promotion, subject }: Reading,
  expected: Omit<Expected, "secret" | "environment" | "version">,
): Promise<Evidence> {
  const { kv, transit } = promotion.mounts;
  const found = await vault.read<{ data: unknown }>(`${kv}/data/${subject.evidence}`);
  const parsed = SealedEvidence.safeParse(found?.data ?? undefined).data;
  // What is no evidence at all was not written by the rotation role either.
  const isSealed =
    parsed !== undefined && (await verify(vault, `${transit}/verify/${promotion.evidenceKey}`, parsed));
  const absent = found === undefined || found.data === null;
  const evidence = parsed?.evidence ?? (absent ? undefined : unreadable);
  const wrong = refusal(evidence, isSealed, {
    ...expected,
    secret: subject.id,
    kept: keptId(subject),
    environment: promotion.environment,
    version: await versionThere({ vault, promotion, subject }),
  });
  if (wrong !== undefined || evidence === undefined) {
    const { case: name, why } = wrong ?? { case: "absent" as const, why: "there is no evidence" };
    throw new EvidenceError(`${subject.id} is not rotated here yet: ${why}`, name);
  }
  return evidence;
}

/** Which version is in force there; 0 for none. */
async function versionThere({ vault, promotion, subject }: Reading): Promise<number> {
  const { kv, transit } = promotion.mounts;
  if ("source" in subject) {
    const { gone, version } = await stateOf(vault, kv, subject.source);
    return gone ? 0 : version;
  }
  const found = await vault.read<{ latest_version: number }>(`${transit}/keys/${subject.key}`);
  return found?.latest_version ?? 0;
}

/** Stands for what lies at the path and is no evidence; it is never sealed. */
const unreadable: Evidence = {
  format: 2,
  environment: "",
  secret: "",
  rotation: "",
  commit: "",
  version: 0,
  outcome: "rolled-back",
  reason: "scheduled",
  startedAt: "",
  healthyFrom: "",
  healthyUntil: "",
  expires: "",
  by: "",
  fingerprints: {},
};

async function verify(
  vault: Vault,
  path: string,
  { evidence, seal }: { evidence: Evidence; seal: string },
): Promise<boolean> {
  try {
    const { data } = await vault.write<{ valid: boolean }>(path, { input: sealed(evidence), hmac: seal });
    return data.valid;
  } catch (error) {
    // A seal that is none at all is refused as malformed.
    if (error instanceof VaultError && error.status === 400) return false;
    throw error;
  }
}

export interface PreviousLogin {
  promotion: Promotion;
  /** Of the environment before, without a token. */
  vault: Vault;
  /** Environment variables of the process. */
  env: NodeJS.ProcessEnv;
  /** Signs the OIDC token where GitHub does not. */
  sign?: (audience: string) => Promise<string>;
}

/**
 * Logs in to the environment before as this one's rotate workflow, to read evidence and nothing else. A person gives a
 * token of that Vault as KEYPLANE_PROMOTION_TOKEN.
 * @throws LoginError, VaultError when Vault refuses, VaultUnreachableError
 */
export async function loginToPrevious({ promotion, vault, env, sign }: PreviousLogin): Promise<Vault> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = env;
  const { environment, audience, role, mounts } = promotion;
  let jwt: string;
  if (sign !== undefined) jwt = await sign(audience);
  else if (url && bearer) jwt = await gitHubToken(url, bearer, audience);
  else if (env.KEYPLANE_PROMOTION_TOKEN) return vault.with(env.KEYPLANE_PROMOTION_TOKEN);
  else {
    throw new LoginError(
      `no way to read the evidence of ${environment}: in GitHub Actions give the job "permissions: id-token: write"; ` +
        `a person logs in to ${vault.address} and exports KEYPLANE_PROMOTION_TOKEN`,
    );
  }
  const { auth } = await vault.write(`auth/${mounts.github}/login`, { role, jwt });
  if (auth === undefined) throw new LoginError(`Vault answered the login as ${role} without a token`);
  return vault.with(auth.client_token);
}
