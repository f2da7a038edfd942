import {
  type SecretDescription,
  type SecretsManager,
  SecretsManagerError,
} from "../../clients/secrets-manager.ts";
import { ProbeError } from "../../operations/rotation/rotator.ts";
import {
  accepts,
  endTurn,
  postgres,
  type UserContext,
  type UserDatabase,
} from "../../operations/rotation/rotators/postgres.ts";
import type { Fields } from "../../operations/values/shape.ts";
import type { Log } from "../log.ts";
import { EventError, type StepName } from "./event.ts";
import type { User } from "./settings.ts";
import { fieldsIn, fits, ValueError, valueText } from "./value.ts";

/** One version on its way into force. */
export interface Turn {
  store: SecretsManager;
  secret: SecretDescription;
  /** As the event names it. */
  id: string;
  version: string;
  database: UserDatabase;
  user: User;
  context: UserContext;
  log: Log;
}

/** Each may run twice, and after a crash anywhere in its first run: it looks at what is there and completes it. */
export const steps: Record<StepName, (turn: Turn) => Promise<void>> = {
  /** The next value, kept as AWSPENDING: the name of the login whose turn it is, and a new password. */
  async createSecret(turn) {
    const { store, id, version, database, user, context, log } = turn;
    const current = await currentFields(turn);
    const made = await store.value(id, { label: "AWSPENDING", version });
    if (made !== undefined) {
      if (fits(made, database, user, current)) return log("info", "the next value is there already");
      await store.label(id, "AWSPENDING", { from: version });
      throw new ValueError(
        "what an earlier try made does not fit the catalogue or the value in force any more: it is AWSPENDING no longer; " +
          "rotate the secret again",
      );
    }
    const next = await postgres.create(context, current);
    try {
      await store.put(id, { version, label: "AWSPENDING", value: valueText(database, next) });
    } catch (error) {
      // The same event came twice, and the other one was first: its value it is.
      if (!(error instanceof SecretsManagerError && error.code === "ResourceExistsException")) throw error;
    }
    log("info", "made the next value", { login: next.user, first: current === undefined });
  },

  /** The login is made, or gets the new password; whoever still used it from its turn before is sent away. */
  async setSecret(turn) {
    const { context, log } = turn;
    const [next, current] = [await pendingFields(turn), await currentFields(turn)];
    const ended = await endTurn(context, next.user, current);
    if (ended.length > 0) {
      log("warn", "ended sessions that were left of the login's turn before", { login: next.user, ended });
    }
    await postgres.stage(context, next, current);
    log("info", "the database takes the next value", { login: next.user });
  },

  /** The login gets in, with its group's rights and everything that the one before may do. */
  async testSecret(turn) {
    const { context, log } = turn;
    const [next, current] = [await pendingFields(turn), await currentFields(turn)];
    await postgres.probe(context, next, current);
    log("info", "the next value works", { login: next.user });
  },

  /** The next value comes into force. The one before goes on working until the next rotation. */
  async finishSecret(turn) {
    const { store, id, version, secret, context, log } = turn;
    const next = await pendingFields(turn);
    if (!(await accepts(context, next))) {
      throw new ProbeError(
        `the database refuses ${next.user}: what does not log in does not come into force; the steps before come first`,
      );
    }
    const from = versionWith(secret, "AWSCURRENT");
    await store.label(id, "AWSCURRENT", { to: version, ...(from !== undefined && { from }) });
    log("info", "the next value is in force", { login: next.user });
    await tidy(turn);
  },
};

/** A version that is in force is pending no longer: Secrets Manager takes the label for a rotation that is under way. */
export async function tidy({ store, id, version }: Turn): Promise<void> {
  const { versions } = await store.describe(id);
  if (versions[version]?.includes("AWSPENDING")) await store.label(id, "AWSPENDING", { from: version });
}

function versionWith({ versions }: SecretDescription, label: string): string | undefined {
  return Object.keys(versions).find((version) => versions[version]?.includes(label));
}

async function currentFields({ store, id, secret }: Turn): Promise<Fields | undefined> {
  const text = await store.value(id, { label: "AWSCURRENT" });
  return text === undefined ? undefined : fieldsIn(text, `AWSCURRENT of ${secret.name}`);
}

async function pendingFields({ store, id, version, secret }: Turn) {
  const text = await store.value(id, { label: "AWSPENDING", version });
  if (text === undefined) {
    throw new EventError(`version ${version} of ${secret.name} has no value yet: createSecret comes first`);
  }
  return fieldsIn(text, `AWSPENDING of ${secret.name}`);
}
