import type { Vault } from "../clients/vault.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import type { Model } from "../model/model.ts";
import type { PlatformRole, Session } from "../operations/login.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit.ts";

/** The model of the environment that was asked for; nothing but files is read. */
export async function modelOf({ catalogue: folder, environment }: Invocation): Promise<Model> {
  const catalogue = await loadCatalogue(folder);
  const known = [...catalogue.systems.keys()].sort();
  if (!known.includes(environment)) {
    throw new UsageError(`the catalogue has no environment of that name; it has ${known.join(", ")}`);
  }
  return derive(catalogue, environment);
}

/**
 * The same, with what the local stack knows only while it runs: its account of AWS, and so what Secrets Manager keeps there.
 * @throws LoginError, HomeError
 */
export async function knownModelOf(invocation: Invocation): Promise<Model> {
  try {
    return (await reach(invocation)).model;
  } catch (error) {
    if (error instanceof Error && error.name === "ServicesDownError") return modelOf(invocation);
    throw error;
  }
}

/**
 * Runs work with a Vault of the environment, logged in as one of the platform's roles, and logs out again.
 * @param work gets the PEM of the CA of the environment's servers as well, where they have one of their own
 * @throws LoginError, VaultError, VaultUnreachableError, ServicesDownError
 */
export async function withSession<T>(
  invocation: Invocation,
  role: PlatformRole,
  work: (session: Session, model: Model, ca?: string) => Promise<T>,
): Promise<T> {
  const { login } = await import("../operations/login.ts");
  return withVault(invocation, async (vault, { model, ca, sign }) => {
    const session = await login({ model, vault, role, env: process.env, ...(sign && { sign }) });
    try {
      return await work(session, model, ca);
    } finally {
      await session.end();
    }
  });
}

/** The same without logging in. */
export async function withVault<T>(
  invocation: Invocation,
  work: (vault: Vault, reached: Reached) => Promise<T>,
): Promise<T> {
  const { Vault } = await import("../clients/vault.ts");
  const reached = await reach(invocation);
  const { model, ca } = reached;
  const vault = new Vault({ address: model.vault.address, ...(ca !== undefined && { ca }) });
  try {
    return await work(vault, reached);
  } finally {
    await vault.close();
  }
}

export interface Reached {
  model: Model;
  ca?: string;
  sign?: (role: PlatformRole) => Promise<string>;
  /** An OIDC token by which AWS gives the role of what rotates. */
  signForAws?: () => Promise<string>;
}

/** The local stack tells where it is and signs its own tokens; elsewhere the catalogue says where Vault is. */
async function reach(invocation: Invocation): Promise<Reached> {
  if (invocation.environment !== "local") {
    const { readFile } = await import("node:fs/promises");
    const { VAULT_CACERT } = process.env;
    return {
      model: await modelOf(invocation),
      ...(VAULT_CACERT && { ca: await readFile(VAULT_CACERT, "utf8") }),
    };
  }
  const catalogue = await loadCatalogue(invocation.catalogue);
  const [{ connectServices, environmentOf }, { awsToken, platformTokens }] = await Promise.all([
    import("../local/services/index.ts"),
    import("../local/identity.ts"),
  ]);
  const services = await connectServices(invocation.home);
  const model = derive(catalogue, "local", environmentOf(services));
  return {
    model,
    ca: services.vault.ca,
    sign: platformTokens(services, model),
    signForAws: () => awsToken(services, model),
  };
}
