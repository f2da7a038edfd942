import type { Props, ResourceRule } from "../rule.ts";
import { text } from "../value.ts";
import { DocumentError, isPattern, type PolicyDocument, policyDocument, type Statement } from "./document.ts";
import { aws } from "./types.ts";

/** Whose policies say who uses them, with the service whose actions those are about. Who takes a role may be of elsewhere. */
export const servicesUsed: Readonly<Record<string, string>> = {
  [aws.key]: "kms",
  [aws.bucketPolicy]: "s3",
  [aws.secretPolicy]: "secretsmanager",
  [aws.topicPolicy]: "sns",
  [aws.queue]: "sqs",
  [aws.functionPermission]: "lambda",
};

/** Policies that say what somebody may do. */
export const rights: readonly string[] = [aws.policy, aws.rolePolicy, aws.groupPolicy];

/** Every type that holds a policy document, with the property that it stands in. */
const documents: Record<string, string> = {
  [aws.key]: "policy",
  [aws.role]: "assumeRolePolicy",
  [aws.policy]: "policy",
  [aws.rolePolicy]: "policy",
  [aws.groupPolicy]: "policy",
  [aws.bucketPolicy]: "policy",
  [aws.secretPolicy]: "policy",
  [aws.topicPolicy]: "policy",
  [aws.queue]: "policy",
};
/** Of a resource: they say who. The others are somebody's, and say on what. */
const ofResources = Object.keys(documents).filter((type) => !rights.includes(type));

/** A queue may have none: then nobody but its account's roles sends to it. */
const none: PolicyDocument = { version: "2012-10-17", statements: [] };

/** Read once for all rules: several look at each document, and reading is most of what that costs. */
const read = new WeakMap<Props, PolicyDocument | DocumentError>();

/** The document of a resource, or why it cannot be read. */
function documentIn(type: string, props: Props): PolicyDocument | DocumentError {
  const before = read.get(props);
  if (before !== undefined) return before;
  if (type === aws.queue && props.policy === undefined) return none;
  let found: PolicyDocument | DocumentError;
  try {
    found = policyDocument(props[documents[type] ?? "policy"]);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    found = error;
  }
  read.set(props, found);
  return found;
}

/** The statements of a resource's document; none where it cannot be read, which `aws-document-readable` refuses. */
export function statements(type: string, props: Props): Statement[] {
  const document = documentIn(type, props);
  return document instanceof DocumentError ? [] : document.statements;
}

/** A statement as a message calls it. */
export function called({ sid }: Statement): string {
  return sid === "" ? "a statement" : `"${sid}"`;
}

export const documentReadable: ResourceRule = {
  name: "aws-document-readable",
  sentence:
    "Every policy document in AWS can be read, in the version that knows variables, and leaves nothing open by leaving it out.",
  severity: "critical",
  fix: "Write a JSON document of version 2012-10-17, in which each statement says what, and on what or for whom.",
  controls: ["NIST-800-53r5/AC-3", "R7"],
  isAbsolute: true,
  types: Object.keys(documents),
  *judge({ type, props }) {
    const document = documentIn(type, props);
    if (document instanceof DocumentError) yield document.message;
    // Without it AWS takes the version of 2008, in which a variable is a text like any other.
    else if (document.version !== "2012-10-17") yield "its version is not 2012-10-17";
    for (const statement of statements(type, props)) {
      for (const what of leftOut(type, statement)) yield `${called(statement)} ${what}`;
    }
  },
};

function* leftOut(type: string, statement: Statement): Generator<string> {
  const { actions, resources, principals, conditions, hasCondition } = statement;
  const isEmpty = (list: string[]) => list.length === 0 || list.includes("");
  if (isEmpty(actions)) yield "does not say what";
  if (type !== aws.role && isEmpty(resources)) yield "does not say on what";
  if (!rights.includes(type) && isEmpty(principals)) yield "does not say for whom";
  if (!hasCondition) return;
  if (conditions.size === 0) yield "has a condition that compares nothing";
  for (const [operator, keys] of conditions) {
    if (keys.size === 0) yield `compares nothing by ${operator}`;
    for (const [key, values] of keys) if (isEmpty(values)) yield `compares ${key} with nothing`;
  }
}

/** Families that AWS itself tells services to be given: no narrower name covers what they call. */
const families = ["kms:generatedatakey*", "kms:reencrypt*"];
const assuming =
  /^sts:(assumerole|assumerolewithwebidentity|assumerolewithsaml|tagsession|setsourceidentity)$/;

export const actionsNamed: ResourceRule = {
  name: "aws-actions-named",
  sentence:
    "What a policy allows is written out, action by action: nothing that AWS adds later comes with it.",
  severity: "high",
  fix: "Name each action; leave kms:* to the account's root.",
  controls: ["NIST-800-53r5/AC-6", "OWASP-Secrets/2.3-access-control", "R7", "R10"],
  types: Object.keys(documents),
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      const { allow, actions, notActions, principals } = statement;
      if (!allow) continue;
      if (notActions) yield `${called(statement)} allows all but what it names`;
      const isAccounts = type === aws.key && principals.length > 0 && principals.every(isAccount);
      const areServices =
        type === aws.key && principals.every((principal) => principal.startsWith("Service "));
      for (const action of actions) {
        if (action === "kms:*" && isAccounts) continue;
        if (areServices && families.includes(action)) continue;
        if (!/^[a-z0-9-]+:[a-z0-9]+$/.test(action))
          yield `${called(statement)} allows ${action || "nothing"}`;
        else if (type === aws.role && !assuming.test(action))
          yield `${called(statement)} allows ${action}, which is no way to take a role`;
      }
    }
  },
};

/** The account as a whole: its IAM decides who. */
export function isAccount(principal: string): boolean {
  return /^AWS (\d{12}|arn:[\w-]+:iam::\d{12}:root)$/.test(principal);
}

const someone: Record<string, RegExp> = {
  AWS: /^(\d{12}|arn:aws[\w-]*:iam::\d{12}:(root|(role|user)\/[\w+=,.@/-]+))$/,
  Service: /^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com$/,
  Federated: /^arn:aws[\w-]*:iam::\d{12}:(oidc|saml)-provider\/[\w.:/-]+$/,
};

export const principalsExact: ResourceRule = {
  name: "aws-principals-exact",
  sentence: "Whom a policy names is one exact role, user, account, service or identity provider.",
  severity: "critical",
  fix: "Write the whole ARN, the account's twelve digits or the service's name.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "R7", "R10"],
  types: ofResources,
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      for (const principal of statement.principals) {
        // Everyone, which the rules of each type judge.
        if (principal === "*" || principal === "") continue;
        const [kind = "", name = ""] = principal.split(" ", 2);
        if (someone[kind]?.test(name) !== true) yield `${called(statement)} names ${principal}`;
      }
    }
  },
};

/** Operators of conditions that take a pattern as one; every other compares it letter by letter. */
const likes = /(^|:)(stringlike|arnlike)$/;

export const conditionsExact: ResourceRule = {
  name: "aws-conditions-exact",
  sentence:
    "A condition on which something is allowed compares exactly, or with the beginning of a name of ours, and does not hold where the request is silent.",
  severity: "high",
  fix: "Use StringEquals or ArnEquals with whole values; leave …IfExists and ForAllValues to denials.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/AC-6", "R7", "R10"],
  types: Object.keys(documents),
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (statement.allow && statement.lenient)
        yield `${called(statement)} holds where the request does not say`;
      for (const [operator, keys] of statement.conditions) {
        for (const [key, values] of keys) {
          for (const value of values) {
            if (!isPattern(value) || (likes.test(operator) && isBeginning(value))) continue;
            yield likes.test(operator)
              ? `${called(statement)} compares ${key} with ${value}, which is no name's beginning`
              : `${called(statement)} compares ${key} with ${value} letter by letter`;
          }
          if (/:(sourceaccount|calleraccount)$/.test(key) && values.some((value) => !/^\d{12}$/.test(value)))
            yield `${called(statement)} compares ${key} with what is no account`;
        }
      }
    }
  },
};

/** "arn:…:trail/keyplane-local-*" and the like: the whole beginning of a name, up to a separator. */
function isBeginning(pattern: string): boolean {
  if (!/^[^*?]+[-/:]\*$/.test(pattern)) return false;
  return pattern.startsWith("arn:") ? /^arn:aws[\w-]*:[\w-]+:[\w-]*:\d{12}:.+\*$/.test(pattern) : true;
}

/** What binds a service that acts on somebody's behalf, by who it is; each key must be compared. */
function bindings(type: string, service: string): string[][] {
  const [account, source] = [["aws:SourceAccount"], ["aws:SourceArn"]];
  if (service === "lambda.amazonaws.com" && type === aws.role) return [];
  if (/^(cloudtrail|scheduler)\./.test(service))
    return type === aws.bucketPolicy ? [source] : [account, source];
  if (service === "cloudwatch.amazonaws.com") return type === aws.topicPolicy ? [account, source] : [account];
  if (/^logs\./.test(service) && type === aws.key) return [["kms:EncryptionContext:aws:logs:arn"]];
  if (service === "pods.eks.amazonaws.com") {
    return [account, ["aws:RequestTag/kubernetes-namespace"], ["aws:RequestTag/kubernetes-service-account"]];
  }
  return [["aws:SourceAccount", "aws:SourceArn"]];
}

/** EventBridge says the group when it takes a role, and never the schedule: with any other ARN nobody takes it. */
const scheduleGroup = /^arn:aws[\w-]*:scheduler:[\w-]+:\d{12}:schedule-group\/[\w.-]+$/;

export const servicesBound: ResourceRule = {
  name: "aws-services-bound",
  sentence:
    "A service of AWS that acts for somebody does so for this account alone, and for the one thing that it can say.",
  severity: "critical",
  fix: "Compare aws:SourceAccount, aws:SourceArn, or what the service says instead, exactly.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/AC-6", "R7", "R10"],
  types: ofResources,
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const compared = new Set(
        [...statement.conditions]
          .filter(([operator]) => /^(stringequals|stringlike|arnequals|arnlike)$/.test(operator))
          .flatMap(([, keys]) => [...keys.keys()]),
      );
      for (const principal of statement.principals) {
        if (!principal.startsWith("Service ")) continue;
        const service = principal.slice("Service ".length);
        for (const keys of bindings(type, service)) {
          if (!keys.some((key) => compared.has(key.toLowerCase())))
            yield `${called(statement)} lets ${service} act without comparing ${keys.join(" or ")}`;
        }
        if (service !== "scheduler.amazonaws.com") continue;
        for (const source of [...statement.conditions.values()].flatMap(
          (keys) => keys.get("aws:sourcearn") ?? [],
        )) {
          if (!scheduleGroup.test(source))
            yield `${called(statement)} compares aws:SourceArn with ${source}, which is no schedule group`;
        }
      }
    }
  },
};

export const resourceIsOwn: ResourceRule = {
  name: "aws-resource-is-own",
  sentence: "The policy of a key, a secret, a bucket or a topic is about that alone.",
  severity: "high",
  fix: 'Write "*" in the policy of a key or a secret, and the own ARN in that of a bucket or a topic.',
  controls: ["NIST-800-53r5/AC-3", "R7"],
  types: [aws.key, aws.secretPolicy, aws.bucketPolicy, aws.topicPolicy],
  *judge({ type, props }) {
    const bucket = `arn:aws:s3:::${text(props.bucket) ?? ""}`;
    for (const statement of statements(type, props)) {
      const isOwn = (resource: string) => {
        if (type === aws.bucketPolicy) {
          const inside = resource.slice(bucket.length);
          return resource.startsWith(bucket) && /^(\/[^*?]*\*?)?$/.test(inside);
        }
        if (type === aws.topicPolicy) return /^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+$/.test(resource);
        return resource === "*";
      };
      for (const resource of statement.resources) {
        if (!isOwn(resource)) yield `${called(statement)} is about ${resource || "nothing"}`;
      }
      if (statement.notResources) yield `${called(statement)} is about all but what it names`;
    }
  },
};
