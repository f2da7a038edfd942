import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import { until } from "../../integration/services/until.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { openScenario } from "./crash.ts";
import { OwnCase } from "./own-case.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { quick } from "./quick.ts";
import {
  accessKeyTarget,
  bybitTarget,
  crashesAt,
  deliveredOf,
  natsTarget,
  openAiTarget,
  type Platform,
  providerTarget,
  sourceOf,
} from "./targets.ts";

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

/** One secret at its real target. */
interface Sealed {
  name: string;
  scenario: string;
  data: unknown;
  /** Reads from Vault what consumers hold; what comes of it sees, without Vault, that it works. */
  held(): Promise<() => Promise<void>>;
  /** The new value is in force, and no other. */
  assertDone(): Promise<void>;
}

async function atTargets(): Promise<Sealed[]> {
  const { root, model, rotator } = server;
  const { address, ca } = server.services.vault;
  const platform: Platform = { root, model, address, ca, login: async () => rotator };
  const opening = [natsTarget, providerTarget, accessKeyTarget, openAiTarget, bybitTarget] as const;
  return Promise.all(
    opening.map(async (open): Promise<Sealed> => {
      const target = await open(platform);
      shared.after(async () => target[Symbol.asyncDispose]());
      const { scenario, prepare, converged } = crashesAt(platform, target);
      const data = await prepare();
      const { name } = open;
      return {
        ...{ name, scenario, data },
        async held() {
          const all = [await sourceOf(platform, data), ...(await deliveredOf(platform, data))];
          return async () => {
            for (const fields of all) assert.ok(await target.accepts(data, fields), name);
          };
        },
        assertDone: () => converged(data, { state: "done" } as Outcome, name),
      };
    }),
  );
}

async function atPostgres(): Promise<Sealed[]> {
  const all = ["titan/ledger-titan-brain", "rec-io/trading-rec_trading_user"].map(async (id) => {
    const user = new DatabaseUserCase(server, server.secret(id), new Set());
    const first = await user.first();
    return {
      ...{ name: id, scenario: import.meta.resolve("./postgres-scenario.ts"), data: user.data },
      async held() {
        const given = [await user.source(), ...(await user.delivered())];
        return async () => {
          const refusals = await Promise.all(given.map((fields) => user.refusal(fields)));
          // A single login has one value at a time: here the new one, which the source holds.
          assert.ok(refusals.includes(undefined), id);
          if (user.secret.databaseUser?.logins.length === 2)
            assert.deepEqual(new Set(refusals), new Set([undefined]), id);
        };
      },
      async assertDone() {
        for (const fields of await user.delivered()) assert.equal(await user.refusal(fields), undefined, id);
        assert.equal(await user.refusal(first), "28P01", id);
      },
    };
  });
  return Promise.all(all);
}

async function ofOwnKinds(): Promise<Sealed[]> {
  const all = OwnCase.all(() => server).map(async ([kind, open]): Promise<Sealed> => {
    const own = open();
    const data = await own.prepare();
    return {
      ...{ name: kind, scenario: import.meta.resolve("./own-scenario.ts"), data },
      async held() {
        const held = await own.held(data);
        return () => own.works(data, held, kind);
      },
      assertDone: () => own.assertEnded(data, false, kind),
    };
  });
  return Promise.all(all);
}

/** Begins a rotation that is held up just before its journal is told of a state. */
async function heldUp({ scenario, data }: Sealed, state: string, sealed: Promise<void>) {
  const { subject, close } = await openScenario({ scenario }, data, (_, call) => call());
  const vault = subject.vault.with(subject.vault.token);
  const told: string[] = [];
  const seen = { isThere: false };
  const request: Vault["request"] = async (method, path, options) => {
    if (!seen.isThere && JSON.stringify(options?.body ?? "").includes(`"state":"${state}`)) {
      seen.isThere = true;
      await sealed;
    }
    return subject.vault.request<never>(method, path, options);
  };
  vault.request = request;
  const ended = rotate({
    ...{ ...subject, ...quick, vault },
    ...{ reason: "scheduled", by: "keyplane.rotate", wait: true },
    report: ({ text }) => told.push(text),
    // It waits for what does not come to pass; a test does not.
    signal: AbortSignal.timeout(120_000),
  }).finally(close);
  return { seen, told, ended };
}

for (const [when, state] of [
  ["a new value works at the target and the journal does not know", "deliver-"],
  ["the old value is refused and the journal does not know", "verify"],
] as const) {
  test(`Vault sealed while ${when}, for every rotator at once: what consumers hold works meanwhile, and each rotation ends once it is unsealed`, async () => {
    const all = [...(await atTargets()), ...(await atPostgres()), ...(await ofOwnKinds())];
    const { promise: sealed, resolve: letGo } = Promise.withResolvers<void>();
    const rotations = await Promise.all(all.map((one) => heldUp(one, state, sealed)));
    for (const { ended } of rotations) ended.catch(() => {});
    await until(() => rotations.every(({ seen }) => seen.isThere));
    const work = await Promise.all(all.map((one) => one.held()));
    await server.root.request("PUT", "sys/seal");
    letGo();
    await until(() => rotations.every(({ told }) => told.some((text) => /sealed/i.test(text))));
    for (const works of work) await works();
    // The local stack unseals what it finds sealed.
    await server.test.start();
    for (const [index, { ended }] of rotations.entries()) {
      assert.equal((await ended).state, "done", all[index]?.name);
      await all[index]?.assertDone();
    }
    assert.equal(all.length, 13);
  });
}
