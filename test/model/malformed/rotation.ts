import { change, type Malformed } from "./case.ts";

const system = "systems/shop.yaml";
const production = (block: string) =>
  change(
    "organization.yaml",
    "    postgres: { host: db.acme.example }\n",
    `    postgres: { host: db.acme.example }\n    ${block}\n`,
  );

const signingSeenBy =
  (idle: string, api: string): Malformed["files"] =>
  (files) =>
    change(
      system,
      "    idle: none\n",
      `    idle: ${idle}\n`,
    )(change(system, "api: { runs-on: compose, user: 1000,", `api: { runs-on: ${api},`)(files));

export const rotation: Malformed[] = [
  {
    name: "Vault's audit as the sight of a service that is fed by files",
    files: signingSeenBy("audit", "compose, user: 1000, deliver: [{ to: files, folder: /run/api }]"),
    expected: [
      `systems/shop.yaml:18:11: secrets.signing.idle is "audit": Vault's audit shows no read by api (files): write sinks, { metric: NAME } or none`,
    ],
  },
  {
    name: "Vault's audit as the sight of a Secret that is pushed",
    files: (files) =>
      change(
        "organization.yaml",
        "      cidrs: [10.0.0.0/16]\n",
        "      cidrs: [10.0.0.0/16]\n      kubernetes: { host: https://k8s.acme.example }\n",
      )(
        signingSeenBy(
          "audit",
          "kubernetes, kubernetes: { namespace: a, service-account: b }, deliver: [{ to: kubernetes-secret }]",
        )(files),
      ),
    expected: [
      `systems/shop.yaml:18:11: secrets.signing.idle is "audit": Vault's audit shows no read by api (kubernetes-secret): write { metric: NAME } or none`,
    ],
  },
  {
    name: "sinks as the sight of what an operator in a cluster brings",
    files: (files) =>
      change(
        "organization.yaml",
        "      cidrs: [10.0.0.0/16]\n",
        "      cidrs: [10.0.0.0/16]\n      kubernetes: { host: https://k8s.acme.example }\n",
      )(signingSeenBy("sinks", "kubernetes, kubernetes: { namespace: a, service-account: b }")(files)),
    expected: [
      'systems/shop.yaml:18:11: secrets.signing.idle is "sinks": nothing shows what api (vault-secrets-operator) runs: write audit, { metric: NAME } or none',
    ],
  },
  {
    name: "a counter that cannot be read where its listener runs, in each environment",
    files: change(
      system,
      "    idle: none\n",
      "    idle: { metric: used_total }\n    per-environment: { local: { idle: none } }\n",
    ),
    expected: [
      "systems/shop.yaml:18:5: secrets.signing.idle is a counter, used_total, which cannot be read at worker in production: write observe: { instances: [URL], metrics: PATH } there, or another source for this environment: sinks, audit or none",
    ],
  },
  {
    name: "a counter of a service that nobody can look at",
    files: (files) =>
      change(
        system,
        "    reload: watch\n",
        "    reload: watch\n    observe: none\n",
      )(change(system, "    idle: none\n", "    idle: { metric: used_total }\n")(files)),
    expected: ["local", "production"].map(
      (environment) =>
        `systems/shop.yaml:19:5: secrets.signing.idle is a counter, used_total, which cannot be read at worker in ${environment}: write observe: { instances: [URL], metrics: PATH } there, or another source for this environment: sinks, audit or none`,
    ),
  },
  {
    name: "NATS users of a server that shows nobody who is connected",
    files: change(
      system,
      "  openai:\n",
      "  nats:\n    class: critical\n    kind: nats\n    rotate: { every: 30d }\n    idle: provider\n    nats: { servers: [nats://127.0.0.1:4222], users-file: u.conf, pid-file: n.pid }\n  openai:\n",
    ),
    expected: ["local", "production"].map(
      (environment) =>
        `systems/shop.yaml:28:5: secrets.nats.nats.monitor is missing in ${environment}: it alone shows who still uses the old user; write its URL, or idle: none`,
    ),
  },
  {
    name: "an overlap in which nothing shows the old key unused, and nobody says so",
    files: change(system, "    idle: none\n", ""),
    expected: [
      "systems/shop.yaml:15:3: secrets.signing.idle is missing: while both values are accepted, for 24h, something has to show that the old one is unused: write sinks, audit or { metric: NAME }, or none where nothing can see it",
    ],
  },
  {
    name: "a sight of keys that no provider and no session shows",
    files: (files) =>
      change(
        system,
        "  openai:\n",
        "  sessions:\n    class: critical\n    kind: jwt\n    rotate: { every: 30d }\n    impact: Logs out\n    idle: sessions\n  openai:\n",
      )(change(system, "    idle: none\n", "    idle: provider\n")(files)),
    expected: [
      'systems/shop.yaml:18:11: secrets.signing.idle is "provider": nothing of kind hmac is seen there: write sinks, audit or { metric: NAME }, or none where nothing can see it',
      'systems/shop.yaml:28:11: secrets.sessions.idle is "sessions": nothing of kind jwt is seen there: write sinks, audit or { metric: NAME }, or none where nothing can see it',
    ],
  },
  {
    name: "a Fernet key of which nothing shows what needs the old one (R62)",
    files: change(
      system,
      "  openai:\n",
      "  one:\n    class: critical\n    kind: fernet\n    rotate: { every: 60d, overlap: 30d }\n  two:\n    class: critical\n    kind: fernet\n    rotate: { every: 60d, overlap: 30d }\n    idle: audit\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:23:3: secrets.one.idle is missing: something has to show that nothing needs the old key: write stored: [{ database: …, table: …, column: … }] where ciphertext lies in a database, else idle: sinks, or idle: none where nothing can see it",
      "systems/shop.yaml:31:11: secrets.two.idle does not see ciphertext: something has to show that nothing needs the old key: write stored: [{ database: …, table: …, column: … }] where ciphertext lies in a database, else idle: sinks, or idle: none where nothing can see it",
    ],
  },
  {
    name: "the last use of keys whose provider does not tell it",
    files: (files) =>
      change(
        system,
        "    rotate: { by: hand, every: 90d }\n",
        "    rotate: { by: machine, every: 90d }\n    idle: provider\n",
      )(change("organization.yaml", "api: false,", "api: true, adapter: bybit,")(files)),
    expected: [
      "systems/shop.yaml:28:11: secrets.openai.idle cannot be seen: openai does not say when a key was last used; write none",
    ],
  },
  {
    name: "a token of Slack that outlives itself, lacks its refresh token, or gives it away (R16)",
    files: (files) =>
      change(
        system,
        "    rotate: { by: hand, every: 90d }\n",
        "    fields: [key, refresh-token]\n    rotate: { by: machine, every: 12h }\n    idle: provider\n",
      )(
        change(
          system,
          "OPENAI_API_KEY: key",
          "OPENAI_API_KEY: refresh-token",
        )(change("organization.yaml", "api: false,", "api: true, adapter: slack,")(files)),
      ),
    expected: [
      "systems/shop.yaml:27:13: secrets.openai.fields must be [token, refresh-token]: a token of Slack is exchanged by them",
      'systems/shop.yaml:28:35: secrets.openai.rotate.every is "12h": write less than 12h, such as 6h: a token of Slack ends by then',
      "systems/shop.yaml:29:11: secrets.openai.idle cannot be seen: openai does not say when a key was last used; write none",
      "systems/shop.yaml:31:36: secrets.openai.consumers.api.as.OPENAI_API_KEY is the refresh token, which works once and is the rotation's alone: give the consumer its token",
    ],
  },
  {
    name: "a probe whose address is none",
    files: change(system, "    kind: hmac\n", '    kind: hmac\n    probe: { http: "http://[api/health" }\n'),
    expected: [
      'systems/shop.yaml:18:20: secrets.signing.probe.http is "http://[api/health": write a path such as /health',
    ],
  },
  {
    name: "a probe that is not asked of a service in one environment (R46)",
    files: (files) =>
      change(
        system,
        "    reload: watch\n",
        '    reload: watch\n    observe: none\n    per-environment: { production: { observe: { instances: ["http://worker:80"] } } }\n',
      )(
        change(
          system,
          "api: { runs-on: compose, user: 1000, reload: restart }",
          "api: { runs-on: compose, user: 1000, reload: restart, observe: { log: /var/log/api.log }, per-environment: { production: { observe: none } } }",
        )(change(system, "    kind: hmac\n", "    kind: hmac\n    probe: { http: /health }\n")(files)),
      ),
    expected: [
      "systems/shop.yaml:20:5: secrets.signing.probe is not asked of api in local: write observe: { instances: [URL] } there, or observe: none where nobody can look at it (R46)",
    ],
  },
  {
    name: "a line of a log that nothing says where it is, of a database's user (R46)",
    files: change(
      system,
      "        as: { DB_PASSWORD_FILE: password }\n",
      "        as: { DB_PASSWORD_FILE: password }\n        probe: { log: Orders connected }\n",
    ),
    expected: ["local", "production"].map(
      (environment) =>
        `systems/shop.yaml:42:9: databases.orders.users.api.probe is not asked of api in ${environment}: write observe: { log: PATH } there, or observe: none where nobody can look at it (R46)`,
    ),
  },
  {
    name: "a password that a machine rotates, and nobody among its consumers checks (R27)",
    files: change(
      system,
      "  openai:\n",
      "  cache:\n    class: sensitive\n    kind: password\n    rotate: { every: 90d }\n    consumers:\n      api: { as: { CACHE_PASSWORD: password } }\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:27:5: secrets.cache.consumers has nobody who checks this password: name the server that does, with role: listener, as a service that takes it up from its file or variable, or write rotate: { by: hand }",
    ],
  },
  {
    name: "a password that a machine rotates, of whose clients nobody says what it does to them (R32)",
    files: change(
      system,
      "  openai:\n",
      "  cache:\n    class: sensitive\n    kind: password\n    rotate: { every: 90d }\n    consumers:\n      api: { role: listener, as: { CACHE_PASSWORD: password } }\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:23:3: secrets.cache.impact is missing: one value is accepted at a time, so that clients are refused from the server's restart until each runs the new one: say what that does (R32)",
    ],
  },
  {
    name: "a listener of an HMAC key, of a token and a reader of stored ciphertext that do not read the value before (R23, R29)",
    files: (files) =>
      change(
        system,
        "SIGNING_BEFORE_FILE: secondary",
        "SIGNING_ID_FILE: key-id",
      )(
        change(
          system,
          "  openai:\n",
          "  relay:\n    class: sensitive\n    kind: token\n    rotate: { every: 90d }\n    templates: { both: '{token} {previous}' }\n    consumers:\n" +
            "      api: { role: listener, as: { RELAY_TOKENS: both } }\n      worker: { role: listener, as: { RELAY_TOKEN: token } }\n" +
            "  cards:\n    class: critical\n    kind: fernet\n    rotate: { every: 90d, overlap: 30d }\n    stored: [{ database: orders, table: t, column: c }]\n" +
            "    consumers:\n      api: { as: { CARDS_KEY: key } }\n  openai:\n",
        )(files),
      ),
    expected: [
      "systems/shop.yaml:21:33: secrets.signing.consumers.worker.as has no variable for secondary: give it one beside the others, since a listener is shown the old value until every signer has the new one (R29)",
      "systems/shop.yaml:30:33: secrets.relay.consumers.worker.as has no variable for previous: give it one beside the others, since a listener is shown the old value until every signer has the new one (R29)",
      "systems/shop.yaml:37:14: secrets.cards.consumers.api.as has no variable for previous: give it one beside the others, since what is stored under the old key is read until it is re-encrypted (R23)",
    ],
  },
  {
    name: "an HMAC key that a job of CI signs with and nobody checks (R29)",
    files: change(
      system,
      "    consumers:\n      worker: { role: listener, as: { SIGNING_FILE: primary, SIGNING_BEFORE_FILE: secondary } }\n      api: { role: signer, as: { SIGNING_FILE: primary } }\n",
      "",
    ),
    expected: [
      "systems/shop.yaml:15:3: secrets.signing.consumers has no listener: give one service role: listener (R29)",
    ],
  },
  {
    name: "a store's root user without the store, and without any consumer (R27)",
    files: change(
      system,
      "  openai:\n",
      "  store:\n    class: sensitive\n    kind: s3\n    rotate: { on-compromise: true }\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:23:3: secrets.store.consumers has nobody who checks this s3: name the server that does, with role: listener, as a service that takes it up from its file or variable, or write rotate: { by: hand }",
    ],
  },
  {
    name: "a token that a machine rotates, and that its consumers only show (R27)",
    files: change(
      system,
      "  openai:\n",
      "  relay:\n    class: sensitive\n    kind: token\n    rotate: { every: 90d }\n    consumers:\n      api: { as: { RELAY_TOKEN: token } }\n      worker: { role: signer, as: { RELAY_TOKEN: token } }\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:27:5: secrets.relay.consumers has nobody who checks this token: name the service that does, with role: listener and the fields token and previous, since whoever shows the old one is let in beside the new one, or write rotate: { by: hand }",
    ],
  },
  {
    name: "ciphertext in a database that is not there",
    files: change(
      system,
      "retain: 30d",
      "retain: 30d\n    stored: [{ database: order, table: t, column: c }]",
    ),
    expected: [
      'systems/shop.yaml:46:26: encryption-keys.documents.stored[0].database is "order", which is not a database of this system: did you mean "orders"?',
    ],
  },
  {
    name: "ciphertext under a key that encrypts nothing",
    files: change(
      system,
      "kind: hmac",
      "kind: hmac\n    stored: [{ database: orders, table: t, column: c }]",
    ),
    expected: ["systems/shop.yaml:18:5: secrets.signing.stored belongs to kind: fernet, not hmac: remove it"],
  },
  {
    name: "a NATS server for what is no NATS user",
    files: change(
      system,
      "kind: hmac",
      'kind: hmac\n    nats: { servers: ["nats://127.0.0.1:4222"], users-file: users.conf, pid-file: nats.pid }',
    ),
    expected: ["systems/shop.yaml:18:5: secrets.signing.nats belongs to kind: nats, not hmac: remove it"],
  },
  {
    name: "a table with a quote in its name",
    files: change(
      system,
      "retain: 30d",
      "retain: 30d\n    stored: [{ database: orders, table: 't\"; --', column: c }]",
    ),
    expected: [
      'systems/shop.yaml:46:41: encryption-keys.documents.stored[0].table is "t\\"; --": write a Postgres name of lower-case letters, digits and _',
    ],
  },
  {
    name: "the address of a provider that is not there",
    files: production("providers: { openia: { address: https://api.acme.example } }"),
    expected: [
      'organization.yaml:23:18: environments.production.providers.openia is not a provider: did you mean "openai"?',
    ],
  },
  {
    name: "the address of a provider without an API",
    files: production("providers: { openai: { address: https://api.acme.example } }"),
    expected: [
      "organization.yaml:23:18: environments.production.providers.openai has no API: remove it, or write api: true at the provider",
    ],
  },
  {
    name: "a credential in a provider's address",
    files: production('providers: { openai: { address: "https://user:secret@api.acme.example" } }'),
    expected: [
      "organization.yaml:23:37: environments.production.providers.openai.address is a text that is not shown: write an http:// or https:// address without user, query and wildcard, such as http://10.20.0.5:8080",
    ],
  },
  {
    name: "a blackout of no length",
    files: production('rotation: { blackouts: [{ from: "10:00", to: "10:00", reason: Never }] }'),
    expected: [
      'organization.yaml:23:50: environments.production.rotation.blackouts[0].to is "10:00": write another time than from; one before it is the next day\'s',
    ],
  },
  {
    name: "a blackout at an hour that no clock shows",
    files: production('rotation: { blackouts: [{ from: "25:00", to: "10:00", reason: Never }] }'),
    expected: [
      'organization.yaml:23:37: environments.production.rotation.blackouts[0].from is "25:00": write a time such as 22:30 (UTC)',
    ],
  },
  {
    name: "no rotation at once",
    files: production("rotation: { concurrent: { total: 0 } }"),
    expected: [
      "organization.yaml:23:38: environments.production.rotation.concurrent.total is 0: write a number from 1",
    ],
  },
  {
    name: "an instance without a scheme",
    files: change(
      system,
      "    reload: watch\n",
      "    reload: watch\n    observe: { instances: [worker:9090] }\n",
    ),
    expected: [
      'systems/shop.yaml:12:28: services.worker.observe.instances[0] is "worker:9090": write an http:// or https:// address without user, query and wildcard, such as http://10.20.0.5:8080',
    ],
  },
];
