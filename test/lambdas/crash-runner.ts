/** One step of the rotation function in a process of its own, which is killed. Its input comes on standard input. */
import { text } from "node:stream/consumers";
import { type AwsOptions, SecretsManager } from "../../clients/secrets-manager.ts";
import { type RequestOptions, Vault, type VaultOptions, type VaultResponse } from "../../clients/vault.ts";
import { makeHandler } from "../../lambdas/rotate-postgres/handler.ts";
import { served } from "../../lambdas/rotate-postgres/settings.ts";
import { vaultAccess } from "../../lambdas/settings.ts";
import type { RotatedUsers } from "../../model/shipping.ts";
import { databaseReach } from "../../operations/rotation/connect.ts";
import { Calls, type Count, type CrashPoint, countedReach } from "../operations/rotation/counted.ts";

export interface CrashedStep {
  aws: AwsOptions;
  env: Record<string, string>;
  users: RotatedUsers;
  event: unknown;
  at?: CrashPoint;
}

class CountedVault extends Vault {
  readonly #given: VaultOptions;
  readonly #count: Count;

  constructor(given: VaultOptions, count: Count) {
    super(given);
    this.#given = given;
    this.#count = count;
  }

  override with(token: string | undefined): Vault {
    const { token: _, ...rest } = this.#given;
    return new CountedVault(token === undefined ? rest : { ...rest, token }, this.#count);
  }

  override request<T>(method: string, path: string, options?: RequestOptions): Promise<VaultResponse<T>> {
    // What a lease is called changes.
    const name = path.replace(/^(sys\/leases\/revoke\/.*)\/.*/, "$1");
    return this.#count(`vault ${method} ${name}`, () => super.request<T>(method, path, options));
  }
}

class CountedStore extends SecretsManager {
  readonly #count: Count;

  constructor(options: AwsOptions, count: Count) {
    super(options);
    this.#count = count;
  }

  override describe(...given: Parameters<SecretsManager["describe"]>) {
    return this.#count("DescribeSecret", () => super.describe(...given));
  }
  override value(...given: Parameters<SecretsManager["value"]>) {
    return this.#count(`GetSecretValue ${given[1].label}`, () => super.value(...given));
  }
  override put(...given: Parameters<SecretsManager["put"]>) {
    return this.#count("PutSecretValue", () => super.put(...given));
  }
  override label(...given: Parameters<SecretsManager["label"]>) {
    return this.#count(`UpdateSecretVersionStage ${given[1]}`, () => super.label(...given));
  }
}

const { aws, env, users, event, at } = JSON.parse(await text(process.stdin)) as CrashedStep;
const calls = new Calls(at);
const { address, ca, ...login } = vaultAccess(env);
const model = { vault: { mounts: { database: "database" as const } } };
const handler = makeHandler(() => ({
  served: served(env, users),
  store: new CountedStore(aws, calls.count),
  vault: new CountedVault({ address, ...(ca !== undefined && { ca }) }, calls.count),
  login: { ...login, aws },
  reach: async (vault) => countedReach({ ...databaseReach({ vault, model }), fetch }, calls.count),
}));
await handler(event, {
  awsRequestId: "crash",
  functionName: "rotate-postgres",
  getRemainingTimeInMillis: () => 60_000,
});
process.stderr.write(JSON.stringify(calls.all.map(({ name }) => name)));
