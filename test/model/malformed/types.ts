import { change, type Malformed } from "./case.ts";

export const types: Malformed[] = [
  {
    name: "a number for a name",
    files: change("systems/shop.yaml", "owner: ada", "owner: 7"),
    expected: [
      "systems/shop.yaml:2:8: owner is 7: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "a text for a list",
    files: change("systems/shop.yaml", "reads: [signing]", "reads: signing"),
    expected: ['systems/shop.yaml:5:42: ci.deploy.reads is "signing": write a list, such as [a, b]'],
  },
  {
    name: "a list for a mapping",
    files: change("systems/shop.yaml", "secrets:\n", "secrets: []\nx-secrets:\n"),
    expected: [
      "systems/shop.yaml:14:10: secrets is a list: write a mapping of names",
      'systems/shop.yaml:15:1: x-secrets is not a field: did you mean "secrets"?',
    ],
  },
  {
    name: "a text for a mapping",
    files: change("systems/shop.yaml", "rotate: { by: hand, every: 90d }", "rotate: yearly"),
    expected: ['systems/shop.yaml:27:13: secrets.openai.rotate is "yearly": write a mapping of its fields'],
  },
  {
    name: "nothing for a mapping",
    files: change("systems/shop.yaml", "rotate: { by: hand, every: 90d }", "rotate:"),
    expected: ["systems/shop.yaml:27:12: secrets.openai.rotate is empty: write a mapping of its fields"],
  },
  {
    name: "a truth for a date",
    files: change(
      "systems/shop.yaml",
      "retain: 30d",
      "retain: 30d\n    retired: { since: true, reason: Not used any more }",
    ),
    expected: [
      "systems/shop.yaml:46:23: encryption-keys.documents.retired.since is true: write a day such as 2026-12-31",
    ],
  },
  {
    name: "a day that does not exist",
    files: change(
      "systems/shop.yaml",
      "retain: 30d",
      "retain: 30d\n    retired: { since: 2026-02-30, reason: Not used any more }",
    ),
    expected: [
      'systems/shop.yaml:46:23: encryption-keys.documents.retired.since is "2026-02-30": write a day of the calendar, such as 2026-12-31',
    ],
  },
  {
    name: "a duration without a unit",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30, overlap: 24h"),
    expected: [
      "systems/shop.yaml:19:22: secrets.signing.rotate.every is 30: write a duration such as 21d or 12h",
    ],
  },
  {
    name: "a duration with a wrong unit",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 3 weekz, overlap: 24h"),
    expected: [
      'systems/shop.yaml:19:22: secrets.signing.rotate.every is "3 weekz": write a duration such as 21d or 12h',
    ],
  },
  {
    name: "a duration of nothing",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30d, overlap: 0h"),
    expected: [
      'systems/shop.yaml:19:36: secrets.signing.rotate.overlap is "0h": write a duration such as 21d or 12h',
    ],
  },
  {
    name: "a size without a unit",
    files: change("systems/shop.yaml", "kind: hmac", "kind: hmac\n    generator: { bytes: 32 }"),
    expected: ["systems/shop.yaml:18:25: secrets.signing.generator.bytes is 32: write a size such as 32B"],
  },
  {
    name: "a port out of range",
    files: change("systems/shop.yaml", "local: {}, production: {}", "local: {}, production: { port: 65536 }"),
    expected: [
      "systems/shop.yaml:33:42: databases.orders.at.production.port is 65536: write a port from 1 to 65535",
    ],
  },
  {
    name: "a host with a scheme",
    files: change(
      "systems/shop.yaml",
      "local: {}, production: {}",
      'local: {}, production: { host: "postgres://x" }',
    ),
    expected: [
      'systems/shop.yaml:33:42: databases.orders.at.production.host is "postgres://x": write a host name or an IPv4 address, without scheme and port',
    ],
  },
  {
    name: "an address without TLS",
    files: change("organization.yaml", "address: https://", "address: http://"),
    expected: [
      'organization.yaml:17:16: environments.production.vault.address is "http://vault.acme.example": write an https:// address without user, query and wildcard, such as https://vault.acme.example',
    ],
  },
  {
    name: "a list of regions, which is reserved",
    files: change(
      "organization.yaml",
      "    postgres: {",
      '    aws: { account: "111111111111", region: [eu-west-1] }\n    postgres: {',
    ),
    expected: [
      "organization.yaml:22:45: environments.production.aws.region is a list: write one region such as eu-west-1; lists of regions are reserved",
    ],
  },
  {
    name: "an account as a number",
    files: change(
      "organization.yaml",
      "    postgres: {",
      "    aws: { account: 111111111111, region: eu-west-1 }\n    postgres: {",
    ),
    expected: [
      'organization.yaml:22:21: environments.production.aws.account is 111111111111: write the account as 12 digits in quotes, such as "111111111111"',
    ],
  },
  {
    name: "the private half of an age key (R5)",
    files: change(
      "organization.yaml",
      "email: ada@acme.example",
      "email: ada@acme.example, age: AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
    ),
    expected: [
      "organization.yaml:5:40: people.ada.age is a text that is not shown: write the public half, which age-keygen prints after 'public key:' (age1…)",
    ],
  },
  {
    name: "the whole internet as a range",
    files: change("organization.yaml", "10.0.0.0/16", "0.0.0.0/0"),
    expected: [
      'organization.yaml:21:15: environments.production.vault.cidrs[0] is "0.0.0.0/0": write a range that is not the whole internet',
    ],
  },
  {
    name: "a branch pattern",
    files: change(
      "organization.yaml",
      "    postgres: {",
      '    github: { branches: ["release/*"] }\n    postgres: {',
    ),
    expected: [
      'organization.yaml:22:26: environments.production.github.branches[0] is "release/*": write an exact branch name such as main; patterns are not bound',
    ],
  },
  {
    name: "an unknown kind",
    files: change("systems/shop.yaml", "kind: hmac", "kind: hmacs"),
    expected: [
      'systems/shop.yaml:17:11: secrets.signing.kind is "hmacs": write one of hmac, api-key, token, password, nats, jwt, fernet, s3, webhook, file, certificate',
    ],
  },
  {
    name: "a private key where a certificate is meant",
    files: change(
      "organization.yaml",
      "    postgres: {",
      '    github: { certificate: "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\\n-----END PRIVATE KEY-----" }\n    postgres: {',
    ),
    expected: [
      "organization.yaml:22:28: environments.production.github.certificate is a text that is not shown: write the PEM of a certificate: -----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----",
    ],
  },
  {
    name: "a socket without a port",
    files: change(
      "organization.yaml",
      "{ type: syslog, facility: AUTH }",
      "{ type: socket, address: audit.acme.example }",
    ),
    expected: [
      'organization.yaml:20:39: environments.production.vault.audit.two.address is "audit.acme.example": write HOST:PORT',
    ],
  },
  {
    name: "an age key with one wrong letter",
    files: change(
      "organization.yaml",
      "email: ada@acme.example",
      "email: ada@acme.example, age: age1fdp77cwhczsjehxehu09g2k2s3qmxhsdf3tsyca9gwcg6jphls9sh5jgl8",
    ),
    expected: [
      "organization.yaml:5:40: people.ada.age is a text that is not shown: copy the public half again, a letter of it is wrong",
    ],
  },
];
