import type { PolicyDocument, PolicyStatement } from "../../../model/aws.ts";
import { allowed } from "./simulator.ts";

/** No account that a rule thinks of by itself. */
export const stranger = "876543210987";

/** Every right that IAM can give; what is decided is then the resource's own policy. */
const everything: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: "*", Resource: "*" }],
};

type Context = Record<string, string>;

/** What is asked: of whose account, and each action with what it is for. */
export interface Asking {
  account: string;
  requests: readonly (readonly [action: string, resource: string])[];
}

/** Whether an administrator may do it: a role with every right in IAM, whose session says what each one does. */
export function held(policy: PolicyDocument, account: string, [action, resource]: readonly [string, string]) {
  const principal = `arn:aws:iam::${account}:role/break-glass`;
  return allowed({
    principal,
    action,
    resource,
    account,
    rights: everything,
    policy,
    context: {
      "aws:PrincipalAccount": account,
      "aws:PrincipalArn": principal,
      "aws:PrincipalIsAWSService": "false",
      "aws:SecureTransport": "true",
      ...(action.startsWith("kms:") && { "kms:CallerAccount": account }),
    },
  });
}

/**
 * Who of another account may do something by these statements, in whichever way the request may be told: "role", or the
 * service that acts on behalf of one.
 */
export async function admitted(Statement: PolicyStatement[], asking: Asking): Promise<string[]> {
  const policy: PolicyDocument = { Version: "2012-10-17", Statement };
  const principals = Statement.flatMap(({ Principal }) =>
    Object.entries(typeof Principal === "object" ? Principal : {}),
  );
  const of = (kind: string) => principals.flatMap(([key, names]) => (key === kind ? [names].flat() : []));
  const roles = of("AWS").filter((arn) => arn.includes(stranger) && /:(role|user)\//.test(arn));
  const found: string[] = [];
  if (!Statement.some(({ Effect }) => Effect === "Allow")) return found;
  // Of the actions of one statement each is as good as another.
  const named = (service: string) =>
    Statement.flatMap(({ Action = [] }) => [Action].flat().slice(0, 2)).filter((action) =>
      new RegExp(`^${service}:\\w+$`).test(action),
    );
  const requests = asking.requests.flatMap(([action, resource]) =>
    [action, ...named(action.split(":")[0] ?? "")].map((each) => [each, resource] as const),
  );
  const unlike = [...new Map(requests.map((request) => [request.join(), request])).values()];
  const any = async (principal: string, contexts: Context[]) => {
    for (const context of contexts) {
      for (const [action, resource] of unlike) {
        if (
          await allowed({
            principal,
            action,
            resource,
            account: asking.account,
            rights: everything,
            policy,
            context,
          })
        )
          return true;
      }
    }
    return false;
  };
  for (const arn of new Set([`arn:aws:iam::${stranger}:role/anybody`, ...roles])) {
    const own: Record<string, (string | undefined)[]> = {
      "aws:PrincipalAccount": [stranger],
      "kms:CallerAccount": [stranger],
      "aws:PrincipalArn": [arn],
      "aws:PrincipalIsAWSService": ["false"],
    };
    if (await any(arn, contextsOf(Statement, asking.account, own, false))) found.push(arn);
  }
  for (const service of new Set([...of("Service"), "config.amazonaws.com"])) {
    const own: Record<string, (string | undefined)[]> = {
      "aws:PrincipalAccount": [undefined],
      "aws:PrincipalArn": [undefined],
      "aws:PrincipalIsAWSService": ["true"],
      "kms:CallerAccount": [undefined, stranger],
    };
    if (await any(service, contextsOf(Statement, asking.account, own, true))) found.push(service);
  }
  return found;
}

/** Each way to tell a request, as far as statements ask: what is not fixed is left out, fits, or does not. */
function contextsOf(
  statements: PolicyStatement[],
  account: string,
  fixed: Record<string, (string | undefined)[]>,
  isService: boolean,
): Context[] {
  const asked = Map.groupBy(
    statements.flatMap(({ Condition = {} }) =>
      Object.values(Condition).flatMap((keys) => Object.entries(keys)),
    ),
    ([key]) => key,
  );
  let contexts: Context[] = [{}];
  for (const [key, pairs] of asked) {
    const values = pairs.flatMap(([, value]) => value);
    const said = fixed[key] ?? [undefined, ...choices(key, values, account, isService)];
    contexts = contexts.flatMap((context) =>
      said.map((value) => (value === undefined ? context : { ...context, [key]: value })),
    );
  }
  return contexts;
}

function choices(key: string, values: string[], account: string, isService: boolean): string[] {
  if (key === "aws:SourceAccount") return [stranger];
  if (/MultiFactorAuthPresent$|SecureTransport$/.test(key)) return ["true", "false"];
  if (key.endsWith("Days")) return ["7", "30", "31"];
  const isTheirs = key === "aws:SourceArn" || (isService && /arn$/i.test(key));
  const plain = values.map((value) => value.replaceAll("*", "x").replaceAll("?", "x"));
  if (!isTheirs) return [...plain, "other"];
  const services = values.map((value) => /^arn:aws:([a-z]+):/.exec(value)?.[1] ?? "sns");
  return [
    ...plain
      .filter((value) => value.includes(":"))
      .map((value) => value.replaceAll(account, stranger).replaceAll(":x:", `:${stranger}:`)),
    ...services.map((service) => `arn:aws:${service}:eu-west-1:${stranger}:x`),
  ];
}
