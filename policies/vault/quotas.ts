import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { number, text } from "../value.ts";
import { humanLogins, vault } from "./types.ts";

export const quotaBounds: ResourceRule = {
  name: "quota-bounds",
  sentence: "A quota holds a client to a rate that a person or a fleet can need and an attack cannot use.",
  severity: "medium",
  fix: "Set rate and interval: 10 to 10,000 a second for everything, 10 to 1,000 a minute for a login.",
  controls: ["NIST-800-53r5/SC-5", "R48"],
  types: [vault.quota],
  *judge({ props }) {
    const rate = number(props.rate);
    const interval = number(props.interval);
    const login = (text(props.path) ?? "").startsWith("auth/");
    if (typeof props.path !== "string") yield "path is not said";
    if (rate === undefined || rate <= 0) yield "rate is not set";
    if (interval === undefined || interval <= 0 || interval > 3600)
      yield "interval is not between 1 and 3600 s";
    if (rate === undefined || interval === undefined || interval <= 0) return;
    const most = login ? 1000 / 60 : 10_000;
    if (rate / interval > most) yield `${rate} requests in ${interval} s are no bound`;
    const least = login ? 10 / 60 : 10;
    if (rate > 0 && rate / interval < least)
      yield `${rate} requests in ${interval} s are fewer than a fleet needs`;
  },
};

export const quotaEverywhere: StackRule = {
  name: "quota-everywhere",
  sentence: "One quota bounds the whole Vault, and each login has its own.",
  severity: "medium",
  fix: "Declare a quota with an empty path and one for the login of each auth mount, such as auth/github/login.",
  controls: ["NIST-800-53r5/SC-5", "R48"],
  *judgeStack(resources) {
    const mounts = resources.filter(({ type }) => type === vault.auth || type === vault.jwt);
    if (mounts.length === 0 && ofType(resources, vault.mount).length === 0) return;
    const paths = ofType(resources, vault.quota).map(({ props }) => String(props.path).replace(/\/$/, ""));
    const exact = new Set(paths);
    const globs = paths.filter((path) => path.endsWith("*")).map((path) => path.slice(0, -1));
    if (!exact.has("")) yield { message: "no quota bounds the whole Vault" };
    for (const { urn, props } of mounts) {
      if (props.type === "kubernetes") continue;
      const mount = `auth/${text(props.path) ?? ""}`;
      const login = `${mount}/${loginOf(text(props.type))}`;
      if (exact.has(mount) || exact.has(login)) continue;
      if (!globs.some((glob) => glob.startsWith(`${mount}/`) && login.startsWith(glob))) {
        yield { urn, message: `no quota bounds logins at ${login}` };
      }
    }
  },
};

/**
 * Where one logs in below a mount of a type. A quota's path may end with a glob behind the mount:
 * https://developer.hashicorp.com/vault/api-docs/system/rate-limit-quotas
 */
function loginOf(type: string | undefined): string {
  if (type === "oidc") return "oidc/callback";
  return humanLogins.includes(type ?? "") ? "login/NAME" : "login";
}
