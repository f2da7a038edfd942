import assert from "node:assert/strict";
import { test } from "node:test";
import { fencedReach } from "../../../operations/rotation/fence.ts";
import type { Reach, Target } from "../../../operations/rotation/rotator.ts";

test("before a statement its login is given more time, and only then is it seen that enough of the lease is left", async () => {
  const did: string[] = [];
  const does = (what: string) => async () => void did.push(what);
  const reach = {
    manage: async () => ({ query: does("query"), renew: does("renew"), end: does("end") }),
  } as unknown as Reach;
  const { manage } = fencedReach(reach, does("ready"));
  const connection = await manage({} as Target);
  did.length = 0;
  await connection.query("select 1");
  assert.deepEqual(did, ["ready", "renew", "ready", "query"]);
  await connection.end();
  assert.equal(did.at(-1), "end");
});
