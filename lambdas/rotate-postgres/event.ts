import type { SecretDescription } from "../../clients/secrets-manager.ts";
import type { User } from "./settings.ts";

/** The four steps in their order. https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html */
export const stepNames = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;
export type StepName = (typeof stepNames)[number];

export interface RotationEvent {
  /** The secret's ARN, or its name. */
  SecretId: string;
  /** Id of the version that is being made. */
  ClientRequestToken: string;
  Step: StepName;
}

/** An event that this function must not act on. Nothing was changed, and trying again helps nobody. */
export class EventError extends Error {
  override name = "EventError";
}

/**
 * What Secrets Manager asks for, and of which of our users. Nothing has been asked of anybody yet.
 * @throws EventError
 */
export function asked(
  event: unknown,
  users: ReadonlyMap<string, User>,
): { event: RotationEvent; user: User } {
  const { SecretId, ClientRequestToken, Step } = (event ?? {}) as Record<string, unknown>;
  for (const [field, value] of Object.entries({ SecretId, ClientRequestToken, Step })) {
    if (typeof value === "string" && value !== "") continue;
    throw new EventError(
      `the event has no ${field}: only Secrets Manager invokes this function, for a rotation`,
    );
  }
  const event_ = { SecretId, ClientRequestToken, Step } as RotationEvent;
  if (!stepNames.includes(event_.Step)) {
    throw new EventError(`the event's Step is none of ${stepNames.join(", ")}`);
  }
  const name = nameIn(event_.SecretId);
  const user = users.get(name);
  if (user === undefined) {
    throw new EventError(
      `${name} is no secret of this function (it has ${[...users.keys()].sort().join(", ") || "none"}): ` +
        "correct the secret's rotation function, or declare its user in the catalogue",
    );
  }
  return { event: event_, user };
}

/** What is to be done with the version that an event names; `done`: it is in force already. @throws EventError */
export function standing(
  { name, rotates, versions }: SecretDescription,
  { ClientRequestToken: version }: RotationEvent,
): "pending" | "done" {
  if (!rotates) {
    throw new EventError(
      `${name} does not rotate: enable its rotation (infra/aws declares it), then rotate it`,
    );
  }
  const labels = versions[version] ?? [];
  if (labels.includes("AWSCURRENT")) return "done";
  if (labels.includes("AWSPENDING")) return "pending";
  throw new EventError(
    `version ${version} of ${name} is not AWSPENDING, but ${labels.join(", ") || "without any label"}: ` +
      "the event is of a rotation that ended or was given up; rotate the secret to begin another one",
  );
}

/** An ARN ends with the secret's name, a hyphen and six characters by chance. */
function nameIn(secretId: string): string {
  const [, name] = /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-[^-]{6}$/.exec(secretId) ?? [];
  return name ?? secretId;
}
