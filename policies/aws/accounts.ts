import { ofType } from "../resource.ts";
import type { Resource, StackRule } from "../rule.ts";
import { text } from "../value.ts";
import { policyDocument, type Statement } from "./document.ts";
import { called, rights, servicesUsed, statements } from "./documents.ts";
import { type Asker, accountIn, letting, serviceFor, stranger } from "./request.ts";
import { aws } from "./types.ts";

export const oneAccount: StackRule = {
  name: "aws-one-account",
  sentence:
    "Keys, secrets, buckets, topics, queues and functions are for the account that they are in: nobody of another uses them, and no service on behalf of one.",
  severity: "critical",
  fix: "Name principals of this account, compare aws:SourceAccount or aws:SourceArn exactly where they are services, and let others assume a role.",
  controls: ["NIST-800-53r5/AC-3", "R7", "R10"],
  types: Object.keys(servicesUsed),
  *judgeStack(resources) {
    let own = placeOf(resources).account;
    for (const [type, service] of Object.entries(servicesUsed)) {
      for (const resource of ofType(resources, type)) {
        const all = statementsOf(resource);
        own ??= accountNamed(all);
        const said = new Set<string>();
        for (const [who, asker] of outsiders(all, own)) {
          const statement = letting(all, asker, { service });
          const message = statement && `${called(statement)} lets ${who}`;
          if (message === undefined || said.has(message)) continue;
          said.add(message);
          yield { urn: resource.urn, message };
        }
      }
    }
  },
};

/** Of a resource's own policy; a permission of a function is one statement. */
function statementsOf({ type, props }: Resource): Statement[] {
  if (type !== aws.functionPermission) return statements(type, props);
  const { principal, action, sourceAccount, sourceArn, principalOrgId, statementId } = props;
  const who = text(principal) ?? "";
  const sources = { "aws:SourceAccount": sourceAccount, "aws:PrincipalOrgID": principalOrgId };
  const equal = Object.entries(sources).filter(([, value]) => value !== undefined);
  const { statements: all } = policyDocument({
    Statement: {
      Sid: statementId,
      Effect: "Allow",
      Principal: who.endsWith(".amazonaws.com") ? { Service: who } : { AWS: who },
      Action: action ?? "",
      Resource: "*",
      Condition: {
        ...(equal.length > 0 && { StringEquals: Object.fromEntries(equal) }),
        ...(sourceArn !== undefined && { ArnLike: { "aws:SourceArn": sourceArn } }),
      },
    },
  });
  return all;
}

/** An account that is certainly another one. */
const anotherAccount = (own: string | undefined) =>
  own === "999999999999" ? "888888888888" : "999999999999";

/** Everybody outside whom statements might let in, as a message calls them. */
function* outsiders(all: Statement[], own: string | undefined): Iterable<[who: string, Asker]> {
  const other = anotherAccount(own);
  const compared = all.filter(({ allow }) => allow).flatMap(({ comparisons }) => comparisons);
  const values = compared.flatMap((comparison) => comparison.values);
  // An account that a condition alone names is let in by that.
  const accounts = new Set([other, ...values.flatMap((value) => value.match(/\b\d{12}\b/g) ?? [])]);
  if (own !== undefined) accounts.delete(own);
  const roles = compared.flatMap(({ key, values }) => (key === "aws:principalarn" ? values : []));
  for (const { allow, principals, notPrincipals } of all) {
    if (!allow) continue;
    const isOpen = notPrincipals || principals.includes("*");
    for (const account of accounts) {
      const whose = account === other ? "another account" : `account ${account}`;
      if (isOpen) {
        const arns = [
          `arn:aws:iam::${account}:role/anybody`,
          ...roles.filter((arn) => arn.includes(account)),
        ];
        for (const arn of arns)
          yield [account === other ? "every account in" : `${whose} in`, stranger(arn, account)];
        yield [`services act for ${whose}`, serviceFor("any.amazonaws.com", account)];
      }
      for (const principal of notPrincipals ? [] : principals) {
        if (!principal.startsWith("Service ")) continue;
        const service = principal.slice("Service ".length);
        yield [`${service} act for ${whose}`, serviceFor(service, account)];
      }
    }
    for (const principal of notPrincipals ? [] : principals) {
      const account = accountIn(principal);
      if (account === undefined || account === own) continue;
      const name = principal.slice("AWS ".length);
      const arn = /:(role|user|assumed-role)\//.test(name) ? name : `arn:aws:iam::${account}:role/anybody`;
      yield [`account ${account} in`, stranger(arn, account)];
    }
  }
}

/** The account of the first principal that is of one. */
export function accountNamed(all: readonly Statement[]): string | undefined {
  return all.flatMap(({ principals }) => principals.map((principal) => accountIn(principal))).find(Boolean);
}

const places = new WeakMap<readonly Resource[], { account?: string; region?: string }>();

/** The account and the region that rights are about: no resource says which it is in. */
export function placeOf(resources: readonly Resource[]): { account?: string; region?: string } {
  const before = places.get(resources);
  if (before !== undefined) return before;
  const times = { account: new Map<string, number>(), region: new Map<string, number>() };
  const count = (of: Map<string, number>, name: string | undefined) => {
    if (name !== undefined && name !== "") of.set(name, (of.get(name) ?? 0) + 1);
  };
  for (const type of rights) {
    for (const { props } of ofType(resources, type)) {
      for (const resource of statements(type, props).flatMap((statement) => statement.resources)) {
        const [, region, account] = /^arn:[^:]*:[^:]*:([^:]*):(\d{12}):/.exec(resource) ?? [];
        count(times.account, account);
        count(times.region, region);
      }
    }
  }
  const most = (of: Map<string, number>) => [...of].sort(([, one], [, other]) => other - one)[0]?.[0];
  const [account, region] = [most(times.account), most(times.region)];
  const place = { ...(account !== undefined && { account }), ...(region !== undefined && { region }) };
  places.set(resources, place);
  return place;
}
