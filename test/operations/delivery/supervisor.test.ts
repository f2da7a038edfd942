import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Service } from "../../../model/model.ts";
import { type Instance, instancesOf, runningInstances } from "../../../operations/delivery/instances.ts";
import type { Bundle, Running } from "../../../operations/delivery/sink.ts";
import { supervise } from "../../../operations/delivery/supervisor.ts";
import { bundleFor, serviceOf, testHost } from "./services.ts";

/** A service that reads its files again when it finds a file "read", and ends when it finds a file "end". */
const script = `
  const { existsSync, readFileSync, rmSync } = require("node:fs");
  const folder = process.argv[1];
  setInterval(() => {
    if (existsSync(folder + "/end")) process.exit(0);
    for (const which of ["KEYPLANE_ENV_FILE", "SHOP_KEY_FILE"]) {
      if (!existsSync(folder + "/read-" + which)) continue;
      readFileSync(process.env[which]);
      rmSync(folder + "/read-" + which);
    }
  }, 10);
`;

/** `keyplane run` of a service whose bundle the test changes. */
async function run(t: TestContext, service: Service, first: Bundle) {
  const host = await testHost();
  const folder = host.runs;
  let bundle = first;
  const ended = supervise({
    service,
    command: [process.execPath, "-e", script, folder],
    env: process.env,
    read: async () => bundle,
    runs: folder,
    poll: 20,
    grace: 1000,
    report: () => {},
  });
  t.after(async () => {
    await writeFile(join(folder, "end"), "");
    await ended;
    await host[Symbol.asyncDispose]();
  });
  const described = async (holds: (instance: Instance) => boolean): Promise<Instance[]> => {
    for (const end = Date.now() + 20_000; Date.now() < end; await wait(10)) {
      const instances = await instancesOf(folder, service.id);
      if (instances.some(holds)) return instances;
    }
    throw new Error("it never said so");
  };
  await described(({ child }) => child !== undefined);
  return {
    bring: async (next: Bundle) => {
      bundle = next;
      const [id, version] = Object.entries(next.versions)[0] ?? [];
      await described(({ versions }) => versions[id ?? ""] === version);
    },
    reads: async (which: "KEYPLANE_ENV_FILE" | "SHOP_KEY_FILE") =>
      writeFile(join(folder, `read-${which}`), ""),
    running: async (secret: string, version: number) =>
      runningInstances(await instancesOf(folder, service.id), secret, version),
    becomes: async (state: Running["state"], secret: string, version: number) => {
      for (const end = Date.now() + 20_000; ; await wait(10)) {
        const seen = await runningInstances(await instancesOf(folder, service.id), secret, version);
        if (seen.state === state) return;
        assert.ok(Date.now() < end, JSON.stringify(seen));
      }
    },
  };
}

describe("what `keyplane run` says of a service that reads again while it runs", () => {
  for (const reload of ["watch", { signal: "SIGCONT" }] as const) {
    const how = reload === "watch" ? "watches" : "is signalled";
    test(`one that ${how} runs a variable's new version once it has read KEYPLANE_ENV_FILE (R35)`, async (t) => {
      const service = serviceOf("api", [{ to: "files", folder: "/run/api" }], { reload });
      const at = (version: number) =>
        bundleFor(service, { "shop/x": { version, variables: { API_KEY: `value-${version}` } } });
      const api = await run(t, service, at(1));
      assert.equal((await api.running("shop/x", 1)).state, "runs");
      await api.bring(at(2));
      const seen = await api.running("shop/x", 2);
      assert.equal(seen.state, "behind", JSON.stringify(seen));
      assert.match(
        "why" in seen ? seen.why : "",
        /has not read .*api\.env since it was written.*KEYPLANE_ENV_FILE/,
      );
      await api.reads("KEYPLANE_ENV_FILE");
      await api.becomes("runs", "shop/x", 2);
    });
  }

  test("the way back to what it started with is one more change that it has to read", async (t) => {
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }]);
    const at = (version: number, value: string) =>
      bundleFor(service, { "shop/x": { version, variables: { API_KEY: value } } });
    const api = await run(t, service, at(1, "old"));
    await api.bring(at(2, "new"));
    await api.reads("KEYPLANE_ENV_FILE");
    await api.becomes("runs", "shop/x", 2);
    await api.bring(at(3, "old"));
    assert.equal((await api.running("shop/x", 3)).state, "behind");
  });

  test("it is asked to read neither for a value that stays, nor for the variables beside a file", async (t) => {
    const service = serviceOf("api", [{ to: "files", folder: "/run/api" }]);
    const at = (version: number) =>
      bundleFor(service, {
        "shop/x": { version, files: { shop_key: `value-${version}` }, variables: { KEY_ID: `${version}` } },
        "shop/y": { version: 1, variables: { OTHER: "same" } },
      });
    const api = await run(t, service, at(1));
    assert.equal((await api.running("shop/y", 1)).state, "runs");
    await api.bring(at(2));
    assert.equal((await api.running("shop/y", 1)).state, "runs");
    assert.match(JSON.stringify(await api.running("shop/x", 2)), /has not read .*shop_key since/);
    await api.reads("SHOP_KEY_FILE");
    await api.becomes("runs", "shop/x", 2);
  });
});
