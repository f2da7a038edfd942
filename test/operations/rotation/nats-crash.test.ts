import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { hashSync } from "bcryptjs";
import type { Secret } from "../../../model/model.ts";
import { isLetIn } from "../../../operations/rotation/nats/login.ts";
import { usersIn } from "../../../operations/rotation/nats/users-file.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import { killEverywhere } from "./crash.ts";
import { TestNats } from "./nats-server.ts";
import type { TargetData } from "./target-scenario.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

test("kill -9 before and after every call of a NATS rotation: another runner converges, and at every moment somebody is let in (R33)", async (t) => {
  await using nats = await TestNats.start("users = [\n]\n");
  const { server } = bench;
  const { kv } = bench.model.vault.mounts;
  const [address = ""] = nats.target.servers;
  const values = new Set<string>();
  const current = async ({ secret }: TargetData): Promise<{ user: string; password: string }> => {
    const { user = "", password = "" } = (await readFields(server.root, kv, secret.source)) ?? {};
    values.add(password);
    return { user, password };
  };
  const { killed } = await killEverywhere<TargetData>(t, {
    scenario: import.meta.resolve("./target-scenario.ts"),
    async prepare() {
      const name = `nats-${randomBytes(4).toString("hex")}`;
      const declared = secretNamed(bench.model, "titan/nats");
      const secret: Secret = {
        ...declared,
        name,
        nats: nats.target,
        rotate: { ...declared.rotate, overlap: 0 },
        source: `source/titan/${name}`,
        journal: `rotation/titan/${name}`,
        evidence: `evidence/titan/${name}`,
        consumers: declared.consumers.map((one) => ({ ...one, path: `services/titan/${one.name}/${name}` })),
      };
      const model = { ...bench.model, secrets: [secret], rotation: { ...bench.model.rotation, watch: 0 } };
      const first: Fields = { user: `${name}-first`, password: randomBytes(32).toString("base64url") };
      values.add(first.password ?? "");
      const hash = hashSync(first.password ?? "", 4);
      const { NatsServer } = await import("../../../operations/rotation/nats/server.ts");
      const running = new NatsServer(nats.target, { fetch, signal: new AbortController().signal });
      await running.change(
        (text) =>
          text.replace(
            "\n]",
            `\n  { user: ${first.user}, password: "${hash}", permissions: { publish: ["${name}.>"] } }\n]`,
          ),
        () => isLetIn(address, { user: first.user ?? "", password: first.password ?? "" }),
      );
      await setValue({ vault: bench.vault, model, by: "keyplane.rotate" }, secret, first, () => {});
      const { ca, address: vaultAddress } = server;
      return { vault: { address: vaultAddress, ca, token: bench.vault.token ?? "" }, model, secret };
    },
    async held(data, at) {
      for (const { path } of data.secret.consumers) {
        const { user = "", password = "" } = (await readFields(server.root, kv, path)) ?? {};
        assert.ok(await isLetIn(address, { user, password }), `${at}: ${path} is refused`);
      }
    },
    async converged(data, outcome, at) {
      assert.equal(outcome.state, "done", at);
      const { user, password } = await current(data);
      assert.ok(await isLetIn(address, { user, password }), at);
      const mine = usersIn(await nats.users()).filter(({ name }) => name.includes(data.secret.name));
      assert.deepEqual(
        mine.map(({ name }) => name),
        [user],
        at,
      );
      assert.match(await nats.users(), new RegExp(`${user}.*publish: \\["${data.secret.name}\\.>"\\]`), at);
    },
    values: () => values,
  });
  assert.ok(killed >= 6, `only ${killed} were killed`);
  const logs = `${await nats.log()}${await auditLog(server)}${await nats.users()}`;
  for (const value of values) assert.ok(value !== "" && !logs.includes(value), "a password stands in a log");
});
