import { setTimeout as sleep } from "node:timers/promises";
import { type CloudTrailClient, LookupEventsCommand } from "@aws-sdk/client-cloudtrail";

/** A call as CloudTrail has it, in the words of the tour. No value. */
export interface TrailEvent {
  /** ISO 8601, in UTC. */
  time: string;
  /** The account's own key, or a role's session: the emulator does not write down which role's. */
  who: "the account" | "a role's session";
  /** e.g. "secretsmanager PutSecretValue" */
  action: string;
  /** What was asked for: a secret, a role, a function. */
  of: string;
}

type Parameters = Record<string, unknown>;

/**
 * The newest call of an action whose parameters are the wanted ones; undefined where there is none within two seconds.
 * @param action e.g. "secretsmanager PutSecretValue"
 * @param of how the tour names what was asked for
 */
export async function trailEvent(
  client: CloudTrailClient,
  action: string,
  { since, of, wanted }: { since: Date; of: string; wanted(parameters: Parameters): boolean },
): Promise<TrailEvent | undefined> {
  const [service = "", name = ""] = action.split(" ");
  const asked = new LookupEventsCommand({
    LookupAttributes: [{ AttributeKey: "EventSource", AttributeValue: `${service}.amazonaws.com` }],
    StartTime: since,
  });
  for (const end = Date.now() + 2_000; ; await sleep(50)) {
    const { Events = [] } = await client.send(asked);
    for (const { EventName, EventTime, CloudTrailEvent = "{}" } of Events) {
      const { requestParameters, userIdentity } = JSON.parse(CloudTrailEvent) as {
        requestParameters: Parameters | null;
        userIdentity: { accessKeyId?: string };
      };
      const parameters = requestParameters ?? {};
      // The emulator calls what comes as a form by its HTTP method.
      if ((EventName === `POST.${service}` ? parameters.Action : EventName) !== name) continue;
      if (!wanted(parameters)) continue;
      return {
        time: (EventTime ?? since).toISOString(),
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
        who: userIdentity.accessKeyId?.startsWith("ASIA") ? "a role's session" : "the account",
        action,
        of,
      };
    }
    if (Date.now() >= end) return undefined;
  }
}
