import { change, type Malformed } from "./case.ts";

export const organization: Malformed[] = [
  {
    name: "a login by OIDC without its provider",
    files: change(
      "organization.yaml",
      "      address: https",
      "      human-login: oidc\n      address: https",
    ),
    expected: [
      "organization.yaml:16:5: environments.production.vault.oidc is missing beside human-login: oidc: write { discovery-url: …, client-id: … }",
    ],
  },
  {
    name: "a Vault without audit",
    files: change(
      "organization.yaml",
      "      audit:\n        one: { type: file, path: /var/log/vault/audit.log }\n        two: { type: syslog, facility: AUTH }\n",
      "",
    ),
    expected: [
      "organization.yaml:16:5: environments.production.vault.audit is missing: write two devices on separate failure domains (R51)",
    ],
  },
  {
    name: "an address of Vault with a bracket that does not close",
    files: change("organization.yaml", "https://vault.acme.example", "https://[vault.acme.example"),
    expected: [
      'organization.yaml:17:16: environments.production.vault.address is "https://[vault.acme.example": write an https:// address without user, query and wildcard, such as https://vault.acme.example',
    ],
  },
  {
    name: "an address of Vault with a port over 65535",
    files: change("organization.yaml", "https://vault.acme.example", "https://vault.acme.example:65536"),
    expected: [
      'organization.yaml:17:16: environments.production.vault.address is "https://vault.acme.example:65536": write an https:// address without user, query and wildcard, such as https://vault.acme.example',
    ],
  },
  {
    name: "two people with one age key",
    files: change(
      "organization.yaml",
      "  ada: { email: ada@acme.example, groups: [platform] }\n  ben: { email: ben@acme.example }",
      "  ada: { email: ada@acme.example, groups: [platform], age: age1fdp77cwhczsjehxehu09g2k2s3qmxhsdf3tsyca9gwcg6jphls9sh5jgl7 }\n  ben: { email: ben@acme.example, age: age1fdp77cwhczsjehxehu09g2k2s3qmxhsdf3tsyca9gwcg6jphls9sh5jgl7 }",
    ),
    expected: ['organization.yaml:6:40: people.ben.age is also the key of "ada": give each person their own'],
  },
  {
    name: "a person who joins the administrators as a group",
    files: change("organization.yaml", "groups: [platform]", "groups: [administrators]"),
    expected: [
      'organization.yaml:5:44: people.ada.groups[0] is "administrators": add the name to administrators instead',
    ],
  },
  {
    name: "no environment",
    files: change(
      "organization.yaml",
      "environments:\n  local: {}\n  production:\n    vault:\n      address: https://vault.acme.example\n      audit:\n        one: { type: file, path: /var/log/vault/audit.log }\n        two: { type: syslog, facility: AUTH }\n      cidrs: [10.0.0.0/16]\n    postgres: { host: db.acme.example }\n",
      "environments: {}\n",
    ),
    expected: ["organization.yaml:13:15: environments names no environment: write local: {} at least"],
  },
  {
    name: "an unknown owner of an exception",
    files: change(
      "organization.yaml",
      "administrators:",
      "exceptions: { old: { rule: R12, applies-to: shop/orders, owner: cleo, reason: It is old, expires: 2026-12-31 } }\nadministrators:",
    ),
    expected: [
      'organization.yaml:7:65: exceptions.old.owner is "cleo", which is not a person: write one of ada, ben',
    ],
  },
  {
    name: "services on Kubernetes in an environment that names none",
    files: change(
      "systems/shop.yaml",
      "api: { runs-on: compose, user: 1000, reload: restart }",
      "api: { runs-on: kubernetes, reload: restart, kubernetes: { namespace: a, service-account: b } }",
    ),
    expected: [
      "organization.yaml:16:5: environments.production.vault.kubernetes is missing, but services run there: write { host: … }",
    ],
  },
];
