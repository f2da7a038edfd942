import assert from "node:assert/strict";
import type { Model, Secret } from "../../../model/model.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { type Fault, ProviderServer, type ProviderServerOptions } from "./provider-server.ts";
import { contextOf, type TestContext } from "./rotator-context.ts";

/** Fast enough that no test waits for it. */
export const rate = { requests: 1000, per: 1 };

export const scopes = ["keys", "trade"];

export interface World extends AsyncDisposable {
  server: ProviderServer;
  context: TestContext;
  current: Fields;
}

/** trading-bot's exchange key, made in the dashboard, at a real server. */
export async function world(
  model: Model,
  options: ProviderServerOptions & { provider?: Partial<NonNullable<Secret["provider"]>> } = {},
  more: Partial<TestContext> = {},
): Promise<World> {
  const server = await ProviderServer.start({ fields: ["key", "secret"], ...options });
  const target = { name: "exchange", api: true, address: server.address, rate, ...options.provider };
  const context = contextOf(model, "trading-bot/exchange", { change: { provider: target }, ...more });
  const { values } = server.issue(scopes);
  return {
    server,
    context,
    current: { ...values },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Only the n-th management request of a kind is hit. */
export function once(name: string, fault: Fault, at = 1): (request: string) => Fault | undefined {
  let count = 0;
  return (request) => (request === name && ++count === at ? fault : undefined);
}

export async function refusal(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => assert.fail("it went well"),
    (error) => error as Error,
  );
}
