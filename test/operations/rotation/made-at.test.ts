import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { madeAt, madeElsewhere } from "../../../operations/rotation/made-at.ts";

const none = { databases: [] };

type Provider = NonNullable<Secret["provider"]>;

const of = (provider?: Provider): Pick<Secret, "id" | "kind" | "provider"> => ({
  id: "demo/key",
  kind: "api-key",
  ...(provider && { provider }),
});
/** Why what began by the first goes neither forward nor back by the second. */
const elsewhere = (before: Provider | undefined, now: Provider | undefined) =>
  madeElsewhere(of(now), none, { madeAt: madeAt(of(before), none), to: 2 });

const slack: Provider = { name: "slack", api: true, adapter: "slack" };
const byHand: Provider = { name: "exchange", api: false };

suite("a provider that has no address, while a rotation is under way (R26)", () => {
  for (const [what, provider] of [
    ["Slack", slack],
    ["an exchange by hand", byHand],
  ] as const) {
    test(`${what} that is only renamed is the same one`, () => {
      assert.equal(elsewhere(provider, { ...provider, name: "renamed" }), undefined);
    });
  }
  test("another adapter is another provider, and so is none at all", () => {
    const { adapter: _, ...without } = slack;
    assert.match(elsewhere(slack, { ...without, name: "other" }) ?? "", /^it began as .*slack \(slack\)/);
    for (const [before, now] of [
      [byHand, undefined],
      [undefined, byHand],
    ] as const) {
      assert.match(elsewhere(before, now) ?? "", /without a provider/);
    }
  });
  test("one that has an address afterwards, by another name, is another", () => {
    const there = { ...slack, name: "other", address: "https://other.example" };
    assert.match(elsewhere(slack, there) ?? "", /of other at https:\/\/other\.example/);
  });
});

suite("how a provider is spoken to, while a rotation is under way (R26)", () => {
  const exchange: Provider = { name: "exchange", api: true, address: "https://exchange.example" };
  test("is the same whether the catalogue says `rest` or leaves it out", () => {
    const said: Provider = { ...exchange, adapter: "rest" };
    assert.equal(elsewhere(exchange, said), undefined);
    assert.equal(elsewhere(said, exchange), undefined);
    assert.equal(elsewhere(said, { ...exchange, name: "renamed" }), undefined);
  });
  test("is aws for access keys, whether the catalogue says so or not", () => {
    const key = { id: "demo/key", kind: "s3" } as const;
    const began = madeAt({ ...key, provider: { ...exchange, adapter: "aws" } }, none);
    assert.equal(madeElsewhere({ ...key, provider: exchange }, none, { madeAt: began, to: 2 }), undefined);
  });
  test("is another one where it changes", () => {
    assert.match(elsewhere(exchange, { ...exchange, adapter: "bybit" }) ?? "", /\(bybit\)/);
  });
});
