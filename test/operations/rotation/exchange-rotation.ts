import assert from "node:assert/strict";
import type { RotateOptions } from "../../../operations/rotation/engine.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { secretNamed } from "../../../operations/values/set.ts";
import type { RotationBench } from "./bench.ts";
import type { ProviderServer } from "./provider-server.ts";
import { quick } from "./quick.ts";

let count = 0;

/**
 * trading-bot's exchange key with a source and a journal of its own, its first value in force, and what rotates it at once: no
 * overlap, nothing watched, nobody asked.
 */
export async function exchangeRotation(
  bench: RotationBench,
  server: ProviderServer,
  {
    reason = "scheduled",
    fetch: own = fetch,
  }: Pick<Partial<RotateOptions>, "reason"> & { fetch?: typeof fetch } = {},
) {
  const { vault, model } = bench;
  const place = `exchange-${++count}`;
  const declared = secretNamed(model, "trading-bot/exchange");
  const secret = {
    ...declared,
    idle: { source: "none" as const },
    rotate: { ...declared.rotate, overlap: 0 },
    provider: { name: "exchange", api: true, address: server.address, rate: { requests: 1000, per: 1 } },
    source: `source/${place}/it`,
    journal: `rotation/${place}/it`,
    // A CI job that began before the switch would be waited for.
    consumers: declared.consumers
      .filter(({ kind }) => kind === "service")
      .map((one) => ({ ...one, path: `services/${place}/${one.name}` })),
  };
  const first = server.issue(["keys", "trade"]);
  await bench.server.root.write(`${model.vault.mounts.kv}/data/${secret.source}`, { data: first.values });
  const none = async (): Promise<never> => assert.fail("no database is reached");
  const options: RotateOptions = {
    ...{ vault, model: { ...model, rotation: { ...model.rotation, watch: 0 } }, secret, rotator: provider },
    ...{ reach: { fetch: own, manage: none, login: none }, sinks: () => [], probes: () => [] },
    ...{ reason, by: "test", report: () => {}, wait: false },
    ...quick,
  };
  return { secret, first, options };
}
