import { change, type Malformed } from "./case.ts";

const observing = (observe: string) =>
  change(
    "systems/shop.yaml",
    "api: { runs-on: compose, user: 1000, reload: restart }",
    `api: { runs-on: compose, user: 1000, reload: restart, observe: ${observe} }`,
  );

/** Both services delivered to the same places, and these consumers of openai. */
const sharing = (places: string, consumers: string[]) => (right: Record<string, string>) => {
  const deliver = `deliver: [${places}]`;
  const apart = change(
    "systems/shop.yaml",
    "api: { role: signer, as: { SIGNING_FILE",
    "api: { role: signer, as: { OWN_FILE",
  )(right);
  const both = change(
    "systems/shop.yaml",
    "  api: { runs-on: compose, user: 1000, reload: restart }\n  worker:\n",
    `  api: { runs-on: compose, user: 1000, reload: restart, ${deliver} }\n  worker:\n    ${deliver}\n`,
  )(apart);
  return change(
    "systems/shop.yaml",
    "      api: { as: { OPENAI_API_KEY: key } }",
    consumers.join("\n"),
  )(both);
};

/** Regular expressions that a line of a log could take too long with, or that are none. */
const unbounded = [
  "(a+)+b",
  "a.*b",
  "x{2,}y",
  "(ab){9}",
  "(?=error)",
  "(err)\\1",
  "a{1,200}",
  ".{9}.{9}.{9}",
  "a(b",
];

export const services: Malformed[] = [
  ...unbounded.map(
    (pattern): Malformed => ({
      name: `errors in a log by ${pattern} (R48)`,
      files: observing(`{ log: api.log, pattern: '${pattern}' }`),
      expected: [
        `systems/shop.yaml:7:91: services.api.observe.pattern is ${JSON.stringify(pattern)}: write a regular expression of words, classes, groups and |, such as level=(error|fatal): without *, +, {N,}, repeated groups, look-around and back-references, and with {N,M} at most twice and up to 100`,
      ],
    }),
  ),
  {
    name: "errors of a log that is not named",
    files: observing('{ instances: ["http://api:80"], pattern: "level=(error|fatal)" }'),
    expected: [
      "systems/shop.yaml:7:98: services.api.observe.pattern is of a log, which is not named: write log: PATH beside it",
    ],
  },
  {
    name: "a service on Kubernetes without its account",
    files: change(
      "systems/shop.yaml",
      "api: { runs-on: compose, user: 1000, reload: restart }",
      "api: { runs-on: kubernetes, reload: restart }",
    ),
    expected: [
      "organization.yaml:16:5: environments.production.vault.kubernetes is missing, but services run there: write { host: … }",
      "systems/shop.yaml:7:3: services.api.kubernetes is missing: write { namespace: …, service-account: … }",
    ],
  },
  {
    name: "an account on Kubernetes of a service elsewhere",
    files: change(
      "systems/shop.yaml",
      "api: { runs-on: compose, user: 1000, reload: restart }",
      "api: { runs-on: compose, user: 1000, reload: restart, kubernetes: { namespace: a, service-account: b } }",
    ),
    expected: [
      "systems/shop.yaml:7:57: services.api.kubernetes belongs to runs-on: kubernetes, not compose: remove one of the two",
    ],
  },
  {
    name: "a service on a PaaS that nothing is delivered to",
    files: change(
      "systems/shop.yaml",
      "api: { runs-on: compose, user: 1000, reload: restart }",
      "api: { runs-on: paas, reload: restart }",
    ),
    expected: [
      "systems/shop.yaml:7:3: services.api.deliver is missing: write [{ to: railway, … }] or another PaaS",
      "systems/shop.yaml:22:34: secrets.signing.consumers.api.as.SIGNING_FILE ends in _FILE, but api runs on a PaaS, which has variables only: drop _FILE",
      "systems/shop.yaml:41:15: databases.orders.users.api.as.DB_PASSWORD_FILE ends in _FILE, but api runs on a PaaS, which has variables only: drop _FILE",
    ],
  },
  {
    name: "a delivery that does not reach the service",
    files: change(
      "systems/shop.yaml",
      "api: { runs-on: compose, user: 1000, reload: restart }",
      "api: { runs-on: compose, user: 1000, reload: restart, deliver: [{ to: fly, app: x }] }",
    ),
    expected: [
      'systems/shop.yaml:7:73: services.api.deliver[0].to is "fly", which does not reach a service on compose: write one of compose-secrets, vault-agent, env-file, files',
    ],
  },
  {
    name: "files of a service that gets an env-file only",
    files: change(
      "systems/shop.yaml",
      "    reload: watch",
      "    reload: watch\n    deliver: [{ to: env-file, path: .env }]",
    ),
    expected: [
      "systems/shop.yaml:22:39: secrets.signing.consumers.worker.as.SIGNING_FILE needs a file, but worker is delivered an env-file only: add { to: files, folder: … } to its deliver",
      "systems/shop.yaml:22:62: secrets.signing.consumers.worker.as.SIGNING_BEFORE_FILE needs a file, but worker is delivered an env-file only: add { to: files, folder: … } to its deliver",
    ],
  },
  {
    name: "two secrets in one file of a folder that services share (R45)",
    files: sharing("{ to: files, folder: /run/shop }", [
      "      api: { as: { OPENAI_API_KEY: key } }",
      "      worker: { as: { DB_PASSWORD_FILE: key } }",
    ]),
    expected: [
      "systems/shop.yaml:43:15: databases.orders.users.api.as.DB_PASSWORD_FILE brings api another db_password in /run/shop than secrets.openai brings worker: take another name for one of them, or deliver them to places of their own",
    ],
  },
  {
    name: "a secret and a setting under one name in an env-file that services share (R42)",
    files: (right) => {
      const files = sharing("{ to: files, folder: /run/shop }, { to: env-file, path: .env }", [
        "      api: { as: { REGION: key } }",
      ])(right);
      return change(
        "systems/shop.yaml",
        "LOG_LEVEL: info",
        "REGION: { value: eu, services: [worker] }",
      )(files);
    },
    expected: [
      "systems/shop.yaml:14:3: settings.REGION brings worker another REGION in .env than secrets.openai brings api: take another name for one of them, or deliver them to places of their own",
    ],
  },
  {
    name: "an unknown service of a setting",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: { value: info, services: [apo] }"),
    expected: [
      'systems/shop.yaml:13:40: settings.LOG_LEVEL.services[0] is "apo", which is not a service of this system: did you mean "api"?',
    ],
  },
  {
    name: "a difference that stands in another one",
    files: change(
      "systems/shop.yaml",
      "    reload: watch",
      "    reload: watch\n    per-environment: { local: { per-environment: {} } }",
    ),
    expected: [
      "systems/shop.yaml:12:33: services.worker.per-environment.local.per-environment stands inside another one: write each environment once",
    ],
  },
  {
    name: "differences that are a list",
    files: change(
      "systems/shop.yaml",
      "    reload: watch",
      "    reload: watch\n    per-environment: [local]",
    ),
    expected: [
      "systems/shop.yaml:12:22: services.worker.per-environment is a list: write { ENVIRONMENT: { FIELD: … } }",
    ],
  },
  {
    name: "two systems that are stored in one place",
    files: (files) => ({ ...files, "systems/store.yaml": "system: store\nowner: ada\nrenamed-from: shop\n" }),
    expected: [
      'systems/store.yaml:1:9: system would be stored as "shop", as "shop" already is: take a name that was never used, or the right renamed-from',
    ],
  },
];
