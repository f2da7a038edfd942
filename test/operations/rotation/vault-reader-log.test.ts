import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { rotate } from "../../../operations/rotation/engine.ts";
import { mannerOf, type Runner, subjectOf } from "../../../operations/rotation/runner.ts";
import { stateOf } from "../../../operations/values/kv.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { quick } from "./quick.ts";
import { Tokens } from "./runner-bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const text = "Exchange connected";
const log = "/var/log/api.log";

/** A service that reads Vault itself and logs on the host where the rotation runs; `says` once it sees a new version. */
async function reader(t: TestContext, says: string) {
  const root = await mkdtemp(join(tmpdir(), "keyplane-log-"));
  await mkdir(join(root, "var/log"), { recursive: true });
  await writeFile(join(root, log), `${text}, long ago\n`);
  const tokens = await Tokens.make(bench, { key: ["demo/api"] });
  const services = tokens.model.services.map((one) => ({ ...one, observe: { instances: [], log } }));
  const model = { ...tokens.model, services };
  const secret = { ...tokens.get("key"), probe: { log: text } };
  const path = secret.consumers[0]?.path ?? assert.fail();
  const go = async (more: Partial<Runner> = {}, reason: "first" | "scheduled" = "scheduled") => {
    const runner = tokens.runner({ model, host: { runs: join(root, "runs"), root }, ...more });
    const subject = await subjectOf(runner, secret);
    return rotate({ ...subject, ...mannerOf(runner), reason, wait: true, ...quick });
  };
  await go({ host: { runs: join(root, "runs") } });
  const end = new AbortController();
  const version = async () => (await stateOf(bench.server.root, "kv", path)).version;
  const works = (async () => {
    for (let last = await version(); !end.signal.aborted; await sleep(20)) {
      const now = await version();
      if (now === last) continue;
      last = now;
      await appendFile(join(root, log), `${says}\n`);
    }
  })();
  t.after(async () => {
    end.abort();
    await works;
    await rm(root, { recursive: true, force: true });
  });
  return { tokens, path, go, journal: () => tokens.journal("key"), runs: join(root, "runs") };
}

suite("a line in the log of a service that reads Vault itself (R46)", () => {
  test("is looked for from where the log was when the service's path was written, and evidence says that it was probed", async (t) => {
    const { go, journal } = await reader(t, text);
    const outcome = await go();
    assert.equal(outcome.state, "done", outcome.failure);
    assert.deepEqual((await journal())?.notProbed ?? [], []);
    assert.doesNotMatch(outcome.notes.join(), /not probed/);
  });

  test("that does not come rolls back: what was there before is none", async (t) => {
    const { go } = await reader(t, "Exchange refused");
    const outcome = await go();
    assert.equal(outcome.state, "rolled-back");
    assert.match(outcome.failure ?? "", /"Exchange connected" in .*api\.log: is not there: \d+ lines? since/);
  });

  test("is marked in the journal before the path is written, so that whoever goes on after a crash has the mark", async (t) => {
    const { tokens, path, go, journal } = await reader(t, text);
    let marked: unknown;
    const vault = tokens.before(`data/${path}`, async () => {
      marked = (await journal())?.logMarks?.["demo/api"];
    });
    await go({ vault });
    assert.deepEqual(Object.keys(marked ?? {}).sort(), ["host", "inode", "position"]);
  });

  test("is not looked for where the path was written from another machine, whatever an earlier mark says", async (t) => {
    const { go, journal, runs } = await reader(t, text);
    const outcome = await go({ host: { runs } });
    assert.equal(outcome.state, "done", outcome.failure);
    assert.match(outcome.notes.join(), /not probed: the log of demo\/api is not on this machine/);
    assert.equal((await journal())?.logMarks, undefined);
  });
});
