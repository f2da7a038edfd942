import { change, type Malformed } from "./case.ts";

const staticUser =
  "        rotate: { every: 30d, method: alternating }\n        as: { DB_PASSWORD_FILE: password }\n";
const kept = "        secrets-manager: { read-by: [shop-rds-proxy] }\n";
const account = '    aws: { account: "111111111111", region: eu-west-1 }\n    postgres: {';

/** The user with its password in Secrets Manager instead. */
const inAws = (rotate: string, more = "") =>
  change("systems/shop.yaml", staticUser, `        rotate: ${rotate}\n${kept}${more}`);

/** The environment with an account, and more of its Vault. */
const inAccount = (vault = "") =>
  change(
    "organization.yaml",
    "    postgres: {",
    vault +
      account.replace(
        " }\n",
        ", network: { subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] } }\n",
      ),
  );

/** Another real environment, with an account. */
const staging = (place: string) => `  staging:
    vault: { address: "https://vault.staging.acme.example", cidrs: [10.0.0.0/16], audit: { one: { type: file, path: /a }, two: { type: syslog, facility: AUTH } } }
    postgres: { host: db.acme.example }
    aws: { ${place}, network: { subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] } }
`;

const needsAccount =
  "databases.orders.users.api.secrets-manager needs aws: { account: …, region: … } in environments.production";

export const aws: Malformed[] = [
  {
    name: "an account without a network",
    files: change("organization.yaml", "    postgres: {", account),
    expected: [
      "organization.yaml:22:5: environments.production.aws.network is missing: write { subnets: […], security-groups: […] } from which Vault and the databases are reached",
    ],
  },
  {
    name: "a reservation of no run",
    files: change("organization.yaml", "    postgres: {", account.replace(" }\n", ", concurrency: 0 }\n")),
    expected: [
      "organization.yaml:22:5: environments.production.aws.network is missing: write { subnets: […], security-groups: […] } from which Vault and the databases are reached",
      "organization.yaml:22:69: environments.production.aws.concurrency is 0: write a number from 1 to 10, or none",
    ],
  },
  {
    name: "two environments in one account",
    files: (right) =>
      change(
        "organization.yaml",
        "  production:\n",
        `${staging('account: "111111111111", region: eu-west-1')}  production:
`,
      )(inAccount()(right)),
    expected: [
      'organization.yaml:26:21: environments.production.aws.account is also the account of "staging": give each environment an account of its own, since an account has one password policy and one GitHub identity provider, which two stacks would take from each other',
    ],
  },
  {
    name: "a subnet by a name",
    files: change(
      "organization.yaml",
      "    postgres: {",
      account.replace(" }\n", ", network: { subnets: [private], security-groups: [sg-0a1b2c3d] } }\n"),
    ),
    expected: [
      'organization.yaml:22:77: environments.production.aws.network.subnets[0] is "private": write the id of a subnet, such as subnet-0a1b2c3d4e5f60718',
    ],
  },
  {
    name: "an emulator outside the local environment",
    files: change(
      "organization.yaml",
      "    postgres: {",
      account.replace(
        " }\n",
        ', network: { subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] }, emulator: "http://127.0.0.1:1" }\n',
      ),
    ),
    expected: [
      "organization.yaml:22:129: environments.production.aws.emulator is of the environment local alone: remove it",
    ],
  },
  {
    name: "Pulumi's state of two environments in one bucket, and of one that keeps its own",
    files: (right) =>
      change(
        "organization.yaml",
        "  production:\n",
        `${staging('account: "222222222222", region: eu-west-1, state: { bucket: state }')}  beside:
    aws: { account: "333333333333", region: eu-west-1, state: { bucket: mine } }
  production:
`,
      )(
        change(
          "organization.yaml",
          "    postgres: {",
          account.replace(
            " }\n",
            ", state: { bucket: state }, network: { subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] } }\n",
          ),
        )(right),
      ),
    expected: [
      "organization.yaml:19:3: environments.beside.vault.address is missing: write https://…, only the environment local goes without",
      "organization.yaml:20:56: environments.beside.aws.state is of real environments alone, the local stack keeps its own: remove it",
      'organization.yaml:28:73: environments.production.aws.state.bucket holds the state of "staging" as well: give each environment a bucket of its own',
    ],
  },
  {
    name: "a state in what is no name of a bucket",
    files: change(
      "organization.yaml",
      "    postgres: {",
      account.replace(
        " }\n",
        ', state: { bucket: "s3://state" }, network: { subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] } }\n',
      ),
    ),
    expected: [
      'organization.yaml:22:73: environments.production.aws.state.bucket is "s3://state": write the name of a bucket, such as acme-keyplane-state-staging',
    ],
  },
  {
    name: "a certificate of Vault that leaves no room in a function's variables",
    files: inAccount(
      `      certificate: "-----BEGIN CERTIFICATE-----${"A".repeat(4000)}-----END CERTIFICATE-----"\n`,
    ),
    expected: [
      "organization.yaml:22:20: environments.production.vault.certificate makes the variables of a function longer than the 4096 bytes that Lambda takes: write the CA's own certificate alone",
    ],
  },
  {
    name: "more users in Secrets Manager than IAM has room for in a role's rights",
    files: (right) => {
      const users = Array.from(
        { length: 110 },
        (_, index) =>
          `      proxy-${index}:\n        member-of: orders_reader\n        rotate: { every: 30d, method: alternating }\n${kept}`,
      );
      return change(
        "systems/shop.yaml",
        "encryption-keys:\n",
        `${users.join("")}encryption-keys:\n`,
      )(inAccount()(right));
    },
    expected: [
      "systems/shop.yaml:31:3: databases.orders makes the rights of an IAM role longer than the 10240 characters that IAM takes: Secrets Manager keeps 110 users in the environment; let those that services read have `as` instead",
    ],
  },
  {
    name: "a user in Secrets Manager in an environment without an account",
    files: inAws("{ every: 30d, method: alternating }"),
    expected: [`systems/shop.yaml:41:9: ${needsAccount}`],
  },
  {
    name: "variables of a user in Secrets Manager",
    files: inAws("{ every: 30d, method: alternating }", "        as: { DB_PASSWORD_FILE: password }\n"),
    expected: [
      `systems/shop.yaml:41:9: ${needsAccount}`,
      "systems/shop.yaml:42:9: databases.orders.users.api.as stands beside secrets-manager, which delivers it: remove one of them",
    ],
  },
  {
    name: "a single login in Secrets Manager",
    files: inAws("{ every: 30d, method: single }"),
    expected: [
      "systems/shop.yaml:40:39: databases.orders.users.api.rotate.method must be alternating beside secrets-manager",
      `systems/shop.yaml:41:9: ${needsAccount}`,
    ],
  },
  {
    name: "a rotation in Secrets Manager that is no number of days",
    files: inAws("{ every: 36h, method: alternating }"),
    expected: [
      'systems/shop.yaml:40:26: databases.orders.users.api.rotate.every is "36h": write whole days, at most 90d, beside secrets-manager',
      `systems/shop.yaml:41:9: ${needsAccount}`,
    ],
  },
  {
    name: "Secrets Manager for a dynamic user",
    files: change(
      "systems/shop.yaml",
      "worker: { member-of: orders_reader, ttl: 15m }",
      "worker: { member-of: orders_reader, ttl: 15m, secrets-manager: { read-by: [proxy] } }",
    ),
    expected: [
      "systems/shop.yaml:37:53: databases.orders.users.worker.secrets-manager belongs to a static user: remove it, or write rotate instead of ttl",
    ],
  },
  {
    name: "a reader of a secret by a pattern",
    files: change(
      "systems/shop.yaml",
      staticUser,
      `        rotate: { every: 30d, method: alternating }\n${kept.replace("shop-rds-proxy", '"shop-*"')}`,
    ),
    expected: [
      'systems/shop.yaml:41:38: databases.orders.users.api.secrets-manager.read-by[0] is "shop-*": write the exact name or ARN of an IAM role, such as titan-rds-proxy',
    ],
  },
  {
    name: "the end of an old form of subjects that has none",
    files: change(
      "organization.yaml",
      "owner-id: 2 }",
      "owner-id: 2, subject: names, names-until: 2026-12-31 }",
    ),
    expected: [
      "organization.yaml:3:73: platform.repository.names-until stands beside subject: names, which has no end: write subject: immutable, or remove it",
    ],
  },
  {
    name: "a form of subjects that GitHub does not have",
    files: change("organization.yaml", "owner-id: 2 }", "owner-id: 2, subject: both }"),
    expected: ['organization.yaml:3:66: platform.repository.subject is "both": write immutable or names'],
  },
];
