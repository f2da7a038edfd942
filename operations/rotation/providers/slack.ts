import type { Fields } from "../../values/shape.ts";
import { NotServedError, type ProviderHttp, textIn } from "./http.ts";
import { ProviderError } from "./refusal.ts";

/**
 * What Slack says of a token or an incoming webhook, without posting anything.
 *
 * - A token: `auth.test` (https://docs.slack.dev/reference/methods/auth.test), its scopes in the header x-oauth-scopes.
 * - A webhook: a message without content, which a live one answers with 400 and a dead one with 403, 404 or 410
 *   (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors).
 *
 * @returns what it may do; undefined where it is refused
 * @throws TargetUnavailableError, ProviderError
 */
export async function slackRights(
  http: ProviderHttp,
  fields: Fields,
  address = "https://slack.com/api",
): Promise<string[] | undefined> {
  const { url, ...others } = fields;
  if (url !== undefined) return webhookRights(http, url);
  return (await aboutToken(http, Object.values(others)[0] ?? "", address))?.scopes;
}

/** Whose a token is, and what it may do. */
export interface SlackToken {
  /** Team and bot or user, as Slack names them. */
  owner: string;
  scopes: string[];
}

/** Asked with the token itself; undefined where it is refused. @throws TargetUnavailableError, ProviderError */
export async function aboutToken(
  http: ProviderHttp,
  token: string,
  address: string,
): Promise<SlackToken | undefined> {
  const what = "say what a token may do";
  const answer = await called(http, what, `${address}/auth.test`, { authorization: `Bearer ${token}` });
  const { ok, error, team_id, user_id } = answer.object;
  if (ok === true) {
    const scopes = answer.headers.get("x-oauth-scopes") ?? "";
    return {
      owner: `${textIn(team_id)}/${textIn(user_id)}`,
      scopes: scopes
        .split(/\s*,\s*/)
        .filter((scope) => scope !== "")
        .toSorted(),
    };
  }
  if (refusals.has(textIn(error))) return undefined;
  throw http.refused(what, answer.status, error);
}

/** Ends one token; the installation and its other tokens stay. One that has ended already is no error. */
export async function revokeToken(http: ProviderHttp, token: string, address: string): Promise<void> {
  const what = "revoke a token";
  const { status, object } = await called(http, what, `${address}/auth.revoke`, {
    authorization: `Bearer ${token}`,
  });
  if (object.ok !== true && !refusals.has(textIn(object.error)))
    throw http.refused(what, status, object.error);
}

/** What a refresh token was exchanged for: both are new, and the tokens before them live on. */
export interface SlackPair {
  token: string;
  refreshToken: string;
}

/** Slack has refused in a word of its own, and done nothing. */
export class RefusedError extends ProviderError {
  override name = "ProviderError";
}

/** A refresh token that Slack does not take any more: it was used, or revoked. */
export class SpentTokenError extends ProviderError {
  override name = "ProviderError";
}

/**
 * Exchanges a refresh token (https://docs.slack.dev/authentication/using-token-rotation). May work once: where its answer is
 * lost, see rotators/slack.ts.
 * @throws SpentTokenError, RefusedError; NotServedError where Slack has surely done nothing, TargetUnavailableError where it may have
 */
export async function exchanged(
  http: ProviderHttp,
  refreshToken: string,
  client: { id: string; secret: string },
  address: string,
): Promise<SlackPair> {
  const what = "exchange a refresh token";
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString("base64");
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
  const { object, status } = await called(
    http,
    what,
    `${address}/oauth.v2.access`,
    { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body.toString(),
  );
  const word = textIn(object.error);
  if (object.ok !== true && spent.has(word)) {
    throw new SpentTokenError("Slack does not take the refresh token any more: it was used or revoked");
  }
  if (object.ok !== true) throw new RefusedError(http.refused(what, status, word).message);
  const [token, next] = [textIn(object.access_token), textIn(object.refresh_token)];
  if (token === "" || next === "") {
    throw new ProviderError(
      "Slack gave no refresh token: turn token rotation on in the app's settings, and install it anew",
    );
  }
  return { token, refreshToken: next };
}

/** Slack says in answers of 200 what went wrong; https://docs.slack.dev/apis/web-api#responses. */
async function called(
  http: ProviderHttp,
  what: string,
  url: string,
  headers: Record<string, string>,
  body?: string,
) {
  const asked = { method: "POST" as const, headers, ...(body !== undefined && { body }) };
  const answer = await http.ask(what, url, asked);
  const object = http.object(what, answer);
  const word = textIn(object.error);
  if (object.ok !== true && busy.has(word)) throw http.unavailable(what, "asks to wait", 30, NotServedError);
  if (object.ok !== true && troubles.has(word)) throw http.unavailable(what, "has an error of its own");
  return { object, status: answer.status, headers: answer.headers };
}

const busy = new Set(["ratelimited", "rate_limited"]);
/** Of some Slack says that it may have done a part of what was asked. */
const troubles = new Set([
  "internal_error",
  "fatal_error",
  "service_unavailable",
  "request_timeout",
  "team_added_to_org",
]);
const spent = new Set(["invalid_refresh_token", "token_revoked", "token_expired", "invalid_grant"]);

const refusals = new Set([
  "invalid_auth",
  "not_authed",
  "token_revoked",
  "token_expired",
  "account_inactive",
]);

async function webhookRights(http: ProviderHttp, url: string): Promise<string[] | undefined> {
  const what = "take a message without content";
  const { status } = await http.ask(what, url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (status === 400) return ["post"];
  if ([403, 404, 410].includes(status)) return undefined;
  throw http.refused(what, status);
}
