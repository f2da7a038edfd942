import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Delivery, Service } from "../../../model/model.ts";
import { CommandError, type CommandLimits, runCommand } from "../../../operations/delivery/host-command.ts";
import type { Running, Sink } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const files: Delivery[] = [{ to: "files", folder: "/run/secrets" }];

/** What a command says, and with which exit status. */
type Says = (argv: string[]) => { out: string; status?: number };

async function running(
  host: TestHost,
  more: Partial<Service>,
  says: Says,
): Promise<{ running: Running; sink: Sink }> {
  const service = serviceOf("api", files, { reload: "restart", ...more });
  const command = async (argv: string[], { answers = [0] }: CommandLimits) => {
    const { out, status = 0 } = says(argv);
    if (!answers.includes(status)) throw new CommandError(`failed with exit status ${status}`);
    return out;
  };
  const [sink] = sinksOf({ services: [service], secrets: [] }, service, { ...host, command });
  assert.ok(sink);
  await sink.write(bundleFor(service, { "shop/x": { version: 2, files: { key: "v2" } } }));
  return { running: await sink.running("shop/x", 2), sink };
}

const inSupervisor = (state: string) => `api                              ${state}\n`;

describe("a service of Supervisor", () => {
  // As supervisorctl 4.3.0 says it, with its exit statuses.
  for (const [state, status] of [
    ["STOPPED   Not started", 3],
    ["EXITED    Nov 29 08:40 AM", 3],
    ["FATAL     Exited too quickly (process log may have details)", 3],
    ["BACKOFF   Exited too quickly (process log may have details)", 0],
    ["STARTING", 0],
  ] as const) {
    test(`that is ${state.split(" ")[0]} runs nothing, and is not one that cannot be seen (R34)`, async () => {
      await using host = await testHost();
      const { running: seen } = await running(host, {}, () => ({ out: inSupervisor(state), status }));
      const why = `it does not run (${state.split(" ")[0]})`;
      assert.deepEqual(seen, { state: "behind", version: undefined, why, isDown: true });
    });
  }

  test("that is RUNNING with a process that started before its files is behind, and not down", async () => {
    await using host = await testHost();
    const pid = process.pid;
    const out = inSupervisor(`RUNNING   pid ${pid}, uptime 1 day, 0:00:05`);
    const { running: seen } = await running(host, {}, () => ({ out }));
    assert.ok(seen.state === "behind" && seen.isDown === false, JSON.stringify(seen));
    assert.match(seen.why, /it has run since .+; its files were written at/);
  });

  test("cannot be seen where supervisorctl says no state", async () => {
    await using host = await testHost();
    for (const said of [
      { out: "unix:///var/run/supervisor.sock no such file\n", status: 4 },
      { out: "api: ERROR (no such process)\n", status: 4 },
      { out: "", status: 0 },
    ]) {
      const { running: seen } = await running(host, {}, () => said);
      assert.equal(seen.state, "unobservable", said.out);
    }
  });
});

describe("a container of Compose", () => {
  const inDocker =
    (state: string): Says =>
    ([, what]) => ({ out: what === "compose" ? "one\n" : `${state}\n` });
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  for (const [what, state] of [
    ["that ended", `${soon} false false 0`],
    ["that Docker starts again", `${soon} true true 3`],
    ["that ended by itself and has just been started again", `${ago(1)} true false 3`],
  ] as const) {
    test(`${what} runs nothing (R34)`, async () => {
      await using host = await testHost();
      const { running: seen } = await running(host, { runsOn: "compose" }, inDocker(state));
      assert.ok(seen.state === "behind" && seen.isDown === true, JSON.stringify(seen));
    });
  }

  test("that once ended by itself and has run for a while is one that runs", async () => {
    await using host = await testHost();
    const { running: seen } = await running(host, { runsOn: "compose" }, inDocker(`${ago(60)} true false 1`));
    assert.ok(seen.state === "behind" && seen.isDown === false, JSON.stringify(seen));
    const { running: later } = await running(host, { runsOn: "compose" }, inDocker(`${soon} true false 0`));
    assert.equal(later.state, "runs");
  });
});

test("a service that watches its files and has ended runs nothing, though it has read them (R34)", async () => {
  await using host = await testHost();
  let out = inSupervisor(`RUNNING   pid ${process.pid}, uptime 0:00:05`);
  const { sink } = await running(host, { reload: "watch" }, () => ({
    out,
    status: /RUNNING/.test(out) ? 0 : 3,
  }));
  await runCommand(["cat", `${host.root}/run/secrets/key`], { limit: 10_000 });
  assert.equal((await sink.running("shop/x", 2)).state, "runs");
  out = inSupervisor("EXITED    Nov 29 08:40 AM");
  const seen = await sink.running("shop/x", 2);
  assert.ok(seen.state === "behind" && seen.isDown === true, JSON.stringify(seen));
  out = "";
  // Where nobody can be asked, that it was read is what there is to see.
  assert.equal((await sink.running("shop/x", 2)).state, "runs");
});
