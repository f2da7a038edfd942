import type { Secret } from "../../../model/model.ts";
import { checkValues, ValueError } from "../../values/check.ts";
import { type Fields, givenFields, nextFields } from "../../values/shape.ts";
import { ProviderHttp } from "../providers/http.ts";
import { slackRights } from "../providers/slack.ts";
import {
  PersonNeededError,
  ProbeError,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
} from "../rotator.ts";

/** What a person brings to a rotation that no API can do. */
export interface Hand {
  /** The next value, made in the provider's dashboard; some of the fields, the others stay. */
  given?: Fields;
}

/** In a version: the rotation for which it was given, so that a roll back asks for the right one to be revoked. */
const givenField = "given-in";

/**
 * Secrets that a person makes and revokes (`rotate.by: hand`): exchange keys and webhooks without an API (R15, R16,
 * R20). `keyplane set --rotate` brings the next value, which then goes the way of every rotation; before the end the owner is asked
 * to revoke the old one, and says so with `keyplane rotations resume NAME --by PERSON`.
 */
export function byHand({ given }: Hand = {}): Rotator {
  return {
    async create({ secret, rotation, now }, current) {
      if (given === undefined) {
        throw new PersonNeededError(
          `${secret.owner} gives the next value of ${secret.id}: make it at ${issuer(secret)}, then run \`keyplane set ${secret.id} --rotate\``,
        );
      }
      return { ...nextGiven(secret, given, current, now()), [givenField]: rotation };
    },

    async stage() {},

    async probe(context, next, current) {
      const { secret } = context;
      const may = await rightsOf(context, next);
      if (may === "unseen") return;
      if (may === undefined)
        throw new ProbeError(`${secret.id}: the new value is refused by ${issuer(secret)}`);
      const might = current === undefined ? undefined : await rightsOf(context, current);
      const lacks = Array.isArray(might) ? might.filter((right) => !may.includes(right)) : [];
      if (lacks.length > 0) throw new ProbeError(`${secret.id}: the new value may not: ${lacks.join(", ")}`);
    },

    accepts: async (context, version) => (await rightsOf(context, version)) !== undefined,

    heals: ({ id }) => `give one with \`keyplane set ${id}\``,

    async idle(context, old, kept) {
      const { confirmedBy } = context;
      if (confirmedBy !== undefined) {
        return {
          state: "idle",
          evidence: `${confirmedBy} says to have seen it unused, and to have revoked it`,
        };
      }
      if ((await rightsOf(context, old)) === undefined) {
        return { state: "idle", evidence: `${issuer(context.secret)} refuses it already` };
      }
      return { state: "unknown", why: request(context, old, kept) };
    },

    async revoke(context, old, kept) {
      if (context.confirmedBy !== undefined || (await rightsOf(context, old)) === undefined) return undefined;
      throw new PersonNeededError(request(context, old, kept));
    },

    async verify(context, old) {
      const { secret, report, confirmedBy } = context;
      const may = await rightsOf(context, old);
      if (may === undefined) return;
      if (may !== "unseen")
        throw new StillAcceptedError(`${issuer(secret)} still accepts the old value of ${secret.id}`);
      report({
        subject: secret.id,
        state: "progress",
        text: `that the old value is refused is ${confirmedBy ?? "its owner"}'s word`,
      });
    },
  };
}

/**
 * The version that follows when a person gives fields; those that are not given stay.
 * @throws ValueError where a field is missing or cannot be right, or nothing would change
 */
export function nextGiven(secret: Secret, given: Fields, current: Fields | undefined, today: Date): Fields {
  const names = givenFields(secret);
  const unknown = Object.keys(given).filter((name) => !names.includes(name));
  if (unknown.length > 0 || Object.keys(given).length === 0) {
    throw new ValueError(`${secret.id} takes the field(s) ${names.join(", ")}`);
  }
  const lacking = names.filter((name) => given[name] === undefined && current?.[name] === undefined);
  if (lacking.length > 0) throw new ValueError(`${secret.id}: give ${lacking.join(", ")} as well`);
  checkValues(secret, given);
  if (names.every((name) => given[name] === undefined || given[name] === current?.[name])) {
    throw new ValueError(`${secret.id}: what was given is the value in force`);
  }
  const whole = Object.fromEntries(names.map((name) => [name, given[name] ?? current?.[name] ?? ""]));
  return nextFields(secret, whole, current, today);
}

/** What the owner is asked to do, and how to say that it is done. */
function request({ secret, rotation }: RotatorContext, old: Fields, kept: Fields): string {
  const before = Object.keys(kept).length === 0 ? "the value in force" : "the value before";
  const which = old[givenField] === rotation ? "the value that was given for this rotation" : before;
  return `${secret.owner} is asked to revoke ${which} of ${secret.id} at ${issuer(secret)}, once it shows no use of it, then to run \`keyplane rotations resume ${secret.id} --by ${secret.owner}\``;
}

function issuer({ provider }: Secret): string {
  return provider === undefined ? "the place that issued it" : `${provider.name}'s dashboard`;
}

/** What a value may do, where its provider can be asked at all: Slack. Undefined where it is refused. */
async function rightsOf(
  { secret, reach, signal }: RotatorContext,
  fields: Fields,
): Promise<string[] | "unseen" | undefined> {
  const { provider } = secret;
  if (provider?.name !== "slack") return "unseen";
  const http = new ProviderHttp({
    provider: provider.name,
    fetch: reach.fetch,
    // https://docs.slack.dev/apis/web-api/rate-limits: one message a second for each webhook.
    bound: { requests: 1, per: 1, concurrent: 1, ...provider.rate },
    signal,
  });
  const own = Object.fromEntries(secret.fields.map((name) => [name, fields[name] ?? ""]));
  return slackRights(http, own, provider.address);
}
