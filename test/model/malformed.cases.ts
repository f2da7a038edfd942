import { shop } from "./shop.ts";

type Files = Record<string, string>;

/** A catalogue that must be refused, and every line of what is said about it. */
export interface Malformed {
  name: string;
  files: (right: Files) => Files;
  expected: string[];
}

/** The right catalogue with one piece of a file's text replaced. */
function change(file: string, piece: string, by: string): Malformed["files"] {
  return (files) => {
    const text = files[file] ?? "";
    if (!text.includes(piece)) throw new Error(`${file} holds no ${JSON.stringify(piece)}`);
    return { ...files, [file]: text.replace(piece, () => by) };
  };
}

/** The right catalogue with a file of this text. */
function write(file: string, text: string): Malformed["files"] {
  return (files) => ({ ...files, [file]: text });
}

/** Nine levels of nine aliases each: 387 million values in under a kilobyte. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const item = level === 0 ? "x" : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 9 }, () => item).join(", ")}]\n`;
  });
  return `system: shop\n${levels.join("")}`;
}

export const cases: Malformed[] = [
  {
    name: "a bracket that is not closed",
    files: change("systems/shop.yaml", "reads: [signing] }", "reads: [signing }"),
    expected: [
      "systems/shop.yaml:5:51: is not YAML: close the quote, bracket or brace, or write the missing comma or colon",
    ],
  },
  {
    name: "a quote that is not closed",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "info'),
    expected: [
      "systems/shop.yaml:46:1: is not YAML: close the quote, bracket or brace, or write the missing comma or colon",
    ],
  },
  {
    name: "a tab as indentation",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "\tLOG_LEVEL: info"),
    expected: ["systems/shop.yaml:13:1: is not YAML: indent with spaces, not tabs"],
  },
  {
    name: "a line indented wrongly",
    files: change(
      "systems/shop.yaml",
      "    user: 1000\n    reload: watch",
      "    user: 1000\n   reload: watch",
    ),
    expected: ["systems/shop.yaml:11:1: is not YAML: indent this line like its neighbours, with spaces"],
  },
  {
    name: "a colon in a plain value",
    files: change("systems/shop.yaml", "owner: ada", "owner: ada: ben"),
    expected: [
      "systems/shop.yaml:2:8: is not YAML: start the nested mapping on a line of its own, or put a value that holds ': ' in quotes",
    ],
  },
  {
    name: "a second document",
    files: change("systems/shop.yaml", "owner: ada", "owner: ada\n---\nsystem: other"),
    expected: ["systems/shop.yaml:3:1: is not YAML: write one document per file, without a second ---"],
  },
  {
    name: "a directive",
    files: change("systems/shop.yaml", "system: shop", "%FOO\nsystem: shop"),
    expected: ["systems/shop.yaml:1:1: starts with a YAML directive: remove the % line"],
  },
  {
    name: "an empty file",
    files: write("systems/shop.yaml", ""),
    expected: ["systems/shop.yaml:1:1: the file is empty: write a mapping of its fields"],
  },
  {
    name: "a list instead of a mapping",
    files: write("systems/shop.yaml", "- system: shop\n"),
    expected: ["systems/shop.yaml:1:1: the file is a list: write a mapping of its fields"],
  },
  {
    name: "a text instead of a mapping",
    files: write("systems/shop.yaml", "shop\n"),
    expected: ['systems/shop.yaml:1:1: the file is "shop": write a mapping of its fields'],
  },
  {
    name: "a merge key",
    files: change(
      "systems/shop.yaml",
      "  worker:\n    runs-on: compose",
      "  worker:\n    <<: { reload: watch }\n    runs-on: compose",
    ),
    expected: [
      "systems/shop.yaml:9:5: merge keys are not read: repeat the fields, or give a whole entry an anchor and use its alias",
    ],
  },
  {
    name: "a custom tag",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: !secret info"),
    expected: ['systems/shop.yaml:13:14: has the tag "!secret": remove it, tags are not read'],
  },
  {
    name: "a core tag",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: !!str info"),
    expected: ['systems/shop.yaml:13:14: has the tag "!!str": remove it, tags are not read'],
  },
  {
    name: "a tag that would run code elsewhere",
    files: change(
      "systems/shop.yaml",
      "owner: ada",
      'owner: !!js/function "function () { process.exit(7) }"',
    ),
    expected: ['systems/shop.yaml:2:8: has the tag "!!js/function": remove it, tags are not read'],
  },
  {
    name: "an alias without an anchor",
    files: change("systems/shop.yaml", "owner: ada", "owner: *who"),
    expected: [
      'systems/shop.yaml:2:8: alias "who" has no anchor before it: write &who at the value that it repeats',
    ],
  },
  {
    name: "an alias to an anchor of nearly that name",
    files: change(
      "systems/shop.yaml",
      "      api: { as: { OPENAI_API_KEY: key } }",
      "      api: &openai { as: { OPENAI_API_KEY: key } }\n      worker: *openia",
    ),
    expected: ['systems/shop.yaml:29:15: alias "openia" has no anchor before it: did you mean *openai?'],
  },
  {
    name: "an alias inside its own anchor",
    files: change("systems/shop.yaml", "settings:\n", "settings: &all\n  OTHER: *all\n"),
    expected: [
      'systems/shop.yaml:13:10: alias "all" has no anchor before it: write &all at the value that it repeats',
    ],
  },
  {
    name: "an alias bomb",
    files: write("systems/shop.yaml", bomb()),
    expected: [
      "systems/shop.yaml:7:15: holds over 200000 values once its aliases are written out: repeat less",
    ],
  },
  {
    name: "a nesting beyond the bound",
    files: write("systems/shop.yaml", `system: ${"[".repeat(30)}${"]".repeat(30)}\n`),
    expected: ["systems/shop.yaml:1:29: nests too deeply: write at most 20 levels"],
  },
  {
    name: "a nesting beyond the parser's stack",
    files: write("systems/shop.yaml", `system: ${"[".repeat(300_000)}\n`),
    expected: ["systems/shop.yaml:1:29: nests too deeply: write at most 20 levels"],
  },
  {
    name: "a text over a mebibyte",
    files: write("systems/shop.yaml", `system: shop # ${"x".repeat(1024 * 1024)}\n`),
    expected: ["systems/shop.yaml:1:1: is over 1024 KiB: split it into one file per system"],
  },
  {
    name: "a NUL character",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "in\u0000fo"'),
    expected: [
      "systems/shop.yaml:13:17: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "an escape character of the terminal",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "\u001b[31m"'),
    expected: [
      "systems/shop.yaml:13:15: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "a character that reverses the reading direction",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: in‮fo"),
    expected: [
      "systems/shop.yaml:13:16: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "a key that is a list",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "  ? [LOG_LEVEL]\n  : info"),
    expected: ["systems/shop.yaml:13:5: a key is not a plain text: write a name"],
  },
  {
    name: "a key that is a prototype",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "  __proto__: info"),
    expected: ["systems/shop.yaml:13:3: a key is not a name: write a name"],
  },
  {
    name: "a number that is none",
    files: change("systems/shop.yaml", "user: 1000, reload", "user: .nan, reload"),
    expected: [
      "systems/shop.yaml:7:34: is not a value that the catalogue knows: write a text, a number, true or false",
    ],
  },
  {
    name: "the same field twice",
    files: change("systems/shop.yaml", "owner: ada\n", "owner: ada\nowner: ben\n"),
    expected: [
      'systems/shop.yaml:3:1: key "owner" is already in this mapping at line 2: keep one of the two',
    ],
  },
  {
    name: "the same secret twice",
    files: change("systems/shop.yaml", "  openai:\n    class", "  signing: {}\n  openai:\n    class"),
    expected: [
      'systems/shop.yaml:22:3: key "signing" is already in this mapping at line 15: keep one of the two',
    ],
  },
  {
    name: "two files for one system",
    files: write("systems/other.yaml", shop),
    expected: [
      'systems/shop.yaml:1:9: system is "shop", which catalogue/systems/other.yaml already declares: keep one file per system',
    ],
  },
  {
    name: "the same variable twice in one service",
    files: change("systems/shop.yaml", "{ as: { OPENAI_API_KEY: key } }", "{ as: { SIGNING_FILE: key } }"),
    expected: [
      "systems/shop.yaml:28:20: secrets.openai.consumers.api.as.SIGNING_FILE gives api the variable SIGNING_FILE, as secrets.signing.consumers.api does: keep one of the two",
    ],
  },
  {
    name: "a setting named like a secret's variable",
    files: change(
      "systems/shop.yaml",
      "LOG_LEVEL: info",
      "OPENAI_API_KEY_FILE: info\n  SIGNING_FILE: { value: x, services: [api] }",
    ),
    expected: [
      "systems/shop.yaml:14:3: settings.SIGNING_FILE gives api the variable SIGNING_FILE, as secrets.signing.consumers.api does: keep one of the two",
    ],
  },
  {
    name: "two variables in one file",
    files: change(
      "systems/shop.yaml",
      "role: listener, as: { SIGNING_FILE: primary } }",
      "role: listener, as: { SIGNING_FILE: primary, SIGNING__FILE: secondary } }",
    ),
    expected: [
      "systems/shop.yaml:20:62: secrets.signing.consumers.worker.as.SIGNING__FILE gives worker the file signing, as primary of secrets.signing.consumers.worker does: keep one of the two",
    ],
  },
  {
    name: "two people with one address",
    files: change("organization.yaml", "email: ben@acme.example", "email: Ada@acme.example"),
    expected: [
      'organization.yaml:6:17: people.ben.email is also the address of "ada": give each person their own',
    ],
  },
  {
    name: "an administrator named twice",
    files: change("organization.yaml", "[ada, ben]", "[ada, ada]"),
    expected: [
      'organization.yaml:7:23: administrators[1] is "ada": remove it, it stands in the list already',
    ],
  },
  {
    name: "a name twice in a list",
    files: change("systems/shop.yaml", "tables: [select]", "tables: [select, select]"),
    expected: [
      'systems/shop.yaml:34:68: databases.orders.groups.orders_reader.grants[0].tables[1] is "select": remove it, it stands in the list already',
    ],
  },
  {
    name: "a secret stored where another one is",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      "    provider: openai\n    renamed-from: signing\n",
    ),
    expected: [
      'systems/shop.yaml:22:3: secrets.openai would be stored as "signing", as "signing" already is: take a name that was never used, or the right renamed-from',
    ],
  },
  {
    name: "a secret that collides with a database password",
    files: change("systems/shop.yaml", "  openai:\n    class", "  orders-api:\n    class"),
    expected: [
      'systems/shop.yaml:37:7: databases.orders.users.api would be stored as "orders-api", as "orders-api" already is: take a name that was never used, or the right renamed-from',
    ],
  },
  {
    name: "two names that differ by - and _ only",
    files: change(
      "systems/shop.yaml",
      "encryption-keys:\n",
      "encryption-keys:\n  docu_ments: { rotate: { every: 1d }, retain: 30d }\n  docu-ments: { rotate: { every: 1d }, retain: 30d }\n",
    ),
    expected: [
      'systems/shop.yaml:43:3: encryption-keys.docu-ments would be stored as "docu-ments", as "docu_ments" already is: take a name that was never used, or the right renamed-from',
    ],
  },
  {
    name: "an unknown field near a known one",
    files: change("systems/shop.yaml", "    consumers:\n      api: { as", "    consumer:\n      api: { as"),
    expected: ['systems/shop.yaml:27:5: secrets.openai.consumer is not a field: did you mean "consumers"?'],
  },
  {
    name: "an unknown field far from any",
    files: change("systems/shop.yaml", "owner: ada\n", "owner: ada\nzzzzzzzzzz: 1\n"),
    expected: [
      "systems/shop.yaml:3:1: zzzzzzzzzz is not a field: write one of ci, databases, description, encryption-keys, exceptions, owner, part, renamed-from, repository, retired, secrets, services, settings, system, or remove it",
    ],
  },
  {
    name: "an unknown field in organization.yaml",
    files: change("organization.yaml", "administrators:", "administrator:"),
    expected: [
      "organization.yaml:1:1: administrators is missing: write a list, such as [a, b]",
      'organization.yaml:7:1: administrator is not a field: did you mean "administrators"?',
    ],
  },
  {
    name: "an unknown field of a delivery",
    files: change(
      "systems/shop.yaml",
      "user: 1000, reload: restart",
      "user: 1000, reload: restart, deliver: [{ to: env-file, paht: .env }]",
    ),
    expected: [
      "systems/shop.yaml:7:67: services.api.deliver[0].path is missing: write a path of letters, digits, . _ - and /, without ..",
      'systems/shop.yaml:7:83: services.api.deliver[0].paht is not a field: did you mean "path"?',
      "systems/shop.yaml:21:34: secrets.signing.consumers.api.as.SIGNING_FILE needs a file, but api is delivered an env-file only: add { to: files, folder: … } to its deliver",
      "systems/shop.yaml:40:15: databases.orders.users.api.as.DB_PASSWORD_FILE needs a file, but api is delivered an env-file only: add { to: files, folder: … } to its deliver",
    ],
  },
  {
    name: "an unknown field that could be a secret",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: info\nhvs.CAESIJlWh9s8f7g6h5j4k3: x"),
    expected: [
      "systems/shop.yaml:14:1: a text that is not shown is not a field: write one of ci, databases, description, encryption-keys, exceptions, owner, part, renamed-from, repository, retired, secrets, services, settings, system, or remove it",
    ],
  },
  {
    name: "Vault's namespaces, which are reserved",
    files: change("organization.yaml", "      address: https", "      namespace: team\n      address: https"),
    expected: [
      'organization.yaml:17:18: environments.production.vault.namespace is "team": namespaces are of Vault Enterprise and the name is reserved: remove it',
    ],
  },
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
    expected: ['systems/shop.yaml:26:13: secrets.openai.rotate is "yearly": write a mapping of its fields'],
  },
  {
    name: "nothing for a mapping",
    files: change("systems/shop.yaml", "rotate: { by: hand, every: 90d }", "rotate:"),
    expected: ["systems/shop.yaml:26:12: secrets.openai.rotate is empty: write a mapping of its fields"],
  },
  {
    name: "a truth for a date",
    files: change(
      "systems/shop.yaml",
      "retain: 30d",
      "retain: 30d\n    retired: { since: true, reason: Not used any more }",
    ),
    expected: [
      "systems/shop.yaml:45:23: encryption-keys.documents.retired.since is true: write a day such as 2026-12-31",
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
      'systems/shop.yaml:45:23: encryption-keys.documents.retired.since is "2026-02-30": write a day of the calendar, such as 2026-12-31',
    ],
  },
  {
    name: "a duration without a unit",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30, overlap: 24h"),
    expected: [
      "systems/shop.yaml:18:22: secrets.signing.rotate.every is 30: write a duration such as 21d or 12h",
    ],
  },
  {
    name: "a duration with a wrong unit",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 3 weekz, overlap: 24h"),
    expected: [
      'systems/shop.yaml:18:22: secrets.signing.rotate.every is "3 weekz": write a duration such as 21d or 12h',
    ],
  },
  {
    name: "a duration of nothing",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30d, overlap: 0h"),
    expected: [
      'systems/shop.yaml:18:36: secrets.signing.rotate.overlap is "0h": write a duration such as 21d or 12h',
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
      "systems/shop.yaml:32:42: databases.orders.at.production.port is 65536: write a port from 1 to 65535",
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
      'systems/shop.yaml:32:42: databases.orders.at.production.host is "postgres://x": write a host name or an IPv4 address, without scheme and port',
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
    name: "the private half of an age key",
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
    name: "no owner",
    files: change("systems/shop.yaml", "owner: ada\n", ""),
    expected: [
      "systems/shop.yaml:1:1: owner is missing: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "no class",
    files: change("systems/shop.yaml", "  openai:\n    class: critical\n", "  openai:\n"),
    expected: ["systems/shop.yaml:22:3: secrets.openai.class is missing: write critical or sensitive"],
  },
  {
    name: "no kind",
    files: change("systems/shop.yaml", "    kind: api-key\n", ""),
    expected: [
      "systems/shop.yaml:22:3: secrets.openai.kind is missing: write one of hmac, api-key, token, password, nats, jwt, fernet, s3, webhook, file, certificate",
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
      "systems/shop.yaml:26:5: secrets.openai.rotate.every is missing: write 90d or shorter, or on-compromise: true (R20)",
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
      "systems/shop.yaml:32:22: databases.orders.at.production.host is missing: write it, or postgres: { host: … } in environments.production",
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
    name: "an unknown owner",
    files: change("systems/shop.yaml", "owner: ada", "owner: aida"),
    expected: ['systems/shop.yaml:2:8: owner is "aida", which is not a person: did you mean "ada"?'],
  },
  {
    name: "an unknown administrator",
    files: change("organization.yaml", "administrators: [ada, ben]", "administrators: [ada, ben, cleo]"),
    expected: [
      'organization.yaml:7:28: administrators[2] is "cleo", which is not a person: write one of ada, ben',
    ],
  },
  {
    name: "an unknown group of a person",
    files: change("organization.yaml", "groups: [platform]", "groups: [platfrom]"),
    expected: [
      'organization.yaml:5:44: people.ada.groups[0] is "platfrom", which is not a group: did you mean "platform"?',
    ],
  },
  {
    name: "an unknown system of a group",
    files: change("organization.yaml", "operates: [shop]", "operates: [shpo]"),
    expected: [
      'organization.yaml:10:44: groups.platform.operates[0] is "shpo", which is not a system: did you mean "shop"?',
    ],
  },
  {
    name: "an unknown consumer",
    files: change("systems/shop.yaml", "      worker: { role", "      wroker: { role"),
    expected: [
      'systems/shop.yaml:20:7: secrets.signing.consumers.wroker is not a service of this system: did you mean "worker"?',
    ],
  },
  {
    name: "an unknown field of a consumer",
    files: change(
      "systems/shop.yaml",
      "role: signer, as: { SIGNING_FILE: primary",
      "role: signer, as: { SIGNING_FILE: primry",
    ),
    expected: [
      'systems/shop.yaml:21:48: secrets.signing.consumers.api.as.SIGNING_FILE is "primry", which is not a field of this secret: did you mean "primary"?',
    ],
  },
  {
    name: "an unknown provider",
    files: change("systems/shop.yaml", "provider: openai", "provider: opneai"),
    expected: [
      'systems/shop.yaml:25:15: secrets.openai.provider is "opneai", which is not a provider of the organization: did you mean "openai"?',
    ],
  },
  {
    name: "an unknown secret of a CI job",
    files: change("systems/shop.yaml", "reads: [signing]", "reads: [singing]"),
    expected: [
      'systems/shop.yaml:5:43: ci.deploy.reads[0] is "singing", which is not a secret of this system: did you mean "signing"?',
    ],
  },
  {
    name: "an unknown group of a database user",
    files: change(
      "systems/shop.yaml",
      "worker: { member-of: orders_reader",
      "worker: { member-of: order_reader",
    ),
    expected: [
      'systems/shop.yaml:36:28: databases.orders.users.worker.member-of is "order_reader", which is not a group of this database: did you mean "orders_reader"?',
    ],
  },
  {
    name: "a dynamic user that is no service",
    files: change("systems/shop.yaml", "      worker: { member-of", "      workers: { member-of"),
    expected: [
      'systems/shop.yaml:36:7: databases.orders.users.workers is not a service of this system, which a dynamic user is for: did you mean "worker"?',
    ],
  },
  {
    name: "an unknown environment of a database",
    files: change("systems/shop.yaml", "local: {}, production: {}", "local: {}, produktion: {}"),
    expected: [
      'systems/shop.yaml:32:22: databases.orders.at.produktion is not an environment: did you mean "production"?',
    ],
  },
  {
    name: "an unknown environment of a difference",
    files: change(
      "systems/shop.yaml",
      "    reload: watch",
      "    reload: watch\n    per-environment: { staging: { user: 5 } }",
    ),
    expected: [
      "systems/shop.yaml:12:24: services.worker.per-environment.staging is not an environment: write one of local, production",
    ],
  },
  {
    name: "an unknown environment to wait for",
    files: change("organization.yaml", "  production:\n", "  production:\n    after: loca\n"),
    expected: [
      'organization.yaml:16:12: environments.production.after is "loca", which is not an environment: did you mean "local"?',
    ],
  },
  {
    name: "an unknown service of an encryption key",
    files: change("systems/shop.yaml", "consumers: { api: [encrypt] }", "consumers: { apo: [encrypt] }"),
    expected: [
      'systems/shop.yaml:45:18: encryption-keys.documents.consumers.apo is not a service of this system: did you mean "api"?',
    ],
  },
  {
    name: "an unknown field in a template",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { line: "key={kye}" }\n',
    ),
    expected: ["systems/shop.yaml:26:24: secrets.openai.templates.line uses {kye}: write one of {key}"],
  },
  {
    name: "an environment after itself",
    files: change("organization.yaml", "  production:\n", "  production:\n    after: production\n"),
    expected: [
      "organization.yaml:16:12: environments.production.after makes a circle: production after production; remove one of them",
    ],
  },
  {
    name: "two environments after each other",
    files: change(
      "organization.yaml",
      "  local: {}\n  production:\n",
      "  local: { after: production }\n  production:\n    after: local\n",
    ),
    expected: [
      "organization.yaml:14:19: environments.local.after makes a circle: local after production after local; remove one of them",
      "organization.yaml:16:12: environments.production.after makes a circle: production after local after production; remove one of them",
    ],
  },
  {
    name: "a dynamic user over an hour",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 2h"),
    expected: ['systems/shop.yaml:36:48: databases.orders.users.worker.ttl is "2h": write at most 1h (R12)'],
  },
  {
    name: "a maximum over an hour",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 15m, max-ttl: 61m"),
    expected: [
      'systems/shop.yaml:36:62: databases.orders.users.worker.max-ttl is "61m": write at most 1h (R12)',
    ],
  },
  {
    name: "a maximum below the usual lifetime",
    files: change("systems/shop.yaml", "ttl: 15m", "ttl: 15m, max-ttl: 10m"),
    expected: [
      'systems/shop.yaml:36:62: databases.orders.users.worker.max-ttl is "10m": write at least the ttl, which is 15m',
    ],
  },
  {
    name: "a difference that breaks a bound in one environment",
    files: change(
      "systems/shop.yaml",
      "    engine: postgres",
      "    engine: postgres\n    per-environment: { production: { users: { worker: { ttl: 24h } } } }",
    ),
    expected: ['systems/shop.yaml:32:62: databases.orders.users.worker.ttl is "24h": write at most 1h (R12)'],
  },
  {
    name: "a period over its kind's",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 366d, overlap: 24h"),
    expected: ['systems/shop.yaml:18:22: secrets.signing.rotate.every is "366d": write at most 365d (R20)'],
  },
  {
    name: "a period over its provider's",
    files: change("systems/shop.yaml", "by: hand, every: 90d", "by: hand, every: 91d"),
    expected: [
      'systems/shop.yaml:26:32: secrets.openai.rotate.every is "91d": write at most 90d (R19, the bound of openai)',
    ],
  },
  {
    name: "no overlap for two live values",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 30d"),
    expected: [
      "systems/shop.yaml:18:5: secrets.signing.rotate.overlap is missing: two values of kind hmac are live at once, write 1h or more (R27)",
    ],
  },
  {
    name: "an overlap as long as the period",
    files: change("systems/shop.yaml", "every: 30d, overlap: 24h", "every: 24h, overlap: 24h"),
    expected: [
      'systems/shop.yaml:18:36: secrets.signing.rotate.overlap is "24h": write less than rotate.every, which is 24h',
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
      'systems/shop.yaml:43:22: encryption-keys.documents.rotate.every is "91d": write at most 90d (R17)',
    ],
  },
  {
    name: "a transit key that is kept too short",
    files: change("systems/shop.yaml", "retain: 30d", "retain: 29d"),
    expected: [
      'systems/shop.yaml:44:13: encryption-keys.documents.retain is "29d": write at least 30d (R22)',
    ],
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
      "systems/shop.yaml:26:19: secrets.openai.rotate.by is done by machine, but openai has no API for it: write by: hand (R19)",
    ],
  },
  {
    name: "a consumer that neither signs nor listens",
    files: change("systems/shop.yaml", "{ role: signer, as: { SIGNING", "{ as: { SIGNING"),
    expected: [
      "systems/shop.yaml:21:7: secrets.signing.consumers.api does not say whether it signs or listens: write role: listener or role: signer (R29)",
    ],
  },
  {
    name: "a database connection without TLS",
    files: change("systems/shop.yaml", "production: {} }", "production: { tls: disable } }"),
    expected: [
      'systems/shop.yaml:32:41: databases.orders.at.production.tls is "disable": write verify-full, or an entry of exceptions with rule: database-tls (R53)',
    ],
  },
  {
    name: "a secret's name with ..",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "../etc":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."../etc" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a wildcard",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "*":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."*" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a plus",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a+b":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."a+b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a slash",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a/b":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."a/b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a newline",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a\\nb":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."a\\nb" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with a dot",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a.b":\n    class'),
    expected: [
      'systems/shop.yaml:22:3: secrets."a.b" is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain',
    ],
  },
  {
    name: "a secret's name with capitals",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "Api":\n    class'),
    expected: [
      "systems/shop.yaml:22:3: secrets.Api is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain",
    ],
  },
  {
    name: "a secret's name with two separators",
    files: change("systems/shop.yaml", "  openai:\n    class", '  "a--b":\n    class'),
    expected: [
      "systems/shop.yaml:22:3: secrets.a--b is not a name that can stand here: write lower-case letters, digits and single - or _ between them, such as titan-brain",
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
      "systems/shop.yaml:22:3: secrets.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is not a name that can stand here: write at most 40 characters",
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
      "systems/shop.yaml:26:24: secrets.openai.templates.line holds a password: write {password} in its place and change the password",
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
      "systems/shop.yaml:28:36: secrets.openai.consumers.api.as.OPENAI_API_KEY is a text that is not shown, which is not a field of this secret: write one of key",
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
      "systems/shop.yaml:26:37: secrets.openai.rotate.per-environment is not a field: write one of by, every, on-compromise, overlap, or remove it",
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
];
