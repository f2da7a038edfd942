import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Consumer } from "../../../model/model.ts";
import { fieldsAt, type Moment, orderAt, type Phase, phaseAt } from "../../../operations/values/phases.ts";
import type { Fields } from "../../../operations/values/shape.ts";

const hmac = { kind: "hmac", fields: ["primary", "secondary", "key-id"] } as const;
const secret = { ...hmac, fields: [...hmac.fields] };
const current = { primary: "current", secondary: "older", "key-id": "id-1" };
const next = { primary: "next", secondary: "current", "key-id": "id-2" };

test("a listener gets the next key beside the current one; a reader goes on signing with the current one and its id", () => {
  assert.equal(phaseAt(secret, { role: "listener" }, "listeners", false), "next");
  assert.equal(phaseAt(secret, { role: "reader" }, "listeners", false), "both");
  assert.equal(phaseAt(secret, { role: "signer" }, "listeners", false), undefined);
  assert.deepEqual(fieldsAt(secret, "next", { current, next }), next);
  assert.deepEqual(fieldsAt(secret, "both", { current, next }), {
    primary: "current",
    secondary: "next",
    "key-id": "id-1",
  });
});

test("dropping the one before leaves the next key alone, in both fields", () => {
  const dropped = { primary: "next", secondary: "next", "key-id": "id-2" };
  assert.deepEqual(fieldsAt(secret, "dropped", { current, next }), dropped);
});

test("a reader of a kind with one value gets it with the signers", () => {
  const password = { kind: "password" } as const;
  assert.equal(phaseAt(password, { role: "reader" }, "listeners", false), undefined);
  assert.equal(phaseAt(password, { role: "reader" }, "signers", false), "next");
});

test("going back gives up an old value that there never was", () => {
  assert.throws(() => fieldsAt(secret, "back", { current: undefined, next }), /none before it/);
});

test("going back keeps a field that the version before had not, and no name of a new key (R26)", () => {
  const key = { kind: "api-key" as const, fields: ["key", "region"] };
  const versions = { current: { key: "old" }, next: { key: "new", region: "north", "issued-id": "2" } };
  assert.deepEqual(fieldsAt(key, "back", versions), { key: "old", region: "north" });
  const { "key-id": _, ...unnamed } = current;
  assert.deepEqual(fieldsAt(secret, "back", { current: unnamed, next }), unnamed);
});

const roles = fc.array(fc.constantFrom("listener", "reader", "signer") as fc.Arbitrary<Consumer["role"]>, {
  minLength: 2,
  maxLength: 8,
});

/** One consumer after the other gets what a moment brings; after each, whoever signs is accepted by all who verify. */
function* brought(consumers: Consumer[], held: Map<string, Fields>, moment: Moment): Generator<void> {
  for (const consumer of orderAt(consumers, moment)) {
    const phase: Phase | undefined = phaseAt(secret, consumer, moment, false);
    if (phase !== undefined) held.set(consumer.id, fieldsAt(secret, phase, { current, next }));
    yield;
  }
}

function refusals(consumers: Consumer[], held: Map<string, Fields>): string[] {
  return consumers.flatMap((signer) =>
    consumers.flatMap((verifier) => {
      if (signer.role === "listener" || verifier.role === "signer") return [];
      const { primary, secondary } = held.get(verifier.id) ?? {};
      const used = held.get(signer.id)?.primary;
      return used === primary || used === secondary ? [] : [`${verifier.id} refuses ${signer.id}`];
    }),
  );
}

test("whatever the roles, and wherever it turns back, no signature is refused between any two deliveries (R29)", () => {
  fc.assert(
    fc.property(roles, fc.nat(40), (given, turn) => {
      const consumers = given.map((role, index): Consumer => {
        const id = `c${index}`;
        return { id, kind: "service", name: id, role, path: id, as: {}, files: {} };
      });
      const held = new Map(consumers.map(({ id }) => [id, current as Fields]));
      let delivered = 0;
      const back = () => {
        for (const moment of ["signers-back", "all-back"] as const) {
          for (const _ of brought(consumers, held, moment)) assert.deepEqual(refusals(consumers, held), []);
        }
        for (const fields of held.values()) assert.deepEqual(fields, current);
      };
      for (const moment of ["listeners", "signers"] as const) {
        for (const _ of brought(consumers, held, moment)) {
          assert.deepEqual(refusals(consumers, held), []);
          if (delivered++ === turn) return back();
        }
      }
      for (const consumer of orderAt(consumers, "signers")) {
        held.set(consumer.id, fieldsAt(secret, "dropped", { current, next }));
        assert.deepEqual(refusals(consumers, held), []);
      }
    }),
    { numRuns: 300 },
  );
});
