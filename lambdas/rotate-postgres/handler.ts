import { type SecretsManager, SecretsManagerUnreachableError } from "../../clients/secrets-manager.ts";
import type { Vault } from "../../clients/vault.ts";
import { type AwsLogin, loginByAws } from "../../operations/aws-login.ts";
import type { Session } from "../../operations/login.ts";
import { isPassing } from "../../operations/rotation/retry.ts";
import type { Reach } from "../../operations/rotation/rotator.ts";
import { type LambdaContext, type Log, logOf, timeOf } from "../log.ts";
import { asked, EventError, type RotationEvent, standing } from "./event.ts";
import type { Served } from "./settings.ts";
import type { Turn } from "./steps.ts";

/** What the function works with; tests hand in what counts, cuts or kills. */
export interface Clients {
  served: Served;
  store: SecretsManager;
  /** Without a token. */
  vault: Vault;
  login: Omit<AwsLogin, "vault">;
  /** Ways to the database, with a Vault that is logged in. */
  reach(vault: Vault): Promise<Pick<Reach, "manage" | "login">>;
}

/** A step did not succeed. Its message is what Secrets Manager, the log and whoever is on call get to see. */
export class RotationError extends Error {
  override name = "RotationError";
}

/** The next version's password: 32 random bytes (R65), in characters that need no quoting anywhere. */
const generator = { by: "machine", bytes: 32, encoding: "base64url" } as const;

/**
 * Rotates the password of a static Postgres user in the four steps of Secrets Manager, two logins taking turns (R31). It is
 * no superuser and keeps no credential: its IAM role logs in to Vault, which makes it a login for the while.
 */
export function makeHandler(clients: () => Clients) {
  return async (given: unknown, lambda: LambdaContext): Promise<void> => {
    const { Step, SecretId, ClientRequestToken } = (given ?? {}) as Partial<RotationEvent>;
    const log = logOf(lambda, { step: Step, secret: SecretId, version: ClientRequestToken });
    try {
      const ready = clients();
      const { event, user } = asked(given, ready.served.users);
      // Postgres' client is loaded while Secrets Manager says what there is, and not for an event that is refused.
      const [secret, { steps, tidy }] = await Promise.all([
        ready.store.describe(event.SecretId),
        import("./steps.ts"),
      ]);
      const { ClientRequestToken: version, SecretId: id } = event;
      const sessions = vaultSessions(ready);
      try {
        const context = await contextOf(
          ready,
          { secret: secret.name, user, version },
          sessions.vault,
          timeOf(lambda),
        );
        const turn: Turn = {
          store: ready.store,
          secret,
          id,
          version,
          database: ready.served.database,
          user,
          context,
          log,
        };
        if (standing(secret, event) === "done") {
          await tidy(turn);
          log("info", "the version is in force already: nothing to do");
        } else await steps[event.Step](turn);
      } finally {
        await sessions.end();
        ready.store.close();
        await ready.vault.close();
      }
    } catch (error) {
      throw told(error, log, (given ?? {}) as Partial<RotationEvent>);
    }
  };
}

/** Logs in when Vault is first asked: three of the four steps ask nothing. What ends with it are the login's leases. */
function vaultSessions({ vault, login }: Clients) {
  let session: Promise<Session> | undefined;
  const same = vault.with(undefined);
  same.request = async (...request) => {
    session ??= loginByAws({ vault, ...login });
    return (await session).vault.request(...request);
  };
  return {
    vault: same,
    // Its time is minutes, whatever happens here.
    end: async () => void (await session?.then((open) => open.end()).catch(() => {})),
  };
}

async function contextOf(
  { served: { database }, reach }: Clients,
  { secret, user, version }: { secret: string; user: Turn["user"]; version: string },
  vault: Vault,
  signal: AbortSignal,
): Promise<Turn["context"]> {
  // keyplane/<environment>/<system>/<database>/<user>
  const [, environment = ""] = secret.split("/");
  return {
    secret: {
      id: `${database.id}-${user.user}`,
      generator,
      databaseUser: {
        database: database.id,
        user: user.user,
        memberOf: user.memberOf,
        logins: user.logins,
      },
    },
    model: { environment, databases: [database] },
    rotation: version,
    reason: "scheduled",
    reach: await reach(vault),
    signal,
  };
}

/** What whoever reads it needs: which step of what, what was found, and who does something about it. */
function told(error: unknown, log: Log, event: Partial<RotationEvent>): RotationError {
  const said = error instanceof Error ? error.message : String(error);
  const name = error instanceof Error ? error.name : "Error";
  const passes = isPassing(error) || error instanceof SecretsManagerUnreachableError;
  const next =
    error instanceof EventError
      ? "Nothing was changed."
      : passes
        ? "Secrets Manager tries again by itself; the value in force goes on working."
        : "The value in force goes on working; mend this, then rotate the secret again.";
  const message = `${event.Step ?? "a step"} of ${event.SecretId ?? "a secret"}, version ${event.ClientRequestToken ?? "unknown"}: ${said}. ${next}`;
  log("error", said, { error: name, passes });
  return new RotationError(message, { cause: error });
}
