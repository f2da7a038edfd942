import type { Vault } from "../../clients/vault.ts";
import type { Shipping } from "../../model/shipping.ts";
import { type AwsLogin, loginByAws } from "../../operations/aws-login.ts";
import { type LambdaContext, logOf, timeOf } from "../log.ts";
import type { Result } from "./result.ts";

/** What the function works with; tests hand in others. */
export interface Clients extends Shipping<"rotate-due"> {
  /** Without a token. */
  vault: Vault;
  login: Omit<AwsLogin, "vault">;
}

/** Something did not rotate. Lambda tries again twice, then keeps the event in the dead-letter queue, which is alarmed on. */
export class RunError extends Error {
  override name = "RunError";
}

/**
 * Rotates what is due, as `keyplane rotate --due` does, within the function's time: what is not done by then the next run
 * goes on with.
 * @throws RunError when somebody has to look at something; LoginError, VaultError, VaultUnreachableError
 */
export function makeHandler(clients: () => Clients) {
  return async (_event: unknown, lambda: LambdaContext): Promise<Result> => {
    const log = logOf(lambda);
    try {
      const ready = clients();
      // The engine is loaded while Vault and STS say who this is.
      const [session, { run }] = await Promise.all([
        loginByAws({ vault: ready.vault, ...ready.login }),
        import("./run.ts"),
      ]);
      try {
        const result = await run(ready, session.vault, timeOf(lambda), log);
        log(result.failed.length > 0 ? "error" : "info", "the run has ended", { ...result });
        if (result.failed.length > 0) throw new RunError(failure(result));
        return result;
      } finally {
        await session.end().catch(() => {});
        await ready.vault.close();
      }
    } catch (error) {
      if (!(error instanceof RunError)) {
        const [name, said] = error instanceof Error ? [error.name, error.message] : ["Error", String(error)];
        log("error", said, { error: name });
      }
      throw error;
    }
  };
}

function failure({ environment, failed }: Result): string {
  const named = failed.slice(0, 10).map(({ secret, why }) => `${secret}: ${why}`);
  const more = failed.length > 10 ? ` and ${failed.length - 10} more, which the log names` : "";
  return `${environment}: ${failed.length} did not rotate. ${named.join("; ")}${more}. See \`keyplane rotations\``;
}
