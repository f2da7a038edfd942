import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { Delivery, Service } from "../../../model/model.ts";
import { instancesOf } from "../../../operations/delivery/instances.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { logMarkOf, sinksOf } from "../../../operations/delivery/sinks.ts";
import { supervise } from "../../../operations/delivery/supervisor.ts";
import type { ConsumerProbe } from "../../../operations/rotation/observer.ts";
import { probesOf } from "../../../operations/rotation/probes.ts";
import { until } from "../../integration/services/until.ts";
import { bundleFor, serviceOf } from "../delivery/services.ts";
import { failure } from "./probe-failure.ts";

const signal = new AbortController().signal;
const text = "Exchange connected";
const log = "/var/log/api.log";

/** A host with a service that reads files, logs, and is brought secrets by runners with state folders of their own. */
async function hostOf(t: TestContext, reload: Service["reload"] = "watch") {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-probe-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const root = join(folder, "root");
  await mkdir(join(root, "var/log"), { recursive: true });
  const service = serviceOf("api", [{ to: "files", folder: "/run/secrets" }], {
    reload,
    observe: { instances: [], log },
  });
  const sinks = (home: string): Sink[] =>
    sinksOf({ services: [service], secrets: [] }, service, { root, runs: join(folder, home) });
  const held: Record<string, number> = {};
  const values: Record<string, string> = {};
  return {
    path: join(root, log),
    /** Brings the service a version of a secret, beside what it has of others. */
    async bring(version: number, { secret = "shop/exchange", home = "a", value = `value ${version}` } = {}) {
      held[secret] = version;
      values[secret] = value;
      const secrets = Object.fromEntries(
        Object.entries(held).map(([id, each]) => [
          id,
          { version: each, files: { [id.replace("shop/", "")]: values[id] ?? "" } },
        ]),
      );
      for (const sink of sinks(home)) await sink.write(bundleFor(service, secrets));
    },
    probe(home = "a"): ConsumerProbe {
      const logMark = () => logMarkOf(service, sinks(home), "shop/exchange", { runs: join(folder, home) });
      const [probe, ...more] = probesOf({ probe: { log: text } }, service, { fetch, root, logMark });
      assert.ok(probe !== undefined && more.length === 0);
      return probe;
    },
  };
}

async function passes(probe: ConsumerProbe): Promise<void> {
  assert.equal(await probe.check(signal), undefined);
}

describe("a line of a log (R46)", () => {
  test("counts only when it was written after the service got the value", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await writeFile(path, "Exchange connected\n");
    await bring(1);
    assert.match(await failure(probe()), /^is not there: 0 lines since/);
    await appendFile(path, "starting\nExchange conn");
    assert.match(await failure(probe()), /^is not there: 2 lines since/);
    await appendFile(path, "ected to example\n");
    await passes(probe());
    // The next version: what is there is old again.
    await bring(2);
    await failure(probe());
  });

  test("is found by a runner with another state folder, which goes on where one has died", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await writeFile(path, "Exchange connected\n");
    await bring(1, { home: "b" });
    await bring(2, { home: "a" });
    await failure(probe("b"));
    await appendFile(path, "Exchange connected\n");
    await passes(probe("b"));
    // Looked for again, and brought again by whoever goes on: it stays where it is.
    await bring(2, { home: "b" });
    await passes(probe("b"));
  });

  test("of an earlier value does not pass for the new one, whichever runner remembers it", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await bring(1, { home: "b" });
    await appendFile(path, "Exchange connected\n");
    await bring(2, { home: "a" });
    await failure(probe("b"));
  });

  test("is still found once the service was brought another secret", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await bring(1);
    await appendFile(path, "Exchange connected\n");
    await bring(7, { secret: "shop/other" });
    await passes(probe());
    await bring(2);
    await failure(probe());
  });

  test("is not asked for where nobody knows since when the service has the value, and that is told", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await appendFile(path, "Exchange connected\n");
    assert.match(
      (await probe().check(signal))?.why ?? "",
      /^nobody has noted .*"Exchange connected" is not looked for$/,
    );
    await bring(1, { value: "the same" });
    // The files are there, of a runner that died before its record: when the service has read them is not known.
    await bring(2, { value: "the same" });
    assert.equal((await probe().check(signal))?.acknowledged, false);
  });

  test("is waited for where the files are there already and the service starts again for them", async (t) => {
    const { path, bring, probe } = await hostOf(t, "restart");
    await bring(1, { value: "the same" });
    await appendFile(path, "Exchange connected\n");
    await bring(2, { value: "the same" });
    await failure(probe());
    await appendFile(path, "Exchange connected\n");
    await passes(probe());
  });

  test("is found over a rotation of the log, before and after it", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await writeFile(path, "Exchange connected, long ago\n");
    await bring(1);
    await appendFile(path, "other\n");
    await rename(path, `${path}.1`);
    await failure(probe());
    await writeFile(path, "");
    await failure(probe());
    await appendFile(`${path}.1`, "Exchange connected\n");
    await passes(probe());
    await writeFile(`${path}.1`, "");
    await failure(probe());
    await appendFile(path, "Exchange connected\n");
    await passes(probe());
  });

  test("is found in a log that was cut", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await writeFile(path, "old lines\n".repeat(100));
    await bring(1);
    await truncate(path, 0);
    await appendFile(path, "Exchange connected\n");
    await passes(probe());
  });

  test("never appears in a message with the lines around it", async (t) => {
    const { path, bring, probe } = await hostOf(t);
    await bring(1);
    await appendFile(path, "token=canary\n");
    assert.doesNotMatch(await failure(probe()), /canary/);
  });

  const files: Delivery[] = [{ to: "files", folder: "/run/secrets" }];
  for (const [reload, deliver] of [
    ["watch", files],
    ["restart", files],
    ["restart", []],
  ] as const) {
    const how = `${reload}, ${deliver.length} places`;
    test(`of a service under keyplane run counts from when it got that secret's version (${how})`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "keyplane-probe-"));
      const [path, runs, stop] = ["api.log", "runs", "stop"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await writeFile(path, "Exchange connected\n");
      const service = serviceOf("api", [...deliver], { reload, observe: { instances: [], log: path } });
      const versions = { "shop/exchange": 1, "shop/other": 1 };
      const read = async () =>
        bundleFor(
          service,
          Object.fromEntries(
            Object.entries(versions).map(([id, version]) => [
              id,
              { version, files: { [id.replace("shop/", "")]: `value ${version}` } },
            ]),
          ),
        );
      const supervised = supervise({
        ...{ service, runs, read, env: { ...process.env }, poll: 20, grace: 1000, report: () => {} },
        command: ["sh", "-c", `while [ ! -e ${stop} ]; do sleep 0.02; done`],
      });
      // Also where the test fails: nothing else ends it.
      t.after(async () => {
        await writeFile(stop, "");
        await supervised;
        await rm(folder, { recursive: true, force: true });
      });
      const runsVersions = () =>
        until(async () => {
          const [instance] = await instancesOf(runs, "shop/api");
          return (
            instance?.child !== undefined && JSON.stringify(instance.versions) === JSON.stringify(versions)
          );
        });
      const sinks = sinksOf({ services: [service], secrets: [] }, service, { root: "/", runs });
      const logMark = () => logMarkOf(service, sinks, "shop/exchange", { runs });
      const [probe] = probesOf({ probe: { log: text } }, service, { fetch, root: "/", logMark });
      assert.ok(probe);
      await runsVersions();
      await failure(probe);
      await appendFile(path, "Exchange connected\n");
      versions["shop/other"] = 2;
      await runsVersions();
      await passes(probe);
      versions["shop/exchange"] = 2;
      await runsVersions();
      await failure(probe);
    });
  }
});
