import { change, type Malformed } from "./case.ts";

export const missing: Malformed[] = [
  {
    name: "no owner",
    files: change("systems/shop.yaml", "owner: ada\n", ""),
    expected: [
      "systems/shop.yaml:1:1: owner is missing: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "no class, critical or sensitive (R2)",
    files: change("systems/shop.yaml", "  openai:\n    class: critical\n", "  openai:\n"),
    expected: ["systems/shop.yaml:23:3: secrets.openai.class is missing: write critical or sensitive"],
  },
  {
    name: "no kind",
    files: change("systems/shop.yaml", "    kind: api-key\n", ""),
    expected: [
      "systems/shop.yaml:23:3: secrets.openai.kind is missing: write one of hmac, api-key, token, password, nats, jwt, fernet, s3, webhook, file, certificate",
    ],
  },
  {
    name: "no people",
    files: change(
      "organization.yaml",
      "people:\n  ada: { email: ada@acme.example, groups: [platform] }\n  ben: { email: ben@acme.example }\n",
      "",
    ),
    expected: ["organization.yaml:1:1: people is missing: write a mapping of names"],
  },
  {
    name: "no organization.yaml",
    files: ({ "systems/shop.yaml": text }) => ({ "systems/shop.yaml": text ?? "" }),
    expected: ["organization.yaml:1:1: is not there: write the organization's people and environments in it"],
  },
  {
    name: "a secret without a period",
    files: change("systems/shop.yaml", "rotate: { by: hand, every: 90d }", "rotate: { by: hand }"),
    expected: [
      "systems/shop.yaml:27:5: secrets.openai.rotate.every is missing: write 90d or shorter, or on-compromise: true (R20)",
    ],
  },
  {
    name: "a service on a host without a user",
    files: change("systems/shop.yaml", "    user: 1000\n    reload", "    reload"),
    expected: [
      "systems/shop.yaml:8:3: services.worker.user is missing: write the uid or user name that owns its files (R45)",
    ],
  },
  {
    name: "a database without a host",
    files: change("organization.yaml", "    postgres: { host: db.acme.example }\n", ""),
    expected: [
      "systems/shop.yaml:33:22: databases.orders.at.production.host is missing: write it, or postgres: { host: … } in environments.production",
    ],
  },
  {
    name: "an environment without ranges for its hosts",
    files: change("organization.yaml", "      cidrs: [10.0.0.0/16]\n", ""),
    expected: [
      "organization.yaml:16:5: environments.production.vault.cidrs is missing: write the ranges that hosts log in from, such as [10.20.0.0/16]",
    ],
  },
  {
    name: "a CI job without a repository",
    files: change("systems/shop.yaml", "repository: { name: acme/shop, id: 3, owner-id: 2 }\n", ""),
    expected: [
      "systems/shop.yaml:1:1: repository is missing, but ci has jobs: write { name: …, id: …, owner-id: … } (R11)",
    ],
  },
  {
    name: "a single administrator",
    files: change("organization.yaml", "administrators: [ada, ben]", "administrators: [ada]"),
    expected: [
      "organization.yaml:7:17: administrators names fewer than two people: name at least two, so that one can be away (R59)",
    ],
  },
  {
    name: "a single audit device",
    files: change("organization.yaml", "        two: { type: syslog, facility: AUTH }\n", ""),
    expected: [
      "organization.yaml:18:7: environments.production.vault.audit has fewer than two devices: one that blocks would stop Vault; write two (R51)",
    ],
  },
  {
    name: "two audit devices in one place",
    files: change(
      "organization.yaml",
      "two: { type: syslog, facility: AUTH }",
      "two: { type: file, path: /var/log/vault/audit.log }",
    ),
    expected: [
      'organization.yaml:20:9: environments.production.vault.audit.two writes to the same place as "one": use a separate failure domain',
    ],
  },
  {
    name: "an environment without a Vault",
    files: change("organization.yaml", "  local: {}\n", "  local: {}\n  testing: {}\n"),
    expected: [
      "organization.yaml:15:3: environments.testing.vault.address is missing: write https://…, only the environment local goes without",
    ],
  },
];
