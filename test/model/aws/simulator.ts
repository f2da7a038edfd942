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

/** Keys that the simulator does not know, and others of their kind, which it compares in the same way. */
const renamed: [string, string][] = [
  ["token.actions.githubusercontent.com:sub", "accounts.google.com:sub"],
  ["token.actions.githubusercontent.com:aud", "accounts.google.com:aud"],
  ["kms:EncryptionContext:aws:lambda:FunctionArn", "kms:RequestAlias"],
  ["kms:EncryptionContext:aws:logs:arn", "kms:EncryptionAlgorithm"],
  ["kms:EncryptionContext:keyplane", "kms:EncryptionAlgorithm"],
];

function known<T>(value: T): T {
  const text = renamed.reduce(
    (text, [key, other]) => text.replaceAll(`"${key}"`, `"${other}"`),
    JSON.stringify(value),
  );
  return JSON.parse(text) as T;
}

/** A document that AWS would not take. */
export class RefusedDocument extends Error {
  override name = "RefusedDocument";
}

/** Whether AWS would let it through, by the policy simulator. @throws RefusedDocument, and for a request that the simulator does not take */
export async function allowed(asked: Asked): Promise<boolean> {
  const answer = await runSimulation(
    {
      request: {
        principal: asked.principal,
        action: asked.action,
        resource: { resource: asked.resource, accountId: asked.account },
        contextVariables: known(asked.context ?? {}),
      },
      identityPolicies: asked.rights === undefined ? [] : [{ name: "rights", policy: known(asked.rights) }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(asked.policy !== undefined && { resourcePolicy: known(asked.policy) }),
    },
    {},
  );
  if (answer.resultType === "error") {
    // Nobody asks that of a thing of this kind.
    if (answer.errors.message === "no.resource.types") return false;
    const text = JSON.stringify(answer.errors);
    throw answer.errors.message === "policy.errors" ? new RefusedDocument(text) : new Error(text);
  }
  return answer.overallResult === "Allowed";
}

/** The policy of a key that is none of the platform's, as AWS makes it: all is left to the account's IAM. */
export function leftToTheAccount(account: string): PolicyDocument {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Account",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  };
}
