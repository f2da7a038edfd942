import { change, type Malformed } from "./case.ts";

export const databases: Malformed[] = [
  {
    name: "a single user whose change nobody says what it does (R32)",
    files: change("systems/shop.yaml", "method: alternating", "method: single"),
    expected: [
      "systems/shop.yaml:38:7: databases.orders.users.api.impact is missing: one user has one password at a time, so that new connections are refused from its change until each consumer has restarted with the new one, and until another runner goes on where one dies in between: say what that does, or write method: alternating (R31, R32)",
    ],
  },
  {
    name: "a variable of a dynamic user",
    files: change(
      "systems/shop.yaml",
      "worker: { member-of: orders_reader, ttl: 15m }",
      "worker: { member-of: orders_reader, ttl: 15m, as: { X: password } }",
    ),
    expected: [
      "systems/shop.yaml:37:53: databases.orders.users.worker.as belongs to a static user: remove it, or write rotate instead of ttl",
    ],
  },
  {
    name: "neither a lifetime nor a rotation",
    files: change(
      "systems/shop.yaml",
      "worker: { member-of: orders_reader, ttl: 15m }",
      "worker: { member-of: orders_reader }",
    ),
    expected: [
      "systems/shop.yaml:37:7: databases.orders.users.worker.ttl is missing: write 15m for a dynamic user, or rotate: { … } for a static one",
    ],
  },
  {
    name: "a lifetime of a static user",
    files: change(
      "systems/shop.yaml",
      "        rotate: { every: 30d, method: alternating }\n",
      "        rotate: { every: 30d, method: alternating }\n        ttl: 15m\n",
    ),
    expected: [
      "systems/shop.yaml:41:9: databases.orders.users.api.ttl belongs to a dynamic user: remove it, or remove rotate",
    ],
  },
  {
    name: "an unknown owner of a static user",
    files: change(
      "systems/shop.yaml",
      "        rotate: { every: 30d, method: alternating }\n",
      "        rotate: { every: 30d, method: alternating }\n        owner: cleo\n",
    ),
    expected: [
      'systems/shop.yaml:41:16: databases.orders.users.api.owner is "cleo", which is not a person: write one of ada, ben',
    ],
  },
  {
    name: "variables beside consumers",
    files: change(
      "systems/shop.yaml",
      "        rotate: { every: 30d, method: alternating }\n",
      "        rotate: { every: 30d, method: alternating }\n        consumers: { worker: {} }\n",
    ),
    expected: [
      "systems/shop.yaml:42:9: databases.orders.users.api.as stands beside consumers: move it to the consumer that it is for",
    ],
  },
  {
    name: "a static user without consumers",
    files: change("systems/shop.yaml", "        as: { DB_PASSWORD_FILE: password }\n", ""),
    expected: [
      "systems/shop.yaml:38:7: databases.orders.users.api.as is missing: write { VARIABLE: password }, or consumers: { … }",
    ],
  },
  {
    name: "variables for a service that is not there",
    files: change("systems/shop.yaml", "      api:\n        member-of", "      app:\n        member-of"),
    expected: [
      'systems/shop.yaml:38:7: databases.orders.users.app is not a service of this system, which as is for: did you mean "api"?',
    ],
  },
  {
    name: "a static user that changes too seldom",
    files: change("systems/shop.yaml", "every: 30d, method", "every: 366d, method"),
    expected: [
      'systems/shop.yaml:40:26: databases.orders.users.api.rotate.every is "366d": write at most 365d (R20)',
    ],
  },
  {
    name: "an unknown owner of an encryption key",
    files: change("systems/shop.yaml", "    retain: 30d", "    retain: 30d\n    owner: cleo"),
    expected: [
      'systems/shop.yaml:46:12: encryption-keys.documents.owner is "cleo", which is not a person: write one of ada, ben',
    ],
  },
  {
    name: "a transit key that rotates faster than Vault can",
    files: change(
      "systems/shop.yaml",
      "rotate: { every: 90d }\n    retain",
      "rotate: { every: 59m }\n    retain",
    ),
    expected: [
      'systems/shop.yaml:44:22: encryption-keys.documents.rotate.every is "59m": write at least 1h, Vault\'s own limit',
    ],
  },
  {
    name: "two databases of one name on one server",
    files: change(
      "systems/shop.yaml",
      "databases:\n",
      "databases:\n  copy:\n    engine: postgres\n    at: { local: { database: shop_orders } }\n    groups: { other: { grants: [{ schema: public }] } }\n",
    ),
    expected: [
      "systems/shop.yaml:35:3: databases.orders is also a database of shop/copy on the same server in local: take a name of its own",
    ],
  },
  {
    name: "two groups of one name on one server",
    files: change(
      "systems/shop.yaml",
      "databases:\n",
      "databases:\n  copy:\n    engine: postgres\n    at: { production: {} }\n    groups: { orders_reader: { grants: [{ schema: public }] } }\n",
    ),
    expected: [
      "systems/shop.yaml:39:7: databases.orders.groups.orders_reader is also a role of shop/copy on the same server in production: take a name of its own",
    ],
  },
  {
    name: "a user with the name of a group",
    files: change(
      "systems/shop.yaml",
      "databases:\n",
      "databases:\n  copy:\n    engine: postgres\n    at: { production: {} }\n    groups: { api: { grants: [{ schema: public }] } }\n",
    ),
    expected: [
      "systems/shop.yaml:42:7: databases.orders.users.api is also a role of shop/copy on the same server in production: take a name of its own",
    ],
  },
];
