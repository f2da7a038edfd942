import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Secret } from "../../../model/model.ts";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import type { RotateOptions } from "../../../operations/rotation/engine.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import type { RotationBench } from "./bench.ts";
import { quick } from "./quick.ts";

export const value = () => randomBytes(24).toString("base64url");

export interface HandPlace {
  secret: Secret;
  options: Omit<RotateOptions, "rotator">;
  source(): Promise<Fields | undefined>;
  /** What each consumer's path holds. */
  held(): Promise<Fields[]>;
}

/** A secret of the real catalogue at paths of the test's own, with a first value that was set. */
export async function handPlace(
  bench: RotationBench,
  name: string,
  first: Fields,
  fetching: typeof fetch = fetch,
  change: Partial<Secret> = {},
): Promise<HandPlace> {
  const own = `by-hand-${randomBytes(4).toString("hex")}`;
  const declared = secretNamed(bench.model, name);
  // Runners whose clocks differ by Vault's whole seconds wait for each other; this is about something else.
  const clock = await vaultClock(bench.vault);
  const secret: Secret = {
    ...declared,
    rotate: { ...declared.rotate, overlap: 0 },
    ...(declared.provider !== undefined && {
      provider: { ...declared.provider, rate: { requests: 1000, per: 1 } },
    }),
    source: `source/${own}/it`,
    journal: `rotation/${own}/it`,
    consumers: declared.consumers
      .filter(({ kind }) => kind === "service")
      .map((consumer) => ({ ...consumer, path: `services/${own}/${consumer.name}/it` })),
    ...change,
  };
  const { vault, model } = bench;
  const kv = model.vault.mounts.kv;
  await setValue({ vault, model, by: "userpass-gus" }, secret, first, () => {});
  const none = async (): Promise<never> => assert.fail("no database is reached");
  return {
    secret,
    options: {
      vault,
      model,
      secret,
      reach: { fetch: fetching, manage: none, login: none },
      sinks: () => [],
      probes: () => [],
      reason: "scheduled",
      by: "gus",
      report: () => {},
      wait: false,
      clock,
      ...quick,
    },
    source: () => readFields(vault, kv, secret.source),
    held: async () => {
      const found = await Promise.all(
        secret.consumers.map(({ path }) => readFields(bench.server.root, kv, path)),
      );
      return found.map((fields) => fields ?? {});
    },
  };
}
