import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { allowed } from "./simulator.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const aws = found;
const { account, region } = aws;

/**
 * What EventBridge Scheduler says of itself when it takes a role: the group, never the schedule.
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
 */
test("EventBridge takes the schedules' role for the group that they are in, and for no other group or account (R14)", async () => {
  const names = new Set(aws.schedules.map(({ role }) => role));
  const groups = [aws.scheduleGroup, "default", "keyplane-staging-schedules"];
  for (const name of names) {
    const role = aws.roles.find((each) => each.name === name);
    assert.ok(role);
    const entered = [];
    for (const [owner, group] of [...groups.map((group) => [account, group]), ["999999999999", groups[0]]]) {
      const may = await allowed({
        principal: "scheduler.amazonaws.com",
        action: "sts:AssumeRole",
        resource: `arn:aws:iam::${account}:role/${name}`,
        account,
        policy: role.trust,
        context: {
          "aws:SourceAccount": String(owner),
          "aws:SourceArn": `arn:aws:scheduler:${region}:${owner}:schedule-group/${group}`,
        },
      });
      if (may) entered.push(`${owner} ${group}`);
    }
    assert.deepEqual(entered, [`${account} ${aws.scheduleGroup}`]);
  }
  assert.equal(names.size, 1);
});
