import { change, type Malformed } from "./case.ts";

export const bounds: Malformed[] = [
  {
    name: "a dynamic user over an hour",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 2h"),
    expected: ['systems/shop.yaml:37:48: databases.orders.users.worker.ttl is "2h": write at most 1h (R12)'],
  },
  {
    name: "a maximum over an hour",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 15m, max-ttl: 61m"),
    expected: [
      'systems/shop.yaml:37:62: databases.orders.users.worker.max-ttl is "61m": write at most 1h (R12)',
    ],
  },
  {
    name: "a maximum below the usual lifetime",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 15m, max-ttl: 10m"),
    expected: [
      'systems/shop.yaml:37:62: databases.orders.users.worker.max-ttl is "10m": write at least the ttl, which is 15m',
    ],
  },
  {
    name: "a difference that breaks a bound in one environment",
    files: change(
      "systems/shop.yaml",
      "    engine: postgres",
      "    engine: postgres\n    per-environment: { production: { users: { worker: { ttl: 24h } } } }",
    ),
    expected: ['systems/shop.yaml:33:62: databases.orders.users.worker.ttl is "24h": write at most 1h (R12)'],
  },
  {
    name: "a period over its kind's",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 366d, overlap: 24h"),
    expected: ['systems/shop.yaml:19:22: secrets.signing.rotate.every is "366d": write at most 365d (R20)'],
  },
  {
    name: "a period over its provider's",
    files: change("systems/shop.yaml", "by: hand, every: 90d", "by: hand, every: 91d"),
    expected: [
      'systems/shop.yaml:27:32: secrets.openai.rotate.every is "91d": write at most 90d (R19, the bound of openai)',
    ],
  },
  {
    name: "no overlap for two live values",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30d"),
    expected: [
      "systems/shop.yaml:19:5: secrets.signing.rotate.overlap is missing: two values of kind hmac are live at once, write 1h or more (R27)",
    ],
  },
  {
    name: "an overlap as long as the period",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 24h, overlap: 24h"),
    expected: [
      'systems/shop.yaml:19:36: secrets.signing.rotate.overlap is "24h": write less than rotate.every, which is 24h',
    ],
  },
  {
    name: "too few random bytes",
    files: change("systems/shop.yaml", "kind: hmac", "kind: hmac\n    generator: { bytes: 16B }"),
    expected: ['systems/shop.yaml:18:25: secrets.signing.generator.bytes is "16B": write at least 32B (R65)'],
  },
  {
    name: "a transit key that rotates too seldom",
    files: change(
      "systems/shop.yaml",
      "rotate: { every: 90d }\n    retain",
      "rotate: { every: 91d }\n    retain",
    ),
    expected: [
      'systems/shop.yaml:44:22: encryption-keys.documents.rotate.every is "91d": write at most 90d (R17)',
    ],
  },
  {
    name: "a transit key that is kept too short",
    files: change("systems/shop.yaml", "retain: 30d", "retain: 29d"),
    expected: [
      'systems/shop.yaml:45:13: encryption-keys.documents.retain is "29d": write at least 30d (R22)',
    ],
  },
  {
    name: "a service that is given longer to take up a value than a rotation may observe it",
    files: change("systems/shop.yaml", "reload: restart }", "reload: restart, settles: 31m }"),
    expected: ['systems/shop.yaml:7:66: services.api.settles is "31m": write at most 30m'],
  },
  {
    name: "a CI token over an hour",
    files: change("systems/shop.yaml", "workflow: deploy.yml", "workflow: deploy.yml, ttl: 2h"),
    expected: ['systems/shop.yaml:5:40: ci.deploy.ttl is "2h": write at most 1h (R13)'],
  },
  {
    name: "a machine that rotates what has no API",
    files: change("systems/shop.yaml", "by: hand, every: 90d", "by: machine, every: 90d"),
    expected: [
      "systems/shop.yaml:27:19: secrets.openai.rotate.by is done by machine, but openai has no API for it: write by: hand (R19)",
    ],
  },
  {
    name: "a consumer that neither signs nor listens",
    files: change("systems/shop.yaml", "{ role: signer, as: { SIGNING", "{ as: { SIGNING"),
    expected: [
      "systems/shop.yaml:22:7: secrets.signing.consumers.api does not say whether it signs or listens: write role: listener or role: signer (R29)",
    ],
  },
  {
    name: "a database connection without TLS",
    files: change("systems/shop.yaml", "production: {} }", "production: { tls: disable } }"),
    expected: [
      'systems/shop.yaml:33:41: databases.orders.at.production.tls is "disable": write verify-full, or an entry of exceptions with rule: database-tls (R53)',
    ],
  },
  {
    name: "a secret's name with ..",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "../etc":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."../etc" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a wildcard",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "*":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."*" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a plus",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a+b":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."a+b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a slash",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a/b":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."a/b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a newline",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a\\nb":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."a\\nb" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a dot",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a.b":\n    class'),
    expected: [
      'systems/shop.yaml:23:3: secrets."a.b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with capitals",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "Api":\n    class'),
    expected: [
      "systems/shop.yaml:23:3: secrets.Api is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "a secret's name with two separators",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a--b":\n    class'),
    expected: [
      "systems/shop.yaml:23:3: secrets.a--b is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "a system named like the platform",
    files: change("systems/shop.yaml", "system: shop", "system: keyplane"),
    expected: [
      'organization.yaml:10:44: groups.platform.operates[0] is "shop", which is not a system: write one of keyplane',
      'systems/shop.yaml:1:9: system is "keyplane", the platform\'s own name: take another name',
    ],
  },
  {
    name: "a name over 40 characters",
    files: change(
      "systems/shop.yaml",
      "  openai:\n    class",
      "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:\n    class",
    ),
    expected: [
      "systems/shop.yaml:23:3: secrets.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is not a name that can stand here: write at most 40 characters",
    ],
  },
  {
    name: "a workflow outside its folder",
    files: change("systems/shop.yaml", "workflow: deploy.yml", "workflow: ../deploy.yml"),
    expected: [
      'systems/shop.yaml:5:23: ci.deploy.workflow is "../deploy.yml": write a file name of letters, digits, . _ and -, without folders',
    ],
  },
  {
    name: "a group that administrators makes",
    files: change(
      "organization.yaml",
      "  platform: { purpose",
      "  administrators: { purpose: Does it }\n  platform: { purpose",
    ),
    expected: [
      "organization.yaml:10:3: groups.administrators is the name of the group that administrators makes: take another name",
    ],
  },
  {
    name: "a group that sees everything and sets values",
    files: change("organization.yaml", "operates: [shop] }", "operates: [shop], audits: true }"),
    expected: [
      "organization.yaml:10:59: groups.platform.audits stands beside operates or reads: who sees everything changes nothing, make a group for each",
    ],
  },
  {
    name: "a credential among the settings",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'UPSTREAM: "https://user:hunter2@acme.example"'),
    expected: [
      "systems/shop.yaml:13:13: settings.UPSTREAM holds what looks like a credential: declare it under secrets and change it, it stood in a file",
    ],
  },
  {
    name: "a setting with the name of a secret",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "STRIPE_API_KEY: x"),
    expected: [
      "systems/shop.yaml:13:3: settings.STRIPE_API_KEY has the name of a secret: declare it under secrets",
    ],
  },
  {
    name: "a password in a template",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { line: "https://x:hunter2@acme.example/{key}" }\n',
    ),
    expected: [
      "systems/shop.yaml:27:24: secrets.openai.templates.line holds a password: write {password} in its place and change the password",
    ],
  },
  {
    name: "a value where a field's name is meant",
    files: change(
      "systems/shop.yaml",
      "{ as: { OPENAI_API_KEY: key } }",
      "{ as: { OPENAI_API_KEY: sk-proj-9d8f7a6s5d4f3g2h1j0k } }",
    ),
    expected: [
      "systems/shop.yaml:29:36: secrets.openai.consumers.api.as.OPENAI_API_KEY is a text that is not shown, which is not a field of this secret: write one of key",
    ],
  },
  {
    name: "per-environment in the wrong place",
    files: change(
      "systems/shop.yaml",
      "rotate: { by: hand, every: 90d }",
      "rotate: { by: hand, every: 90d, per-environment: {} }",
    ),
    expected: [
      "systems/shop.yaml:27:37: secrets.openai.rotate.per-environment is not a field: write one of by, every, on-compromise, overlap, or remove it",
    ],
  },
  {
    name: "a difference that is no mapping",
    files: change(
      "systems/shop.yaml",
      "    reload: watch",
      "    reload: watch\n    per-environment: { local: restart }",
    ),
    expected: [
      'systems/shop.yaml:12:31: services.worker.per-environment.local is "restart": write the fields that differ, such as { rotate: { every: 30d } }',
    ],
  },
  {
    name: "a part with one of the platform's names",
    files: change("systems/shop.yaml", "owner: ada", "owner: ada\npart: platform"),
    expected: [
      'systems/shop.yaml:3:7: part is "platform": take another name, this one is the platform\'s own',
    ],
  },
];
