import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { findEmulator } from "../../../local/toolchain/emulator.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";

const catalogue = await loadCatalogue("catalogue");

/**
 * The next moments of a cron expression in seconds, by the emulator's reader of EventBridge's six fields; undefined where
 * it is none.
 */
async function moments(expression: string, from: string, count: number): Promise<number[] | undefined> {
  const code = `import json, sys
from datetime import datetime
from ministack.services import eventbridge
expression, at, count = sys.argv[1:]
fields = eventbridge._parse_cron_fields(expression)
found, moment = [], datetime.fromisoformat(at)
for _ in range(int(count) if fields else 0):
    moment = eventbridge._cron_next_fire(fields, moment)
    found.append(int(moment.timestamp()))
print(json.dumps(found if fields else None))`;
  const python = await findEmulator(() => {});
  const { stdout } = await promisify(execFile)(python, ["-I", "-c", code, expression, from, String(count)]);
  return (JSON.parse(stdout) as number[] | null) ?? undefined;
}

suite("the declared schedule (R14)", () => {
  const firsts = new Map<string, number>();
  for (const environment of ["staging", "production"]) {
    const [schedule, ...others] = derive(catalogue, environment).aws?.schedules ?? [];
    test(`of ${environment} is every quarter of an hour, over hours, days, a month's end and a year's`, async () => {
      assert.ok(schedule !== undefined);
      assert.deepEqual(others, []);
      for (const from of [
        "2026-11-28T00:00:00+00:00",
        "2026-12-31T22:10:00+00:00",
        "2028-02-28T23:00:00+00:00",
      ]) {
        const found = await moments(schedule.expression, from, 200);
        assert.ok(found !== undefined, schedule.expression);
        const [first = 0] = found;
        assert.ok(first - new Date(from).getTime() / 1000 <= 900);
        for (const [index, moment] of found.entries()) assert.equal(moment, first + index * 900);
        firsts.set(environment, (first / 60) % 15);
      }
      // Each run at a random one of five minutes: it ends before the next one is due.
      assert.equal(schedule.window, 5);
    });
  }
  test("begins in each environment at a minute of its own", () => {
    assert.equal(new Set(firsts.values()).size, 2, JSON.stringify([...firsts]));
  });
  test("an expression of five fields, or one that names both days, would be found out", async () => {
    for (const wrong of ["cron(0,15,30,45 * * * *)", "cron(0 * * * * *)", "*/15 * * * *"])
      assert.equal(await moments(wrong, "2026-11-28T00:00:00+00:00", 1), undefined, wrong);
  });
});
