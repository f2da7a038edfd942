import { holds, parts, type Said } from "./condition.ts";
import { type Comparison, covers, isPattern, matches, type Statement } from "./document.ts";

/** Who asks something of a resource, and what the request can say of each key that a condition compares. */
export interface Asker {
  /** As a statement names them: "AWS arn:…" or "Service …". */
  name: string;
  /** Whose they are; of a service, on whose behalf it acts. */
  account: string;
  /** What a condition is taken for that cannot be told here. */
  inDoubt: "allowed" | "denied";
  /** @param values what the conditions compare the key with */
  says(key: string, values: readonly string[]): readonly Said[];
}

const roleOf = (account: string) => `arn:aws:iam::${account}:role/keyplane-nobody-in-particular`;

/**
 * Who keeps an account: a role with every right in IAM that no policy names, and whose session says no more than every
 * session does. So a second factor, an address or a service in between is not taken for granted.
 */
export function administratorOf(account: string): Asker {
  const said: Record<string, string> = {
    "aws:principalaccount": account,
    "aws:principalarn": roleOf(account),
    "aws:principalisawsservice": "false",
    "aws:resourceaccount": account,
    "aws:securetransport": "true",
    "kms:calleraccount": account,
  };
  return { name: `AWS ${roleOf(account)}`, account, inDoubt: "denied", says: (key) => [said[key]] };
}

/** Somebody of another account. They say whatever helps, but not that they are of this one. */
export function stranger(arn: string, account: string): Asker {
  const own: Record<string, readonly Said[]> = {
    "aws:principalaccount": [account],
    "aws:principalarn": [arn],
    "aws:principalisawsservice": ["false"],
    "aws:sourceaccount": [undefined, account],
    "aws:sourceowner": [undefined, account],
    "kms:calleraccount": [account],
  };
  return {
    name: `AWS ${arn}`,
    account,
    inDoubt: "allowed",
    says: (key, values) => own[key] ?? anything(key, values, account),
  };
}

/** A service of AWS on behalf of another account: what it acts for is of that one, or not said. */
export function serviceFor(service: string, account: string): Asker {
  const own: Record<string, readonly Said[]> = {
    "aws:principalaccount": [undefined],
    "aws:principalarn": [undefined],
    "aws:principalisawsservice": ["true"],
    "aws:principalservicename": [service],
    "aws:sourceaccount": [undefined, account],
    "aws:sourceowner": [undefined, account],
    "kms:calleraccount": [undefined, account],
  };
  return {
    name: `Service ${service}`,
    account,
    inDoubt: "allowed",
    says: (key, values) => own[key] ?? anything(key, values, account, true),
  };
}

/**
 * What somebody may say of a key that is theirs to choose: nothing, what fits a value, or something else. A source, and of
 * a service every ARN, is of their own account.
 */
function anything(key: string, values: readonly string[], account: string, isService = false): Said[] {
  const isArn = key === "aws:sourcearn" || (isService && key.endsWith("arn"));
  const fitting = isArn ? values.flatMap((value) => arnsLike(value, account)) : values.map(filled);
  const others = values.flatMap((value) => {
    if (/^(true|false)$/.test(value)) return ["true", "false"];
    return /^\d+$/.test(value) ? [String(Number(value) - 1), String(Number(value) + 1)] : [];
  });
  return [...new Set([undefined, ...fitting, ...others, `arn:aws:any:any:${account}:any`])];
}

/** ARNs of an account that fit a pattern, whose stars may each stand for several parts. */
function arnsLike(pattern: string, account: string): string[] {
  const theirs = pattern.replace(/\d{12}/, account);
  const stars = [...theirs.matchAll(/\*/g)].map(({ index }) => index);
  const spans = [
    account,
    `any:${account}`,
    `${account}:any`,
    `any:${account}:any`,
    "arn:aws:",
    "arn:aws:any:any:",
  ];
  const candidates = stars.flatMap((star) =>
    spans.map((span) => theirs.slice(0, star) + span + theirs.slice(star + 1)),
  );
  return [theirs, ...candidates].map(filled).filter((arn) => {
    const [start, , , , owner] = parts(arn);
    // A bucket's ARN does not say whose it is.
    return start === "arn" && (owner === account || owner === "");
  });
}

/** A text that a pattern is for. */
function filled(pattern: string): string {
  return pattern.replaceAll("*", "any").replaceAll("?", "a");
}

/** Whether a statement speaks of who asks. */
function names({ principals, notPrincipals }: Statement, { name, account }: Asker): boolean {
  const isNamed = principals.some(
    (principal) =>
      principal === "*" ||
      principal === name ||
      (name.startsWith("AWS ") && accountIn(principal, true) === account),
  );
  return isNamed !== notPrincipals;
}

/** The account that a principal is of, or is as a whole. */
export function accountIn(principal: string, asWhole = false): string | undefined {
  const form = asWhole
    ? /^AWS (?:arn:[\w-]+:iam::)?(\d{12})(?::root)?$/
    : /^AWS (?:arn:[\w-]+:\w+::)?(\d{12})\b/;
  return form.exec(principal)?.[1];
}

/** More ways to say something than these are not tried: what they would allow is then taken for allowed. */
const most = 10_000;

/** Every way in which a request can be told, as to these comparisons; undefined where there are too many. */
function requests(asker: Asker, comparisons: readonly Comparison[]): Map<string, Said>[] | undefined {
  let found: Map<string, Said>[] = [new Map()];
  for (const [key, same] of Map.groupBy(comparisons, ({ key }) => key)) {
    const said = asker.says(
      key,
      same.flatMap(({ values }) => values),
    );
    if (found.length * said.length > most) return undefined;
    found = found.flatMap((request) => said.map((value) => new Map(request).set(key, value)));
  }
  return found;
}

/**
 * The statement by which who asks may do something of a service to a resource; undefined where none lets them.
 * @param wanted one action; else any that a statement allows
 */
export function letting(
  statements: readonly Statement[],
  asker: Asker,
  { service, action, resource }: { service: string; action?: string; resource?: string },
): Statement | undefined {
  const speaking = statements.filter((statement) => names(statement, asker));
  const denials = speaking.filter(({ allow }) => !allow);
  const isAllowed = asker.inDoubt === "allowed";
  const hold = ({ comparisons }: Statement, request: Map<string, Said>, inDoubt: boolean) =>
    comparisons.every((comparison) => holds(comparison, request.get(comparison.key)) ?? inDoubt);
  const passes = (statement: Statement, against: Statement[], request: Map<string, Said>) =>
    hold(statement, request, isAllowed) && !against.some((denial) => hold(denial, request, !isAllowed));
  return speaking.find((statement) => {
    if (!statement.allow) return false;
    for (const act of action === undefined ? actionsOf(statement, service) : [action]) {
      if (!covers(statement, act)) continue;
      for (const on of resource === undefined ? resourcesOf(statement, statements) : [resource]) {
        if (!isOn(statement, on)) continue;
        const against = denials.filter((denial) => covers(denial, act) && isOn(denial, on));
        const all = [statement, ...against].flatMap(({ comparisons }) => comparisons);
        const ways = requests(asker, all);
        if (ways === undefined ? isAllowed : ways.some((request) => passes(statement, against, request)))
          return true;
      }
    }
    return false;
  });
}

/** One action for each that a statement is for. */
function actionsOf({ actions, notActions }: Statement, service: string): string[] {
  if (notActions) return [`${service}:any`];
  return actions.flatMap((action) => {
    if (action === "*") return [`${service}:any`];
    const [of = "", ...name] = action.split(":");
    return matches(of, service) ? [`${service}:${filled(name.join(":"))}`] : [];
  });
}

/** What a statement may be about: where it does not say, whatever the document names, and a bucket with what is in it. */
function resourcesOf({ resources, notResources }: Statement, all: readonly Statement[]): string[] {
  const named = all.flatMap((each) => each.resources.filter((one) => one !== "*")).map(filled);
  const whole = named.flatMap((one) => {
    const [bucket] = /^arn:[\w-]+:s3:::[^/]+/.exec(one) ?? [];
    return bucket === undefined ? [one] : [one, bucket, `${bucket}/any`];
  });
  const anything = whole.length === 0 ? ["any"] : [...new Set(whole)];
  if (notResources) return anything;
  return resources.flatMap((one) => (one === "*" ? anything : [filled(one)]));
}

function isOn({ resources, notResources }: Statement, resource: string): boolean {
  return (
    resources.some((each) => (isPattern(each) ? matches(each, resource) : each === resource)) !== notResources
  );
}
