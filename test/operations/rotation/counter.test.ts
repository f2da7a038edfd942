import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { Consumer, Model, Secret, Service } from "../../../model/model.ts";
import { counterIdle, counterIn } from "../../../operations/rotation/counter.ts";

const metric = "hmac_secondary_used_total";

test("reads a counter from Prometheus' text, summed over its labels", () => {
  const text = [
    "# HELP hmac_secondary_used_total Messages that the secondary verified.",
    "# TYPE hmac_secondary_used_total counter",
    'hmac_secondary_used_total{route="/a}",quote="\\""} 3 1700000000000',
    'hmac_secondary_used_total{route="/b"} 4.5e1',
    "hmac_secondary_used_total_other 100",
    "process_start_time_seconds 1.7e+09",
  ].join("\n");
  assert.equal(counterIn(text, metric), 48);
  assert.equal(counterIn(text, "process_start_time_seconds"), 1_700_000_000);
  assert.equal(counterIn(text, "absent_total"), undefined);
});

/** What an instance exposes, from look to look; the last one stays. */
type Exposed = { value?: number; started?: number; status?: number };

async function instance(t: TestContext, looks: Exposed[]): Promise<string> {
  let at = 0;
  const server = createServer((_, response) => {
    const { value, started = 1, status = 200 } = looks[Math.min(at++, looks.length - 1)] ?? {};
    response.statusCode = status;
    const counter = value === undefined ? "" : `${metric} ${value}\n`;
    response.end(`${counter}process_start_time_seconds ${started}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function listener(id: string, role: Consumer["role"] = "listener"): Consumer {
  return { id, kind: "service", name: id, role, path: id, as: {}, files: {} };
}

async function idleness(
  observed: Record<string, Service["observe"]>,
  consumers = Object.keys(observed).map((id) => listener(id)),
) {
  const services = Object.entries(observed).map(([id, observe]) => ({ id, ...(observe && { observe }) }));
  const model = { environment: "test", services } as unknown as Model;
  const secret = { id: "titan/hmac", consumers } as Secret;
  return counterIdle({ model, secret, reach: { fetch }, signal: new AbortController().signal }, metric, 0.04);
}

test("a counter that stands still in every instance shows that the old key is unused", async (t) => {
  const instances = [await instance(t, [{ value: 7 }]), await instance(t, [{ value: 0 }])];
  assert.deepEqual(await idleness({ "titan/execution": { instances, metrics: "/metrics" } }), {
    state: "idle",
    evidence: "hmac_secondary_used_total stood still: 2 instances, 5 looks within 0.04 s",
  });
});

test("a counter that moves in one of several instances names its service", async (t) => {
  const still = [await instance(t, [{ value: 7 }])];
  const moving = [
    await instance(t, [{ value: 7 }]),
    await instance(t, [{ value: 1 }, { value: 1 }, { value: 2 }]),
  ];
  const found = await idleness({
    "titan/execution": { instances: still, metrics: "/metrics" },
    "titan/sentinel": { instances: moving, metrics: "/metrics" },
  });
  assert.deepEqual(found.state === "in use" && found.by, ["titan/sentinel"]);
});

test("a process that was restarted counts from zero: what it counted since is use", async (t) => {
  const used = [await instance(t, [{ value: 9 }, { value: 2 }])];
  assert.equal((await idleness({ a: { instances: used, metrics: "/m" } })).state, "in use");
  const same = [await instance(t, [{ value: 9 }, { value: 9, started: 2 }])];
  assert.equal((await idleness({ a: { instances: same, metrics: "/m" } })).state, "in use");
  const unused = [await instance(t, [{ value: 9 }, { value: 0, started: 2 }])];
  assert.equal((await idleness({ a: { instances: unused, metrics: "/m" } })).state, "idle");
});

test("what cannot be read shows nothing, and says what is missing where", async (t) => {
  const absent = [await instance(t, [{}])];
  const broken = [await instance(t, [{ value: 1 }, { status: 503 }])];
  const why = async (observe: Service["observe"]) => {
    const found = await idleness({ "titan/execution": observe });
    return found.state === "unknown" ? found.why : found.state;
  };
  assert.match(await why({ instances: absent, metrics: "/metrics" }), /exposes no hmac_secondary_used_total/);
  assert.match(await why({ instances: broken, metrics: "/metrics" }), /^titan\/execution: .* answers 503$/);
  assert.match(await why({ instances: ["http://127.0.0.1:1"], metrics: "/metrics" }), /does not answer/);
  assert.match(await why(undefined), /has no observe.instances and observe.metrics in test/);
});

test("only who accepts both is asked: a signer needs no counter", async (t) => {
  const observed = {
    listener: { instances: [await instance(t, [{ value: 0 }])], metrics: "/m" },
    signer: undefined,
  };
  const found = await idleness(observed, [listener("listener"), listener("signer", "signer")]);
  assert.equal(found.state, "idle");
});

test("a CI job has no counter: where all are readers the services alone are asked", async (t) => {
  const observed = { peer: { instances: [await instance(t, [{ value: 0 }])], metrics: "/m" } };
  const job: Consumer = { ...listener("ci/deploy", "reader"), kind: "ci" };
  const found = await idleness(observed, [listener("peer", "reader"), job]);
  assert.equal(found.state, "idle");
});
