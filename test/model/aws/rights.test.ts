import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { seeded } from "../../integration/support/seeded.ts";
import { type Action, actionsOf, filled } from "./actions.ts";
import { keyArn, page, type Right, readRights, rightsPage } from "./rights.ts";
import { allowed, leftToTheAccount } from "./simulator.ts";

const isWhole = process.env.KEYPLANE_SCALE === "prove";
const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const aws = found;
const { account, region } = aws;
const text = await readFile(page, "utf8");

test(`${page} says what the model gives (\`node test/model/aws/write-rights.ts\` writes it)`, () => {
  assert.ok(text.startsWith(rightsPage(aws)));
});

const rights = new Map(aws.roles.map(({ name }) => [name, readRights(text, name)]));
const listed = new Set([...rights.values()].flat().flatMap(({ actions }) => actions));

/** Services of which a role may anything, and those that could give it more. */
const services = [...new Set([...listed].map((action) => action.split(":")[0] ?? "")), "sts"].sort();

/** A key of the account that is none of the platform's. */
const theAccounts = leftToTheAccount(account);

/** AWS answers it whatever a policy says. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html */
const always = "sts:GetCallerIdentity";

/** Every action that a role has, and of the others some, or all in `prove`. */
async function asked(): Promise<Action[]> {
  const random = seeded(7);
  const all = (await Promise.all(services.map(actionsOf))).flat();
  return all.filter(({ name }) => name !== always && (isWhole || listed.has(name) || random() < 0.08));
}

/** What an action is asked for: things of nobody's, what any line of the role names, and what is near that. */
function resourcesOf({ patterns }: Action, lines: Right[]): string[] {
  if (patterns.length === 0) return ["*"];
  // The name of a bucket is all of it; other variables may hold a path.
  const shapes = patterns.map((pattern) => {
    const shape = escaped(pattern).replaceAll(/\\\$\\\{(\w+)\\\}/g, (_, variable: string) =>
      variable === "BucketName" ? "[^/]*" : ".*",
    );
    return new RegExp(`^${shape}$`);
  });
  const named = lines
    .flatMap(({ resources }) => resources)
    .map((one) => one.replaceAll("?", "a").replaceAll("*", "x"));
  const near = named.flatMap((one) => [one, `${one}y`, one.replace("production", "staging")]);
  const foreign = patterns.map((pattern) => filled(pattern, { account, region, name: "somebody-s" }));
  return [...new Set([...foreign, ...near])].filter((one) => shapes.some((shape) => shape.test(one)));
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function matches(pattern: string, value: string): boolean {
  const shape = escaped(pattern).replaceAll("\\*", ".*").replaceAll("\\?", ".");
  return new RegExp(`^${shape}$`, "s").test(value);
}

type Context = Record<string, string | string[]>;

/** What a condition of the page asks for, taken apart. */
function parts(condition: string) {
  const [operator = "", key = "", ...rest] = condition.split(" ");
  return { operator, key, values: rest.join(" ").split(", ") };
}

/** A request that meets every condition of a line. */
function meeting({ conditions }: Right): Context {
  return Object.fromEntries(
    conditions.map(parts).map(({ operator, key, values }) => {
      const value = (values[0] ?? "").replaceAll("*", "x");
      return [key, operator.startsWith("ForAnyValue") ? [value] : value];
    }),
  );
}

/** Requests that meet every condition of a line but one, which is absent, or has another value. */
function allButOne(line: Right): Context[] {
  return line.conditions.flatMap((one) => {
    const { operator, key, values } = parts(one);
    const rest = meeting({ ...line, conditions: line.conditions.filter((each) => each !== one) });
    const right = (values[0] ?? "").replaceAll("*", "x");
    const wrong = operator.startsWith("Numeric") ? "1" : `${right}-other`;
    return [rest, { ...rest, [key]: operator.startsWith("ForAnyValue") ? [wrong] : wrong }];
  });
}

/** Whether a line speaks of a request: by its words, and by nothing of IAM's own reading of them. */
function speaksOf(line: Right, action: string, resource: string, context: Context): boolean {
  return (
    line.actions.some((one) => matches(one, action)) &&
    line.resources.some((one) => matches(one, resource)) &&
    line.conditions.map(parts).every(({ operator, key, values }) => {
      const given = [context[key] ?? []].flat();
      const like = /Like$|^ArnEquals$/.test(operator);
      return given.some((value) => values.some((one) => (like ? matches(one, value) : one === value)));
    })
  );
}

suite("each role may what the page lists, and the simulator denies it everything else (R7)", async () => {
  const actions = await asked();
  for (const [name, lines] of rights) {
    test(`${name}, of ${actions.length} actions`, async (t) => {
      const [wrong, counts] = [[] as string[], { allowed: 0, denied: 0 }];
      for (const action of actions) {
        const conditional = lines.filter(
          ({ actions, conditions }) =>
            conditions.length > 0 && actions.some((one) => matches(one, action.name)),
        );
        for (const resource of resourcesOf(action, lines)) {
          const key = aws.keys.find(({ name }) => keyArn(aws, name) === resource)?.policy ?? theAccounts;
          for (const context of [{}, ...conditional.map(meeting), ...conditional.flatMap(allButOne)]) {
            const said = lines.filter((line) => speaksOf(line, action.name, resource, context));
            const expected =
              said.some(({ effect }) => effect === "Allow") && said.every(({ effect }) => effect === "Allow");
            const may = await allowed({
              principal: `arn:aws:iam::${account}:role/${name}`,
              action: action.name,
              resource,
              account,
              rights: rightsOfRole(name),
              ...(resource.includes(":key/") && { policy: key }),
              context,
            });
            counts[may ? "allowed" : "denied"]++;
            if (may !== expected)
              wrong.push(`${action.name} on ${resource} with ${JSON.stringify(context)}: ${may}`);
          }
        }
      }
      assert.deepEqual(wrong, []);
      t.diagnostic(`${counts.allowed} requests allowed, ${counts.denied} denied`);
    });
  }
});

function rightsOfRole(name: string) {
  return (
    aws.roles.find((role) => role.name === name)?.rights ?? { Version: "2012-10-17" as const, Statement: [] }
  );
}
