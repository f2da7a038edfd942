import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Vault } from "../../clients/vault.ts";
import type { Model, Secret } from "../../model/model.ts";
import { type AwsLogin, loginByAws } from "../../operations/aws-login.ts";
import { vaultClock } from "../../operations/rotation/clock.ts";
import { type Runner, rotateMany, subjectOf } from "../../operations/rotation/fleet-runner.ts";
import { rotateKeys } from "../../operations/rotation/key-runner.ts";
import { EvidenceError } from "../../operations/rotation/promotion.ts";
import { statusOf } from "../../operations/rotation/status.ts";
import { type LambdaContext, type Log, logOf, timeOf } from "../log.ts";
import { notHere } from "./not-here.ts";
import { type Result, resultOf, type Told } from "./result.ts";

/** What the function works with; tests hand in others. */
export interface Clients {
  model: Model;
  /** Of the catalogue that the model is of. */
  commit?: string;
  /** Without a token. */
  vault: Vault;
  login: Omit<AwsLogin, "vault">;
}

/** Something did not rotate. Lambda tries again twice, then keeps the event in the dead-letter queue, which is alarmed on. */
export class RunError extends Error {
  override name = "RunError";
}

/** The policy's name, which stands in journals and evidence whoever runs. */
const role = "keyplane.rotate";

/**
 * Rotates what is due, as `keyplane rotate --due` does, within the function's time: what is not done by then the next run
 * goes on with.
 * @throws RunError when somebody has to look at something; LoginError, VaultError, VaultUnreachableError
 */
export function makeHandler(clients: () => Clients) {
  return async (_event: unknown, lambda: LambdaContext): Promise<Result> => {
    const log = logOf(lambda);
    try {
      const ready = clients();
      const session = await loginByAws({ vault: ready.vault, ...ready.login });
      try {
        const result = await run(ready, session.vault, timeOf(lambda), log);
        log(result.failed.length > 0 ? "error" : "info", "the run has ended", { ...result });
        if (result.failed.length > 0) throw new RunError(failure(result));
        return result;
      } finally {
        await session.end().catch(() => {});
        await ready.vault.close();
      }
    } catch (error) {
      if (!(error instanceof RunError)) {
        const [name, said] = error instanceof Error ? [error.name, error.message] : ["Error", String(error)];
        log("error", said, { error: name });
      }
      throw error;
    }
  };
}

async function run({ model, commit }: Clients, vault: Vault, signal: AbortSignal, log: Log): Promise<Result> {
  const runner: Runner = {
    vault,
    model,
    by: role,
    report: ({ subject, state, text, step }) => log("info", text, { subject, state, ...(step && { step }) }),
    signal,
    // No service's host: what is delivered to one is left to a runner there.
    host: { runs: join(tmpdir(), "keyplane-run") },
    ...(commit !== undefined && { commit }),
    ...(model.promotion !== undefined && { previous: () => noEvidence(model) }),
  };
  const asked = model.secrets.filter(({ retired }) => retired === undefined);
  const unreached: Told[] = [];
  for (const secret of asked) {
    const why = await whyUnreached(runner, secret);
    if (why !== undefined) unreached.push({ secret: secret.id, why });
  }
  const elsewhere = new Set(unreached.map(({ secret }) => secret));
  const here = asked.filter(({ id }) => !elsewhere.has(id));
  const keys = model.encryptionKeys.filter(({ retired }) => retired === undefined);
  const rows = [
    ...(await rotateMany(runner, here, { what: "due" }, { wait: false })),
    ...(await rotateKeys(runner, keys, { what: "due" })),
  ];
  const states = await statusOf(runner, asked, (await vaultClock(vault)).now());
  return resultOf(model.environment, rows, { unreached, states, stopped: signal.aborted });
}

/** Why a secret cannot be rotated from here at all, also where its rotation is under way. */
async function whyUnreached(runner: Runner, secret: Secret): Promise<string | undefined> {
  if (secret.kind === "nats") return notHere;
  const { sinks } = await subjectOf(runner, secret);
  for (const consumer of secret.consumers) {
    for (const sink of sinks(consumer)) {
      const why = await sink.unreached?.();
      if (why !== undefined) return `${consumer.id}, ${sink.name}: ${why}`;
    }
  }
  return undefined;
}

async function noEvidence({ environment, promotion }: Model): Promise<never> {
  throw new EvidenceError(
    `${environment} follows ${promotion?.environment}, whose evidence only the rotate workflow reads: that begins its ` +
      "rotations, and this function goes on with them",
    undefined,
  );
}

function failure({ environment, failed }: Result): string {
  const named = failed.slice(0, 10).map(({ secret, why }) => `${secret}: ${why}`);
  const more = failed.length > 10 ? ` and ${failed.length - 10} more, which the log names` : "";
  return `${environment}: ${failed.length} did not rotate. ${named.join("; ")}${more}. See \`keyplane rotations\``;
}
