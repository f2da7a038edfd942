import { shop } from "../shop.ts";
import { change, type Malformed, write } from "./case.ts";

export const fields: Malformed[] = [
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
      'systems/shop.yaml:23:3: key "signing" is already in this mapping at line 15: keep one of the two',
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
      "systems/shop.yaml:29:20: secrets.openai.consumers.api.as.SIGNING_FILE gives api the variable SIGNING_FILE, as secrets.signing.consumers.api does: keep one of the two",
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
      "SIGNING_BEFORE_FILE: secondary }",
      "SIGNING_BEFORE_FILE: secondary, SIGNING__FILE: secondary }",
    ),
    expected: [
      "systems/shop.yaml:21:94: secrets.signing.consumers.worker.as.SIGNING__FILE gives worker the file signing, as primary of secrets.signing.consumers.worker does: keep one of the two",
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
      'systems/shop.yaml:35:68: databases.orders.groups.orders_reader.grants[0].tables[1] is "select": remove it, it stands in the list already',
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
      'systems/shop.yaml:23:3: secrets.openai would be stored as "signing", as "signing" already is: take a name that was never used, or the right renamed-from',
    ],
  },
  {
    name: "a secret that collides with a database password",
    files: change("systems/shop.yaml", "  openai:\n    class", "  orders-api:\n    class"),
    expected: [
      'systems/shop.yaml:38:7: databases.orders.users.api would be stored as "orders-api", as "orders-api" already is: take a name that was never used, or the right renamed-from',
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
      'systems/shop.yaml:44:3: encryption-keys.docu-ments would be stored as "docu-ments", as "docu_ments" already is: take a name that was never used, or the right renamed-from',
    ],
  },
  {
    name: "an encryption key with the name of a secret: commands take both",
    files: change(
      "systems/shop.yaml",
      "encryption-keys:\n",
      "encryption-keys:\n  openai: { rotate: { every: 1d }, retain: 30d }\n",
    ),
    expected: [
      "systems/shop.yaml:43:3: encryption-keys.openai has the name of a secret, and `keyplane rotate` takes both: take another name",
    ],
  },
  {
    name: "an unknown field near a known one",
    files: change("systems/shop.yaml", "    consumers:\n      api: { as", "    consumer:\n      api: { as"),
    expected: ['systems/shop.yaml:28:5: secrets.openai.consumer is not a field: did you mean "consumers"?'],
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
      "systems/shop.yaml:22:34: secrets.signing.consumers.api.as.SIGNING_FILE needs a file, but api is delivered an env-file only: add { to: files, folder: … } to its deliver",
      "systems/shop.yaml:41:15: databases.orders.users.api.as.DB_PASSWORD_FILE needs a file, but api is delivered an env-file only: add { to: files, folder: … } to its deliver",
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
];
