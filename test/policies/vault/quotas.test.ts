import assert from "node:assert/strict";
import { test } from "node:test";
import * as quotas from "../../../policies/vault/quotas.ts";
import { vault } from "../../../policies/vault/types.ts";
import { changed, everything, everythingOf, findings, ruleSuite, shipped } from "../examples.ts";

ruleSuite(quotas.quotaBounds, shipped(vault.quota, "keyplane.human"), {
  "no bound": [{ rate: 1_000_000 }, ["1000000 requests in 60 s are no bound"]],
  "fewer logins than people need": [
    { interval: 3600 },
    ["60 requests in 3600 s are fewer than a fleet needs"],
  ],
  unset: [
    { rate: undefined, interval: undefined },
    ["rate is not set", "interval is not between 1 and 3600 s"],
  ],
});
ruleSuite(quotas.quotaBounds, shipped(vault.quota, "keyplane.global"), {
  "fewer requests than a fleet needs": [
    { interval: 1001 },
    ["5000 requests in 1001 s are fewer than a fleet needs"],
  ],
});

test("quota-everywhere: refuses a Vault without a bound for all, and a login without one", () => {
  assert.deepEqual(findings(quotas.quotaEverywhere, everything()), []);
  assert.deepEqual(
    findings(quotas.quotaEverywhere, everythingOf(vault.quota, { path: "" })),
    [
      "no quota bounds logins at auth/aws/login",
      "no quota bounds logins at auth/oidc/oidc/callback",
      "no quota bounds logins at auth/approle/login",
      "no quota bounds logins at auth/github/login",
    ].toSorted((a, b) => order(a) - order(b)),
  );
  const people = [
    shipped(vault.mount),
    changed(shipped(vault.auth, "oidc"), { type: "userpass", path: "userpass" }),
  ];
  const quota = (path: string) => [
    shipped(vault.quota, "keyplane.global"),
    changed(shipped(vault.quota, "keyplane.human"), { path }),
  ];
  for (const path of ["auth/userpass", "auth/userpass/", "auth/userpass/*", "auth/userpass/login/*"]) {
    assert.deepEqual(findings(quotas.quotaEverywhere, [...people, ...quota(path)]), [], path);
  }
  for (const path of [
    "auth/userpass/login",
    "auth/userpass/users/*",
    "auth/userpas*",
    "auth/other/login/*",
    "*",
  ]) {
    assert.deepEqual(
      findings(quotas.quotaEverywhere, [...people, ...quota(path)]),
      ["no quota bounds logins at auth/userpass/login/NAME"],
      path,
    );
  }
  const radius = changed(shipped(vault.auth, "oidc"), { type: "radius", path: "radius" });
  assert.deepEqual(findings(quotas.quotaEverywhere, [radius, ...quota("auth/radius/login")]), [
    "no quota bounds logins at auth/radius/login/NAME",
  ]);
});

function order(message: string): number {
  return everything().findIndex(({ props }) => message.includes(` auth/${String(props.path)}/`));
}
