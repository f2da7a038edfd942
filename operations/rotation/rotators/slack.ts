import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Seconds } from "../../../model/duration.ts";
import { readSource } from "../../values/deliver.ts";
import { ConflictError, readFields, stateOf, writeFields } from "../../values/kv.ts";
import type { Fields } from "../../values/shape.ts";
import { pause } from "../clock.ts";
import { NotServedError, ProviderHttp } from "../providers/http.ts";
import { ProviderError } from "../providers/refusal.ts";
import {
  aboutToken,
  exchanged,
  RefusedError,
  revokeToken,
  type SlackPair,
  SpentTokenError,
} from "../providers/slack.ts";
import { type Backoff, usualBackoff, withBackoff } from "../retry.ts";
import {
  ProbeError,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
  TargetUnavailableError,
} from "../rotator.ts";

const [tokenField, refreshField] = ["token", "refresh-token"];

/**
 * So long after a request whose answer was lost the refresh token is not used again. Slack takes it again for "a short
 * grace period", and a third token that lives then ends the oldest: the one in force. After it, an answer says what happened.
 */
const afterLost: Seconds = 3600;
/**
 * What Slack gave is tried to be kept for a quarter of an hour: until then a Vault that was restarted is unsealed again, and
 * nobody else has asked meanwhile.
 */
const keeping: Backoff = { ...usualBackoff, tries: 60 };
/** So long a token may be accepted or refused late. */
const settles: Seconds = 10;

/**
 * Tokens of a Slack app with token rotation (R16; https://docs.slack.dev/authentication/using-token-rotation): the field
 * `token`, which its consumers get and which ends after 12 h, and `refresh-token`, which nobody gets and which is used up
 * by the request. What it was exchanged for is kept beside the source before anything else happens: killed there, the
 * next runner goes on with it; rolled back, the next rotation does. Slack tells neither a token's id nor when it was used.
 */
export const slack: Rotator = {
  async create(context, current) {
    const { secret, rotation } = context;
    if (current?.[tokenField] === undefined || current[refreshField] === undefined) {
      throw new ProviderError(
        `${secret.id} has no ${tokenField} with its ${refreshField} yet: run \`keyplane rotations abort ${secret.id}\`, then give both, of the installed app, with \`keyplane set ${secret.id}\``,
      );
    }
    const chain = await Chain.read(context);
    const made = chain.madeIn(rotation, current);
    if (made !== undefined) return { ...current, ...fieldsOf(made) };
    const refreshToken = chain.following(current[refreshField]);
    const client = await clientOf(context);
    const pair = await context.uninterrupted(async (whole) => {
      await chain.mayAsk(context, refreshToken, () => isAccepted(context, current));
      const { http, address } = reachOf(whole);
      try {
        const given = await exchanged(http, refreshToken, client, address);
        await chain.keep(whole, refreshToken, given);
        return given;
      } catch (error) {
        if (error instanceof SpentTokenError) throw new ProviderError(anew(context, error.message));
        // Else it is not known what Slack did.
        if (error instanceof NotServedError || error instanceof RefusedError) await chain.forgetAsking();
        throw error;
      }
    });
    return { ...current, ...fieldsOf(pair) };
  },

  async stage() {},

  async probe(context, next, current) {
    const { secret } = context;
    const now = await settled(context, next);
    if (now === undefined) throw new ProbeError(`${secret.id}: Slack refuses the new token`);
    if (current === undefined) return;
    const { http, address } = reachOf(context);
    const before = await aboutToken(http, current[tokenField] ?? "", address);
    if (before === undefined) return;
    if (before.owner !== now.owner) throw new ProbeError(`${secret.id}: the new token is another bot's`);
    const lacks = before.scopes.filter((scope) => !now.scopes.includes(scope));
    const exceeds = now.scopes.filter((scope) => !before.scopes.includes(scope));
    if (lacks.length > 0) throw new ProbeError(`${secret.id}: the new token may not: ${lacks.join(", ")}`);
    if (exceeds.length > 0)
      throw new ProbeError(
        `${secret.id}: the new token may do more than the one before: ${exceeds.join(", ")}`,
      );
  },

  accepts: isAccepted,

  async idle(context, old) {
    if (!(await isAccepted(context, old)))
      return { state: "idle", evidence: "Slack refuses the old token already" };
    return { state: "unknown", why: "Slack does not say when a token was last used" };
  },

  async revoke(context, old, kept) {
    if (old[tokenField] === kept[tokenField]) return undefined;
    const { http, address } = reachOf(context);
    await revokeToken(http, old[tokenField] ?? "", address);
    return undefined;
  },

  async verify(context, old) {
    for (const end = Date.now() + settles * 1000; ; ) {
      if (!(await isAccepted(context, old))) return;
      if (Date.now() >= end) break;
      await sleep(1000, undefined, { signal: context.signal });
    }
    throw new StillAcceptedError(`${context.secret.id}: Slack still accepts the old token`);
  },

  async discard(context) {
    const current = await readSource({ ...context, by: "" }, context.secret);
    const made = current && (await Chain.read(context)).madeIn(context.rotation, current);
    if (made === undefined || made.token === current?.[tokenField]) return;
    const { http, address } = reachOf(context);
    await revokeToken(http, made.token, address);
  },
};

/** What is kept of exchanges, beside the source and never in it: a version that is rolled back takes none of it away. */
interface Kept {
  /** Hashes of refresh tokens that are used up; that of `pair` follows them all. */
  spent: string[];
  pair?: SlackPair;
  /** The rotation in which the pair was made. */
  rotation?: string;
  /** A request is on its way, or its answer was lost: with the refresh token of this hash, and when (ISO 8601). */
  asked?: { with: string; at: string };
}

class Chain {
  readonly #context: RotatorContext;
  readonly #path: string;
  #kept: Kept;
  #version: number;

  private constructor(context: RotatorContext, path: string, kept: Kept, version: number) {
    this.#context = context;
    this.#path = path;
    this.#kept = kept;
    this.#version = version;
  }

  static async read(context: RotatorContext): Promise<Chain> {
    const { vault, model, secret } = context;
    const { kv } = model.vault.mounts;
    const path = `${secret.source}/exchanged`;
    const { version } = await stateOf(vault, kv, path);
    const text = (await readFields(vault, kv, path))?.record;
    const kept = text === undefined ? { spent: [] } : (JSON.parse(text) as Kept);
    return new Chain(context, path, kept, version);
  }

  /** The refresh token that works now, where a version's own is used up. */
  following(own: string): string {
    const { spent, pair } = this.#kept;
    return pair !== undefined && spent.includes(hashOf(own)) ? pair.refreshToken : own;
  }

  /** What a rotation that was stopped has made of this version already. */
  madeIn(rotation: string, current: Fields): SlackPair | undefined {
    const { spent, pair, rotation: made } = this.#kept;
    return made === rotation && spent.includes(hashOf(current[refreshField] ?? "")) ? pair : undefined;
  }

  /**
   * Notes that a refresh token is asked with, before it is.
   * @throws TargetUnavailableError where the answer to a request before was lost, until it can do no harm
   */
  async mayAsk(
    { now, secret }: RotatorContext,
    refreshToken: string,
    isInForce: () => Promise<boolean>,
  ): Promise<void> {
    const { asked } = this.#kept;
    const own = hashOf(refreshToken);
    const left = asked?.with === own ? (Date.parse(asked.at) - now().getTime()) / 1000 + afterLost : 0;
    if (left > 0 && (await isInForce())) {
      throw new TargetUnavailableError(
        `${secret.id}: Slack's answer to a request of ${asked?.at} was lost; asked again at once, it might end the token in force, ` +
          "so that is left alone for an hour",
        { retryAfter: Math.ceil(left) },
      );
    }
    await this.#write({ ...this.#kept, asked: { with: own, at: now().toISOString() } });
  }

  /** Keeps what Slack gave for a refresh token, which is spent by that, however often Vault is away meanwhile. */
  async keep(
    { vault, secret, rotation, now, signal, report }: RotatorContext,
    spent: string,
    pair: SlackPair,
  ): Promise<void> {
    const before = this.#kept.pair?.refreshToken === spent ? this.#kept.spent : [];
    const kept = { spent: [...before, hashOf(spent)].slice(-50), pair, rotation };
    const said = (error: Error, wait: number) => {
      const text = `${error.message}; tried again in ${Math.ceil(wait / 1000)} s: what Slack gave is kept nowhere else yet`;
      report({ subject: secret.id, state: "progress", text });
    };
    const manner = { clock: { now, sleep: pause }, signal, backoff: keeping, said };
    await withBackoff(() => this.#write(kept, vault), manner);
  }

  async forgetAsking(): Promise<void> {
    const { asked: _, ...kept } = this.#kept;
    await this.#write(kept);
  }

  async #write(kept: Kept, vault = this.#context.vault): Promise<void> {
    const { kv } = this.#context.model.vault.mounts;
    const fields = { record: JSON.stringify(kept) };
    try {
      this.#version = await writeFields(vault, kv, this.#path, { fields, after: this.#version });
    } catch (error) {
      // The answer to the same write was lost, after Vault had written.
      const isOurs =
        error instanceof ConflictError && (await readFields(vault, kv, this.#path))?.record === fields.record;
      if (!isOurs) throw error;
      this.#version++;
    }
    this.#kept = kept;
  }
}

function fieldsOf({ token, refreshToken }: SlackPair): Fields {
  return { [tokenField]: token, [refreshField]: refreshToken };
}

/** Names a refresh token that is used up, which nobody has to be able to use again. */
function hashOf(refreshToken: string): string {
  return createHash("sha256").update(refreshToken).digest("hex");
}

async function isAccepted(context: RotatorContext, version: Fields): Promise<boolean> {
  const { http, address } = reachOf(context);
  return (await aboutToken(http, version[tokenField] ?? "", address)) !== undefined;
}

async function settled(context: RotatorContext, version: Fields) {
  const { http, address } = reachOf(context);
  for (const end = Date.now() + settles * 1000; ; ) {
    const about = await aboutToken(http, version[tokenField] ?? "", address);
    if (about !== undefined || Date.now() >= end) return about;
    await sleep(1000, undefined, { signal: context.signal });
  }
}

/** The app's own id and secret, which exchanging takes. */
async function clientOf({ vault, model, secret }: RotatorContext): Promise<{ id: string; secret: string }> {
  const name = secret.provider?.credential;
  const other = model.secrets.find(({ id }) => id === name);
  const fields = other && (await readSource({ vault, model, by: "" }, other));
  const [id, value] = [fields?.["client-id"], fields?.["client-secret"]];
  if (id !== undefined && value !== undefined) return { id, secret: value };
  throw new ProviderError(
    `${secret.id} is rotated with the app's own client-id and client-secret: name a secret with these fields as ` +
      `\`credential\` of its provider in ${model.environment}, and give it with \`keyplane set\``,
  );
}

function anew({ secret }: RotatorContext, why: string): string {
  return (
    `${why}. The token in force works until its 12 h are over: roll back with \`keyplane rotations abort ${secret.id}\`, ` +
    `install the app anew in Slack's settings, and give both tokens with \`keyplane set ${secret.id}\``
  );
}

function reachOf({ secret, reach, signal }: RotatorContext): { http: ProviderHttp; address: string } {
  const http = new ProviderHttp({
    provider: "Slack",
    fetch: reach.fetch,
    // https://docs.slack.dev/apis/web-api/rate-limits: special ones for these methods, which no number is published of.
    bound: { requests: 1, per: 1, concurrent: 1, ...secret.provider?.rate },
    signal,
  });
  const address = (secret.provider?.address ?? "https://slack.com/api").replace(/\/+$/, "");
  return { http, address };
}
