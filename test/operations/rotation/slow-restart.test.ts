import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { Vault } from "../../../clients/vault.ts";
import type { Service } from "../../../model/model.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { abortRotation } from "../../../operations/rotation/engine.ts";
import { LeaseLostError } from "../../../operations/rotation/lease.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { until } from "../../integration/services/until.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { CutProxy } from "./cut-proxy.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

type Test = { after(end: () => unknown): void };

/**
 * A host whose `docker compose up` stops the service at once and starts it again only after so many seconds, as one whose
 * stop takes its time. It writes down when it begins, when it ends, and whether another one was still at it.
 */
class SlowHost {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(t: Test): Promise<SlowHost> {
    const host = new SlowHost(await mkdtemp(join(tmpdir(), "keyplane-slow-")));
    const { folder } = host;
    const script = `#!/bin/sh
cd ${folder}
case "$*" in
*"ps -q"*) test -e started && echo one ;;
*inspect*) echo "$(cat started) true false 0" ;;
*" up "*)
  rm -f started
  for other in running-*; do test -d /proc/"\${other#running-}" && echo both >> log; done
  touch running-$$
  left=$(cat takes)
  echo begins >> log
  while [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); done
  date -u +%Y-%m-%dT%H:%M:%S.%3NZ > started
  rm running-$$
  echo ends >> log ;;
esac
`;
    await mkdir(join(folder, "bin"));
    await writeFile(join(folder, "bin/docker"), script);
    await chmod(join(folder, "bin/docker"), 0o755);
    await host.takes(0);
    const before = process.env.PATH;
    process.env.PATH = `${join(folder, "bin")}${delimiter}${before}`;
    t.after(async () => {
      process.env.PATH = before;
      // What a test that fails leaves behind ends by itself.
      await host.takes(0);
      await rm(folder, { recursive: true, force: true });
    });
    return host;
  }

  takes(seconds: number): Promise<void> {
    return writeFile(join(this.folder, "takes"), String(seconds));
  }

  async log(): Promise<string[]> {
    const text = await readFile(join(this.folder, "log"), "utf8").catch(() => "");
    return text.split("\n").filter((line) => line !== "");
  }

  /** What is rotated for a service on this host, by its real sink and command. */
  subject({ subject, model, secret }: Demo, vault = subject.vault): Subject {
    const services = model.services.map(
      (service): Service => ({ ...service, deliver: [{ to: "env-file", path: "/app/.env" }] }),
    );
    const whole = { ...model, services };
    return {
      ...subject,
      vault,
      model: whole,
      sinks: ({ id }) => {
        const service = services.find((one) => one.id === id);
        const at = { root: join(this.folder, "root"), runs: join(this.folder, "runs") };
        return service === undefined || secret.consumers.length === 0 ? [] : sinksOf(whole, service, at);
      },
      probes: () => [],
    };
  }
}

test("a runner that hears no Vault while a restart takes its time ends that command before another one may act, and starts none", async (t) => {
  const host = await SlowHost.open(t);
  const demo = await bench.demo(t, "password", ["reader"]);
  const proxy = new CutProxy(Number(new URL(bench.server.root.address).port));
  const port = await proxy.start();
  t.after(() => proxy.stop());
  const away = new Vault({
    address: `https://127.0.0.1:${port}`,
    ca: bench.server.ca,
    token: bench.vault.token ?? "",
    timeout: 300,
  });
  const old = await demo.fields();
  await host.takes(120);
  const first = demo.rotate({
    ...host.subject(demo, away),
    wait: false,
    owner: "the first",
    lease: { lasts: 5000, call: 1000 },
  });
  const outcome = first.catch((error: unknown) => error);
  await until(async () => (await host.log()).includes("begins"));
  proxy.mode = "hang";
  await host.takes(0);
  // Another one takes it back, as soon as it may.
  const second = await abortRotation({
    ...demo.options({ ...host.subject(demo), patience: { ...patient, pickUp: 20_000 } }),
    why: "taken over",
  });
  assert.deepEqual([second.state, second.failure], ["rolled-back", "taken over"]);
  assert.deepEqual(await demo.fields(), old);
  assert.deepEqual(await host.log(), ["begins", "begins", "ends"]);
  const said = await outcome;
  assert.ok(said instanceof Error);
  assert.ok(!(said instanceof LeaseLostError), "it asks what became of the rotation, and hears nothing");
  assert.deepEqual(await host.log(), ["begins", "begins", "ends"]);
});

/** Looks often. */
const patient = { pickUp: 800, probe: 400, poll: { first: 5, longest: 50 }, again: 100 };

test("a restart may take longer than the lease lasts: it is renewed meanwhile, and nobody takes over", async (t) => {
  const host = await SlowHost.open(t);
  const demo = await bench.demo(t, "password", ["reader"]);
  await host.takes(6);
  const first = demo.rotate({
    ...host.subject(demo),
    owner: "the slow",
    wait: false,
    lease: { lasts: 4000, call: 400 },
    patience: { ...patient, pickUp: 20_000 },
  });
  await until(async () => (await host.log()).includes("begins"));
  const second = demo.rotate({ ...host.subject(demo), patience: { ...patient, pickUp: 20_000 } });
  assert.deepEqual([(await first).state, (await second).state], ["done", "done"]);
  assert.equal((await first).id, (await second).id);
  assert.deepEqual(await host.log(), ["begins", "ends"]);
});
