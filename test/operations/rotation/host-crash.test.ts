import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Consumer, Model, Secret, Service } from "../../../model/model.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import type { Call } from "./counted.ts";
import { killEverywhere, openScenario } from "./crash.ts";
import type { HostData } from "./host-scenario.ts";
import { quick } from "./quick.ts";
import { SigningHost } from "./signing-host.ts";
import { modelWith, secretIn, World } from "./world.ts";

let bench: RotationBench;
const shared = new AsyncDisposableStack();
before(async () => {
  bench = await openBench();
});
after(async () => {
  await shared.disposeAsync();
  await bench.close();
});

const isWhole = process.env.KEYPLANE_SCALE === "prove";
const scenario = import.meta.resolve("./host-scenario.ts");
const hosts = new Map<string, SigningHost>();
const values = new Set<string>();
let count = 0;

const hostOf = ({ root }: HostData): SigningHost => hosts.get(root) ?? assert.fail();

/** An HMAC key of a listener that is signalled, and a signer that is started again. */
async function prepare(): Promise<HostData> {
  const host = shared.use(await SigningHost.open());
  hosts.set(host.root, host);
  const declared = secretIn(new World("hmac"), `host-${++count}`, ["listener", "signer"]);
  const as = {
    listener: { PRIMARY_FILE: "primary", SECONDARY_FILE: "secondary" },
    signer: { PRIMARY: "primary" },
  };
  const deliver: Record<string, Service["deliver"]> = {
    listener: [{ to: "files", folder: "/listener" }],
    signer: [{ to: "env-file", path: "/signer/.env" }],
  };
  const secret: Secret = {
    ...declared,
    idle: { source: "sinks" },
    probe: { http: `${host.address}/health` },
    consumers: declared.consumers.map((one): Consumer => {
      const name = one.role === "listener" ? "listener" : "signer";
      const files = name === "listener" ? { PRIMARY_FILE: "primary", SECONDARY_FILE: "secondary" } : {};
      return { ...one, name, as: as[name], files };
    }),
  };
  const whole = modelWith(bench.model, secret);
  const services = whole.services.map((service): Service => {
    const isListener = service.name === "listener";
    const reload = isListener ? ({ signal: "SIGHUP" } as const) : "restart";
    return { ...service, user: process.getuid?.() ?? 0, reload, deliver: deliver[service.name] ?? [] };
  });
  const model: Model = { ...whole, services };
  const { address, ca } = bench.server;
  const vault = { address, ca, token: bench.vault.token ?? "" };
  const data: HostData = {
    ...{ vault, model, secret, root: host.root, commands: host.address },
    runs: join(host.root, "runs"),
  };
  const { subject, close } = await openScenario({ scenario }, data, (_, call) => call());
  const by = "keyplane.rotate";
  const first = { reason: "first", by, wait: true, report: () => {}, probes: () => [] } as const;
  const sinks = subject.sinks;
  // Its services are started once their files are there.
  const started = (consumer: Consumer) =>
    sinks(consumer).map((sink) => ({
      name: sink.name,
      write: async (bundle: Parameters<typeof sink.write>[0]) => {
        const changed = await sink.write(bundle);
        if (host.runs(consumer.name) === undefined) host.start(consumer.name);
        return changed;
      },
      reload: (signal?: AbortSignal) => sink.reload(signal),
      running: (...asked: Parameters<typeof sink.running>) => sink.running(...asked),
    }));
  const { state, waiting } = await rotate({ ...subject, ...quick, ...first, sinks: started });
  await close();
  assert.equal(state, "done", waiting);
  assert.ok(host.isAccepted());
  return data;
}

/** What is signed is accepted: as everything runs, and after any of them has been started again. */
function assertAccepted(data: HostData, at: string): void {
  const host = hostOf(data);
  assert.ok(host.isAccepted(), at);
  for (const name of ["listener", "signer"]) {
    host.start(name);
    assert.ok(host.isAccepted(), `${at}: ${name} was started again`);
  }
}

const kinds: [what: string, name: RegExp][] = [
  ["step of writing a file", /^file /],
  ["restart or signal", /^command docker compose (up|kill)/],
  ["look at a service", /^command docker (inspect|compose ps)/],
  ["probe", /^probe /],
];

for (const rollsBack of [false, true]) {
  test(`killed before and after every write, rename, signal, restart and probe on a host${rollsBack ? ", while it is taken back" : ""}: what is signed is accepted at every moment, also after a restart`, async (t) => {
    const seen = new Set<string>();
    await killEverywhere<HostData>(t, {
      ...{ scenario, prepare },
      ...(rollsBack && { rollsBack: "aborted" as const }),
      perState: rollsBack ? 2 : 1,
      only({ name, state }: Call) {
        for (const [what, of] of kinds) if (of.test(name)) seen.add(what);
        const isOfHost = /^(file|command|probe) /.test(name);
        // Of what is asked of Vault meanwhile, crash.test.ts kills every call.
        return isOfHost && (isWhole || /deliver|observe|rolling/.test(state));
      },
      held: async (data, at) => assertAccepted(data, at),
      async converged(data, _outcome, at) {
        assertAccepted(data, at);
        const host = hostOf(data);
        const { kv } = data.model.vault.mounts;
        const { primary } = (await readFields(bench.server.root, kv, data.secret.source)) ?? {};
        assert.ok(primary);
        values.add(primary);
        assert.deepEqual(host.runs("listener"), { primary, secondary: primary }, at);
        assert.equal(host.runs("signer")?.primary, primary, at);
        assert.deepEqual(await host.staged(), [], `${at}: what was staged holds a key`);
      },
      values: () => values,
    });
    // What works again as it did before is not probed.
    const expected = kinds.map(([what]) => what).filter((what) => !rollsBack || what !== "probe");
    assert.deepEqual([...seen].sort(), expected.sort());
    const log = await auditLog(bench.server);
    for (const value of values) assert.ok(!log.includes(value));
  });
}
