import type { Resource } from "../rule.ts";
import { text } from "../value.ts";

/** The environment of a resource: a stack is named `<environment>` or `<environment>.<part>`. */
export function environmentOf(urn: string): string {
  return /^urn:pulumi:([^.:]*)/.exec(urn)?.[1] ?? "";
}

/** On the local stack an emulator answers for AWS: it has no network, no ids of roles and no analyzer. */
export function isLocal(urn: string): boolean {
  return environmentOf(urn) === "local";
}

/** The log that the environment's trail writes to: an ARN says so only once it is made, and alarms are judged before. */
export function trailsLog(urn: string): string {
  return `/keyplane/${environmentOf(urn)}/trail`;
}

/** The name that an ARN ends with, of which Secrets Manager's six characters and a log group's ":*" are no part. */
export function nameIn(arn: string): string {
  const rest = arn.split(":").slice(5);
  const [kind = "", ...name] = rest.length > 1 ? rest : (rest[0] ?? "").split("/");
  if (kind === "secret") return name.join(":").replace(/-\w{6}$/, "");
  if (kind === "log-group") return name[0] ?? "";
  return name.length === 0 ? kind : name.join("/");
}

/** The name that AWS knows a resource by: what an argument says, else Pulumi's own. */
export function nameOf(
  { name, props }: Pick<Resource, "name" | "props">,
  argument: "name" | "bucket" = "name",
): string {
  return text(props[argument]) ?? name;
}
