/** One line of JSON, as CloudWatch Logs takes it apart. Facts are names, versions, counts and times: never a value. */
export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  facts?: Record<string, unknown>,
) => void;

/** What Lambda hands to a handler beside its event. https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
export interface LambdaContext {
  awsRequestId: string;
  functionName: string;
  getRemainingTimeInMillis(): number;
}

/** Milliseconds before the function's end at which work stops by itself, so that it can say where it was. */
export const margin = 2_000;

export function logOf(
  { awsRequestId }: Pick<LambdaContext, "awsRequestId">,
  about: Record<string, unknown> = {},
): Log {
  return (level, message, facts = {}) => {
    console[level](JSON.stringify({ level, message, ...about, ...facts, requestId: awsRequestId }));
  };
}

/** Aborted a little before Lambda ends the function. */
export function timeOf(context: Pick<LambdaContext, "getRemainingTimeInMillis">): AbortSignal {
  return AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - margin));
}
