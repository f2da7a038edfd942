import { seconds } from "../duration.ts";
import type { Path } from "../load/node.ts";
import type { SecretEntry } from "../schema/secret.ts";
import type { Subject } from "./subject.ts";

const fields = ["token", "refresh-token"];
/** Seconds that a token of an app with token rotation lives; https://docs.slack.dev/authentication/using-token-rotation */
const life = 12 * 3600;

/** A token of Slack comes with the refresh token that the next one is got with, and nobody else may use that up. */
export function checkSlack({ file, organization }: Subject, place: Path, entry: SecretEntry): void {
  const { api, adapter } = organization?.providers?.[entry.provider ?? ""] ?? {};
  const { by, every } = entry.rotate;
  if (api !== true || adapter !== "slack" || by === "hand") return;
  if (fields.some((field) => !(entry.fields ?? []).includes(field))) {
    file.report(
      [...place, "fields"],
      `must be [${fields.join(", ")}]: a token of Slack is exchanged by them`,
    );
  }
  if (every !== undefined && seconds(every) >= life) {
    file.reportValue(
      [...place, "rotate", "every"],
      "write less than 12h, such as 6h: a token of Slack ends by then",
    );
  }
  for (const [consumer, one] of Object.entries(entry.consumers ?? {})) {
    for (const [variable, field] of Object.entries(one?.as ?? {})) {
      if (field !== "refresh-token") continue;
      file.report(
        [...place, "consumers", consumer, "as", variable],
        "is the refresh token, which works once and is the rotation's alone: give the consumer its token",
        "value",
      );
    }
  }
}
