import { change, type Malformed } from "./case.ts";

export const references: Malformed[] = [
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
      'systems/shop.yaml:21:7: secrets.signing.consumers.wroker is not a service of this system: did you mean "worker"?',
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
      'systems/shop.yaml:22:48: secrets.signing.consumers.api.as.SIGNING_FILE is "primry", which is not a field of this secret: did you mean "primary"?',
    ],
  },
  {
    name: "an unknown provider",
    files: change("systems/shop.yaml", "provider: openai", "provider: opneai"),
    expected: [
      'systems/shop.yaml:26:15: secrets.openai.provider is "opneai", which is not a provider of the organization: did you mean "openai"?',
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
      'systems/shop.yaml:37:28: databases.orders.users.worker.member-of is "order_reader", which is not a group of this database: did you mean "orders_reader"?',
    ],
  },
  {
    name: "a dynamic user that is no service",
    files: change("systems/shop.yaml", "      worker: { member-of", "      workers: { member-of"),
    expected: [
      'systems/shop.yaml:37:7: databases.orders.users.workers is not a service of this system, which a dynamic user is for: did you mean "worker"?',
    ],
  },
  {
    name: "an unknown environment of a database",
    files: change("systems/shop.yaml", "local: {}, production: {}", "local: {}, produktion: {}"),
    expected: [
      'systems/shop.yaml:33:22: databases.orders.at.produktion is not an environment: did you mean "production"?',
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
      'systems/shop.yaml:46:18: encryption-keys.documents.consumers.apo is not a service of this system: did you mean "api"?',
    ],
  },
  {
    name: "an unknown field in a template",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { line: "key={kye}" }\n',
    ),
    expected: ["systems/shop.yaml:27:24: secrets.openai.templates.line uses {kye}: write one of {key}"],
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
];
