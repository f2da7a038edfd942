import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { oneAccount } from "../../../policies/aws/accounts.ts";
import { aws as types } from "../../../policies/aws/types.ts";
import { seeded } from "../../integration/support/seeded.ts";
import { realState } from "../../policies/real.ts";
import { type Example, findings } from "../../policies/suite.ts";
import { admitted, stranger } from "./outsiders.ts";
import { reach } from "./reach.ts";
import { page, reachSection, rightsPage } from "./rights.ts";
import { RefusedDocument } from "./simulator.ts";
import { type StatementMutant, statementMutants } from "./statement-mutants.ts";
import { permitting, type Thing, thingsOf } from "./things.ts";

const isWhole = process.env.KEYPLANE_SCALE === "prove";
const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const aws = found;
const { account, region } = aws;
const declared = await realState("production");
const things = thingsOf(aws, declared);

const table = await reach(aws, things);

test(`${page} says who reaches what, as the simulator decides it (\`node test/model/aws/write-rights.ts\` writes it)`, async () => {
  assert.equal((await readFile(page, "utf8")).slice(rightsPage(aws).length + 1), reachSection(table));
});

test("nobody of another account, and no service on behalf of one, reaches a bucket, topic, queue, secret or function (R7)", () => {
  assert.equal(table.size, things.length);
  for (const [what, rows] of table) {
    assert.ok(rows.has("an administrator of the account, with every right in IAM"), what);
    const others = [...rows.keys()].filter((who) => /another (account|trail)/.test(who));
    assert.deepEqual(others, [], what);
  }
});

const rights: Example[] = aws.roles.flatMap(({ rights }) =>
  rights === undefined ? [] : [{ type: types.rolePolicy, props: { policy: JSON.stringify(rights) } }],
);
const refused = (type: string, props: Example["props"]) =>
  findings(oneAccount, [{ type, props }, ...rights]).length > 0;

suite("every statement of what else has a policy of its own, in each way that those of keys are: who is let in", () => {
  const random = seeded(6);
  // What a policy is declared for, and the queue, which could have one.
  const mutated = things.filter(
    ({ type, policy }) => type !== types.functionPermission && (policy ?? type === types.queue),
  );
  for (const thing of mutated) {
    test(`${thing.what}: the check refuses exactly what opens it`, async (t) => {
      const [wrong, counts] = [[] as string[], { opened: 0, closed: 0, notTaken: 0 }];
      for (const { what, policy, changed } of mutantsOf(thing)) {
        if (!isWhole && random() > 0.04) continue;
        try {
          // What the rest of the document allows lets nobody in; what it denies may hold somebody back.
          const denials = policy.Statement.filter(
            (each) => each.Effect === "Deny" && !changed.includes(each),
          );
          const entered = await admitted([...changed, ...denials], { account, requests: thing.requests });
          counts[entered.length > 0 ? "opened" : "closed"]++;
          if (refused(thing.type, { policy: JSON.stringify(policy) }) !== entered.length > 0)
            wrong.push(`${what}: lets in ${entered.join(", ") || "nobody"}`);
        } catch (error) {
          if (!(error instanceof RefusedDocument)) throw error;
          counts.notTaken++;
        }
      }
      assert.deepEqual(wrong, []);
      const { opened, closed, notTaken } = counts;
      assert.ok(opened > 0 && closed > 0 && notTaken < opened + closed, JSON.stringify(counts));
      for (const [what, count] of Object.entries(counts)) t.diagnostic(`${what}: ${count}`);
    });
  }
});

/** Mutants of a thing's document; of one that has none, of the one that its account would write. */
function mutantsOf({ service, policy, requests }: Thing): StatementMutant[] {
  const resource = requests[0]?.[1] ?? "";
  return statementMutants(
    policy ?? {
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Account",
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${account}:root` },
          Action: requests[0]?.[0] ?? "",
          Resource: resource,
        },
      ],
    },
    {
      account,
      stranger,
      service,
      seeing: requests[0]?.[0] ?? "",
      elsewhere:
        service === "s3" ? "arn:aws:s3:::elsewhere" : `arn:aws:${service}:${region}:${account}:elsewhere`,
      everywhere: "*",
    },
  );
}

test("every permission to call a function, in each way: the check refuses exactly what another account could use", async () => {
  const permission = declared.find(({ type }) => type === types.functionPermission)?.inputs;
  assert.ok(permission);
  const resource = `arn:aws:lambda:${region}:${account}:function:${String(permission.function)}`;
  const requests = [["lambda:InvokeFunction", resource]] as const;
  const arn = (of: string) => `arn:aws:secretsmanager:${region}:${of}:secret:keyplane/production/*`;
  const [wrong, verdicts] = [[] as string[], { opened: 0, closed: 0 }];
  const principals = ["*", "secretsmanager.amazonaws.com", "events.amazonaws.com", account, stranger];
  const roles = [account, stranger].map((of) => `arn:aws:iam::${of}:role/anybody`);
  for (const principal of [...principals, ...roles]) {
    for (const sourceAccount of [undefined, account, stranger]) {
      for (const sourceArn of [undefined, arn(account), arn(stranger), arn("*"), "arn:aws:s3:::a-bucket"]) {
        const props = { ...permission, principal, sourceAccount, sourceArn };
        const entered = await admitted(permitting(props, resource).Statement, { account, requests });
        verdicts[entered.length > 0 ? "opened" : "closed"]++;
        if (refused(types.functionPermission, props) !== entered.length > 0)
          wrong.push(
            `${JSON.stringify({ principal, sourceAccount, sourceArn })}: lets in ${entered.join(", ")}`,
          );
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(verdicts.opened > 10 && verdicts.closed > 10, JSON.stringify(verdicts));
});
