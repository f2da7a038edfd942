import { runSimulation } from "@cloud-copilot/iam-simulate";
import type { PolicyDocument } from "../../../model/aws.ts";

/** A request, and the documents that decide it. */
export interface Asked {
  principal: string;
  action: string;
  resource: string;
  account: string;
  context?: Record<string, string | string[]>;
  /** What the identity itself may. */
  rights?: PolicyDocument;
  /** What the resource (a key, a role, a secret) says. */
  policy?: PolicyDocument;
}

/** Whether AWS would let it through, by the policy simulator. @throws for a request that the simulator does not take */
export async function allowed(asked: Asked): Promise<boolean> {
  const answer = await runSimulation(
    {
      request: {
        principal: asked.principal,
        action: asked.action,
        resource: { resource: asked.resource, accountId: asked.account },
        contextVariables: asked.context ?? {},
      },
      identityPolicies: asked.rights === undefined ? [] : [{ name: "rights", policy: asked.rights }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(asked.policy !== undefined && { resourcePolicy: asked.policy }),
    },
    {},
  );
  if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
  return answer.overallResult === "Allowed";
}
