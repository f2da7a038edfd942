import type { Fields } from "../../values/shape.ts";
import { type ProviderHttp, textIn } from "./http.ts";

/**
 * What Slack says of a token or an incoming webhook, without posting anything. Both are made and removed by hand, in the
 * app's settings: a webhook has no API. Slack's own token rotation (https://docs.slack.dev/authentication/using-token-rotation)
 * is no rotation in our sense: tokens end after 12 h, and the refresh token is used up by the request, so that a lost
 * answer ends the installation; an app that has it on refreshes its tokens itself.
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
  const what = "say what a token may do";
  const answer = await http.ask(what, `${address}/auth.test`, {
    method: "POST",
    headers: { authorization: `Bearer ${Object.values(others)[0] ?? ""}` },
  });
  const { ok, error } = http.object(what, answer);
  if (ok === true) {
    const scopes = answer.headers.get("x-oauth-scopes") ?? "";
    return scopes
      .split(/\s*,\s*/)
      .filter((scope) => scope !== "")
      .toSorted();
  }
  if (refusals.has(textIn(error))) return undefined;
  throw http.refused(what, answer.status, error);
}

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
