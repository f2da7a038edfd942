import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Vault } from "../../clients/vault.ts";
import type { RotationModel, Secret } from "../../model/model.ts";
import type { Shipping } from "../../model/shipping.ts";
import { UnreachedError } from "../../operations/delivery/sink.ts";
import { vaultClock } from "../../operations/rotation/clock.ts";
import { rotateMany } from "../../operations/rotation/fleet-runner.ts";
import { keyStatusOf } from "../../operations/rotation/key-status.ts";
import { EvidenceError } from "../../operations/rotation/promotion.ts";
import { type Runner, subjectOf } from "../../operations/rotation/runner.ts";
import { statusOf } from "../../operations/rotation/status.ts";
import type { Log } from "../log.ts";
import { notHere } from "./not-here.ts";
import { type Result, resultOf, type Told } from "./result.ts";

/** The policy's name, which stands in journals and evidence whoever runs. */
const role = "keyplane.rotate";

/** Rotates what is due and can be delivered from here, and sorts what became of it. */
export async function run(
  { model, commit }: Shipping<"rotate-due">,
  vault: Vault,
  signal: AbortSignal,
  log: Log,
): Promise<Result> {
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
  const asked = model.secrets;
  const unreached: Told[] = [];
  for (const secret of asked) {
    const why = await whyUnreached(runner, secret);
    if (why !== undefined) unreached.push({ secret: secret.id, why });
  }
  const elsewhere = new Set(unreached.map(({ secret }) => secret));
  const here = asked.filter(({ id }) => !elsewhere.has(id));
  const keys = model.encryptionKeys;
  const rows = await rotateMany(runner, here, { what: "due" }, { wait: false, keys });
  const now = (await vaultClock(vault)).now();
  const states = [
    ...(await statusOf(runner, asked, now)),
    ...(await keyStatusOf(runner, keys, now)).map(({ key, standing }) => ({ secret: key, standing })),
  ];
  const known = new Set(states.map(({ secret }) => secret.id));
  return resultOf(model.environment, rows, {
    // Of what is retired nothing is left to anybody.
    unreached: unreached.filter(({ secret }) => known.has(secret)),
    ...{ states, stopped: signal.aborted },
  });
}

/**
 * Why a secret cannot be rotated from here at all, also where its rotation is under way. What no machine can deliver is
 * no other one's: once it is due it fails.
 */
async function whyUnreached(runner: Runner, secret: Secret): Promise<string | undefined> {
  if (secret.kind === "nats") return notHere;
  const { sinks } = await subjectOf(runner, secret);
  for (const consumer of secret.consumers) {
    for (const sink of sinks(consumer)) {
      const why = await sink.unreached?.();
      if (why instanceof UnreachedError) return `${consumer.id}, ${why.message}`;
    }
  }
  return undefined;
}

async function noEvidence({ environment, promotion }: RotationModel): Promise<never> {
  throw new EvidenceError(
    `${environment} follows ${promotion?.environment}, whose evidence only the rotate workflow reads: that begins its ` +
      "rotations, and this function goes on with them",
    undefined,
  );
}
