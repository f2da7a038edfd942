import assert from "node:assert/strict";
import { test } from "node:test";
import { Vault } from "../../../clients/vault.ts";
import {
  block,
  flag,
  map,
  number,
  type Properties,
  set,
  text,
  unknown,
} from "../../../local/providers/fields.ts";
import type { Kind } from "../../../local/providers/kind.ts";
import { Provider } from "../../../local/providers/provider.ts";

const type = "test:index/thing:Thing";
const server = new Vault({ address: "http://127.0.0.1:1" });

/** A kind whose live objects lie in a map. */
function world(live = new Map<string, Properties>()) {
  const writes: Properties[] = [];
  const things: Kind<Vault> = {
    type,
    fields: {
      name: text({ required: true, replace: true, local: true }),
      size: number({ otherwise: 3 }),
      open: flag(),
      members: set(),
      labels: map(),
      version: number({ chosen: true }),
      password: text({ writeOnly: true }),
      tune: block({ visibility: text(), secret: text({ writeOnly: true }) }),
    },
    computed: ["accessor"],
    async create(_vault, inputs) {
      const { name, password: _, ...rest } = inputs;
      if (inputs.password === "refused-value") throw new Error(`cannot log in with refused-value`);
      live.set(String(name), {
        accessor: "a1",
        size: 3,
        open: false,
        members: [],
        labels: {},
        version: 1,
        ...rest,
      });
      return String(name);
    },
    async read(_vault, id) {
      const found = live.get(id);
      return found === undefined ? undefined : { name: id, ...found };
    },
    async update(_vault, id, inputs) {
      const { name: _, password: __, ...rest } = inputs;
      writes.push(inputs);
      live.set(id, { ...live.get(id), ...rest });
    },
    async delete(_vault, id) {
      live.delete(id);
    },
  };
  return { live, writes, provider: new Provider([things], () => server) };
}

test("refuses an unknown type, an unknown property, a wrong type and a missing one, without repeating a value", () => {
  const { provider } = world();
  assert.throws(() => provider.check("test:index/other:Other", {}), {
    message:
      "The local provider does not serve test:index/other:Other: add it to the tables in local/providers, or run with --providers official",
  });
  assert.deepEqual(
    provider.check(type, {
      size: "the-value",
      colour: "the-value",
      members: [1],
      tune: { visible: "the-value" },
    }),
    [
      { property: "size", reason: "must be a number" },
      { property: "colour", reason: `the local provider does not serve this property of ${type}` },
      { property: "members", reason: "must be a list of strings" },
      { property: "tune.visible", reason: `the local provider does not serve this property of ${type}` },
      { property: "name", reason: "is required" },
    ],
  );
});

test("accepts values that a preview cannot know yet", () => {
  const { provider } = world();
  assert.deepEqual(provider.check(type, { name: unknown, size: unknown, members: [unknown] }), []);
});

test("sees no difference where only the way of writing differs", () => {
  const { provider } = world();
  const inputs = { name: "x", members: ["b", "a", "b"], labels: { z: "1", a: "2" } };
  const outputs = {
    name: "x",
    size: 3,
    open: false,
    members: ["a", "b"],
    labels: { a: "2", z: "1" },
    version: 7,
  };
  assert.deepEqual(provider.diff(type, inputs, outputs, inputs), { changed: [], replaced: [] });
});

test("sees a live value that nobody declared, unless Vault chooses it", () => {
  const { provider } = world();
  const outputs = { name: "x", size: 9, open: true, members: [], labels: {}, version: 7 };
  assert.deepEqual(provider.diff(type, { name: "x" }, outputs, { name: "x" }), {
    changed: ["size", "open"],
    replaced: [],
  });
});

test("sees a change inside a block, and names its path", () => {
  const { provider } = world();
  const outputs = { name: "x", size: 3, tune: { visibility: "hidden", secret: "s" } };
  assert.deepEqual(
    provider.diff(type, { name: "x" }, outputs, { name: "x", tune: { visibility: "unauth", secret: "s" } }),
    { changed: ["tune.visibility"], replaced: [] },
  );
});

test("sees a difference in what is not known yet: a whole block, an item of a set", () => {
  const { provider } = world();
  const outputs = { name: "x", size: 3, members: ["a"], tune: { visibility: "hidden" } };
  assert.deepEqual(
    provider.diff(type, { name: "x" }, outputs, { name: "x", members: ["a", unknown], tune: unknown }),
    { changed: ["members", "tune"], replaced: [] },
  );
});

test("replaces what another name means, also when the name is not known yet", () => {
  const { provider } = world();
  const outputs = { name: "x", size: 3 };
  for (const name of ["y", unknown]) {
    assert.deepEqual(provider.diff(type, { name: "x" }, outputs, { name }), {
      changed: ["name"],
      replaced: ["name"],
    });
  }
});

test("returns the same state from a creation as from the read after it", async () => {
  const { provider } = world();
  const inputs = { name: "x", size: 4, password: "p", tune: { visibility: "hidden", secret: "s" } };
  const { id, outputs } = await provider.create(type, inputs);
  assert.equal(id, "x");
  assert.deepEqual(outputs, {
    name: "x",
    accessor: "a1",
    size: 4,
    open: false,
    members: [],
    labels: {},
    version: 1,
    password: "p",
    tune: { visibility: "hidden", secret: "s" },
  });
  const again = await provider.read(type, id, outputs, inputs);
  assert.deepEqual(again, { id, outputs, inputs });
});

test("a preview of a creation knows what is declared and marks the rest unknown", () => {
  const { provider } = world();
  assert.deepEqual(provider.preview(type, { name: "x", size: unknown }), {
    name: "x",
    size: unknown,
    accessor: unknown,
    version: unknown,
  });
});

test("a refresh reports drift in the inputs too, declared or not, so that the next update repairs it", async () => {
  const { provider, live } = world();
  const inputs = { name: "x", size: 4 };
  const { outputs } = await provider.create(type, inputs);
  live.set("x", { ...live.get("x"), size: 5, members: ["eve"], version: 2 });
  const drifted = await provider.read(type, "x", outputs, inputs);
  assert.deepEqual(drifted?.inputs, { name: "x", size: 5, members: ["eve"] });
  const { changed } = provider.diff(type, drifted?.inputs ?? {}, drifted?.outputs ?? {}, inputs);
  assert.deepEqual(changed, ["size", "members"]);
});

test("an update puts an undeclared value back to Vault's default", async () => {
  const { provider, live, writes } = world();
  const inputs = { name: "x", size: 4 };
  const { outputs } = await provider.create(type, inputs);
  live.set("x", { ...live.get("x"), members: ["eve"], open: true });
  const drifted = await provider.read(type, "x", outputs, inputs);
  assert.ok(drifted);
  const after = await provider.update(type, "x", drifted.inputs, drifted.outputs, inputs);
  assert.deepEqual(writes, [{ name: "x", size: 4, members: [], open: false }]);
  assert.deepEqual(after, outputs);
});

test("a read of what is gone says so, and an update of it says what to do", async () => {
  const { provider, live } = world();
  const inputs = { name: "x" };
  const { outputs } = await provider.create(type, inputs);
  live.delete("x");
  assert.equal(await provider.read(type, "x", outputs, inputs), undefined);
  const lost: Kind<Vault> = { ...provider.kind(type), update: async () => {} };
  await assert.rejects(
    new Provider([lost], () => server).update(type, "x", inputs, outputs, { name: "x", size: 5 }),
    { message: "x is gone; run `pulumi refresh` and update again" },
  );
});

test("does not import: what is not declared is not taken over", async () => {
  const { provider } = world();
  await assert.rejects(provider.read(type, "x", {}, {}), {
    message: "x: the local provider does not import; declare the resource and run `up`",
  });
});

test("an error never repeats a write-only value", async () => {
  const { provider } = world();
  await assert.rejects(provider.create(type, { name: "x", password: "refused-value" }), {
    message: "cannot log in with [REDACTED]",
  });
});
