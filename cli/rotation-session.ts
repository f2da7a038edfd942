import type { Vault } from "../clients/vault.ts";
import type { Model } from "../model/model.ts";
import type { Session } from "../operations/login.ts";
import type { Runner } from "../operations/rotation/runner.ts";
import type { Invocation } from "./command.ts";
import { commitOf } from "./commit.ts";
import { rotationProgress } from "./rotation-progress.ts";
import { runsOf } from "./runs.ts";
import { type Reached, withVault } from "./session.ts";

/** Milliseconds after which a run logs in again: its token lives for an hour, and rotations may take days. */
const fresh = 40 * 60_000;

/**
 * Runs work as the rotation role, for as long as it takes, with everything that rotations reach.
 * @throws LoginError, VaultError, VaultUnreachableError, ServicesDownError
 */
export async function withRunner<T>(
  invocation: Invocation,
  { wait }: { wait: boolean },
  work: (runner: Runner & Pick<Reached, "model" | "signForAws">) => Promise<T>,
): Promise<T> {
  const { login } = await import("../operations/login.ts");
  return withVault(invocation, async (vault, { model, ca, sign, signForAws }) => {
    const begin = () => login({ model, vault, role: "rotate", env: process.env, ...(sign && { sign }) });
    const first = await begin();
    const session = lasting(vault, first, begin);
    const isTerminal = process.stderr.isTTY === true && process.env.TERM !== "dumb";
    const progress = rotationProgress(invocation.report, model, { wait, isTerminal });
    const commit = await commitOf(invocation.catalogue);
    const databaseCa = (await databasesCa()) ?? ca;
    try {
      return await work({
        vault: session.vault,
        model,
        ...(signForAws && { signForAws }),
        by: first.who,
        report: progress.report,
        signal: invocation.signal,
        ...(commit !== undefined && { commit }),
        host: await hostOf(invocation, model),
        ...(databaseCa !== undefined && { ca: databaseCa }),
        ...(model.promotion !== undefined && { previous: previousVault(model) }),
      });
    } finally {
      progress.end();
      await session.end();
    }
  });
}

/** Where databases have another CA than Vault; libpq's own variable. */
export async function databasesCa(): Promise<string | undefined> {
  const file = process.env.PGSSLROOTCERT;
  return file ? (await import("node:fs/promises")).readFile(file, "utf8") : undefined;
}

async function hostOf(invocation: Invocation, model: Model): Promise<Runner["host"]> {
  const { root, project } = invocation.options;
  return {
    ...(await runsOf(invocation, model)),
    ...(typeof root === "string" && { root }),
    ...(typeof project === "string" && { project }),
  };
}

/** The same client, whose token is always young; the ones before end by themselves. */
function lasting(
  vault: Vault,
  first: Session,
  begin: () => Promise<Session>,
): { vault: Vault; end(): Promise<void> } {
  let session = first;
  let since = performance.now();
  let renewing: Promise<void> | undefined;
  const renewed = async () => {
    if (performance.now() - since < fresh) return;
    renewing ??= begin()
      .then((next) => {
        session = next;
        since = performance.now();
      })
      .finally(() => {
        renewing = undefined;
      });
    await renewing;
  };
  const same = vault.with(first.vault.token);
  same.request = async (...request) => {
    await renewed();
    return session.vault.request(...request);
  };
  return { vault: same, end: () => session.end() };
}

/** Milliseconds for which a login to read evidence is used: its token lives for ten minutes. */
const freshReader = 5 * 60_000;

/** The Vault of the environment before this one, to read evidence, logged in anew when its token is old. */
function previousVault(model: Model): () => Promise<Vault> {
  let opened: { at: number; vault: Promise<Vault> } | undefined;
  return () => {
    if (opened === undefined || performance.now() - opened.at > freshReader) {
      opened = { at: performance.now(), vault: openPrevious(model) };
    }
    return opened.vault;
  };
}

/** Its CA: the file KEYPLANE_PROMOTION_CACERT, or the same as ours. */
async function openPrevious({ promotion }: Model): Promise<Vault> {
  if (promotion === undefined) throw new Error("no environment comes before this one");
  const [{ Vault }, { loginToPrevious }, { readFile }] = await Promise.all([
    import("../clients/vault.ts"),
    import("../operations/rotation/promotion.ts"),
    import("node:fs/promises"),
  ]);
  const file = process.env.KEYPLANE_PROMOTION_CACERT ?? process.env.VAULT_CACERT;
  const ca = file ? await readFile(file, "utf8") : undefined;
  const vault = new Vault({ address: promotion.address, ...(ca !== undefined && { ca }) });
  return loginToPrevious({ promotion, vault, env: process.env });
}
