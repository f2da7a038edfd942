import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hashSync } from "bcryptjs";
import { rotate } from "../../../operations/rotation/engine.ts";
import { isLetIn } from "../../../operations/rotation/nats/login.ts";
import { NatsServer } from "../../../operations/rotation/nats/server.ts";
import { nats } from "../../../operations/rotation/rotators/nats.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { TestNats } from "./nats-server.ts";
import { day, quick } from "./quick.ts";

// The users file is put back as it was, by Ansible or a checkout of Git, while the old user drains.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const first = { user: "titan-nats-first", password: "the-first-password-of-titan" };
const fileWith = ({ user, password }: typeof first) =>
  `users = [\n  { user: ${user}, password: "${hashSync(password, 4)}" }\n]\n`;

let count = 0;

/** titan's NATS user, rotated to where the old one only waits for its overlap. */
async function draining(server: TestNats) {
  const { vault, model } = bench;
  const { kv } = model.vault.mounts;
  const place = `nats-refused-${++count}`;
  const { idle: _, ...declared } = secretNamed(model, "titan/nats");
  const secret = {
    ...declared,
    nats: server.target,
    rotate: { by: "machine" as const, overlap: 0, onCompromise: true as const },
    source: `source/${place}/it`,
    journal: `rotation/${place}/it`,
    consumers: declared.consumers
      .filter(({ kind }) => kind === "service")
      .map((one) => ({ ...one, path: `services/${place}/${one.name}` })),
  };
  await bench.server.root.write(`${kv}/data/${secret.source}`, { data: first });
  const none = async (): Promise<never> => assert.fail("no database is reached");
  const options = {
    ...{ vault, model: { ...model, rotation: { ...model.rotation, watch: 0 } }, secret, rotator: nats },
    ...{ reach: { fetch, manage: none, login: none }, sinks: () => [], probes: () => [] },
    ...{ reason: "scheduled" as const, by: "test", report: () => {}, wait: false },
    ...quick,
  };
  const slow = { ...secret, rotate: { ...secret.rotate, overlap: day } };
  assert.equal((await rotate({ ...options, secret: slow })).state, "drain");
  const [address = ""] = server.target.servers;
  const source = async () => (await readFields(bench.server.root, kv, secret.source)) ?? {};
  const letIn = ({ user = "", password = "" }: Fields) => isLetIn(address, { user, password });
  /** The users file as somebody else writes it, taken over by the server. */
  const becomes = (text: string) =>
    new NatsServer(server.target, { fetch, signal: new AbortController().signal }).change(
      () => text,
      async () => true,
    );
  return { secret, options, source, letIn, becomes };
}

test("the new user is refused and the old one accepted: everybody gets the old one back, and the next rotation replaces it (R33)", async () => {
  const text = fileWith(first);
  await using server = await TestNats.start(text);
  const { options, source, letIn, becomes } = await draining(server);
  await becomes(text);
  const back = await rotate(options);
  assert.equal(back.state, "rolled-back", back.waiting);
  assert.match(back.failure ?? "", /nats-server refuses the new value and accepts the old one/);
  assert.deepEqual([await source(), await letIn(first)], [first, true]);
  assert.equal((await rotate(options)).state, "done");
  assert.equal(await letIn(await source()), true);
});

test("the old user has leaked, and the new one is refused: the rotation that follows gives one that is let in (R21)", async () => {
  const text = fileWith(first);
  await using server = await TestNats.start(text);
  const { options, source, letIn, becomes } = await draining(server);
  await becomes(text);
  const end = await rotate({ ...options, reason: "compromise" });
  assert.equal(end.state, "done", end.waiting);
  assert.deepEqual([await letIn(await source()), await letIn(first)], [true, false]);
});

test("both users are refused: the rotation ends with a finding that says how it heals (R33)", async () => {
  const text = fileWith(first);
  await using server = await TestNats.start(text);
  const { secret, options, letIn, becomes } = await draining(server);
  await becomes(fileWith({ user: "grafana", password: "the-password-of-grafana" }));
  const end = await rotate(options);
  assert.equal(end.state, "done", end.waiting);
  assert.match(
    end.keptRefused ?? "",
    new RegExp(
      `^nats-server refuses the new value and the old one.*a user to .*\`keyplane set ${secret.id}\``,
    ),
  );
  assert.equal(await letIn(first), false);
});
