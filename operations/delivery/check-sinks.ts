import type { Vault } from "../../clients/vault.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Consumer, RotationModel, Secret } from "../../model/model.ts";
import { bundleOf } from "./bundle.ts";
import { type Sink, StaleBundleError } from "./sink.ts";

/** Says so before anything is read or written. @throws DeliveryError, UnreachedError */
export async function refuseUnreached(sinks: Sink[]): Promise<void> {
  for (const sink of sinks) {
    const why = await sink.unreached?.();
    if (why !== undefined) throw why;
  }
}

/**
 * Whether the places of one consumer can be brought something, by what its service has now: asked before a value is changed
 * that it could not do without. Who was never given the secret has nothing to lose.
 * @throws DeliveryError, which names the place
 */
export async function checkSinks(
  { vault, model }: { vault: Vault; model: RotationModel },
  secret: Secret,
  consumer: Consumer,
  sinks: Sink[],
): Promise<void> {
  const written = sinks.filter(({ byHand }) => byHand === undefined);
  await refuseUnreached(written);
  if (written.every(({ check }) => check === undefined)) return;
  for (let tried = 1; ; tried++) {
    const bundle = await bundleOf(vault, model, consumer.id);
    if (bundle.missing.some((one) => one.secret === keptId(secret))) return;
    try {
      for (const sink of written) await sink.check?.(bundle);
      return;
    } catch (error) {
      // Another secret's rotation was quicker.
      if (!(error instanceof StaleBundleError) || tried === 3) throw error;
    }
  }
}
