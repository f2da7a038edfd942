import type { Model } from "../../model/model.ts";

/** A small organization: two systems, one of everything that a system can have. */
export function smallModel(change: Partial<Model> = {}): Model {
  return {
    organization: "acme",
    environment: "local",
    platform: { repository: { name: "acme/secrets", id: 1, ownerId: 2 } },
    vault: {
      address: "https://127.0.0.1:8200",
      mounts: { kv: "kv", transit: "transit", database: "database" },
      auth: { github: "github", approle: "approle", kubernetes: "kubernetes", human: "userpass" },
      audit: [
        { name: "first", type: "file", options: { file_path: "/var/log/first/audit.log" } },
        { name: "second", type: "file", options: { file_path: "/var/log/second/audit.log" } },
      ],
      fingerprintKey: "keyplane.fingerprint",
    },
    github: {
      issuer: "https://127.0.0.1:8300",
      issuerCertificate: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
      audience: "https://github.com/acme",
      environment: "local",
      branches: ["main"],
    },
    people: [
      { name: "ada", email: "ada@acme.example", groups: ["platform"] },
      { name: "ben", email: "ben@acme.example", groups: [] },
    ],
    groups: [{ name: "platform", purpose: "Runs it.", members: ["ada"], policies: ["group.platform"] }],
    systems: [
      { name: "soma", owner: "ben", part: "second" },
      { name: "titan", owner: "ada", part: "first" },
    ],
    services: [],
    secrets: [],
    databases: [
      {
        id: "titan/ledger",
        system: "titan",
        name: "ledger",
        engine: "postgres",
        connection: "titan.ledger",
        host: "127.0.0.1",
        port: 5432,
        database: "ledger",
        tls: "disable",
        manager: "keyplane_ledger",
        groups: [{ name: "ledger_reader", grants: ["CONNECT ON DATABASE ledger"] }],
        users: [
          {
            role: "titan.ledger.quant",
            service: "titan/quant",
            memberOf: "ledger_reader",
            ttl: 900,
            maxTtl: 3600,
            creationStatements: [
              `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "ledger_reader"`,
            ],
            revocationStatements: [`DROP ROLE IF EXISTS "{{name}}"`],
          },
        ],
      },
    ],
    encryptionKeys: [
      {
        id: "titan/documents",
        system: "titan",
        name: "documents",
        key: "titan.documents",
        type: "aes256-gcm96",
        owner: "ada",
        autoRotate: 7_776_000,
        retain: 2_592_000,
        consumers: [],
      },
    ],
    ciJobs: [],
    policies: [
      {
        name: "group.platform",
        purpose: "What the platform's people do.",
        of: { kind: "group", id: "platform" },
        rules: [{ path: "sys/leases/lookup/*", capabilities: ["list", "sudo"] }],
      },
      {
        name: "soma.gateway",
        purpose: "Reads its own values.",
        of: { kind: "service", id: "soma/gateway" },
        rules: [{ path: "kv/data/services/soma/gateway/token", capabilities: ["read"] }],
      },
      {
        name: "titan.ci.deploy",
        purpose: "Reads what the deploy job needs.",
        of: { kind: "ci", id: "titan/ci/deploy" },
        rules: [{ path: "kv/data/ci/titan/deploy/grafana-admin", capabilities: ["read"] }],
      },
    ],
    jwtRoles: [
      {
        name: "keyplane.deploy",
        of: { kind: "platform", id: "deploy" },
        audience: "https://github.com/acme",
        userClaim: "repository_id",
        boundClaims: { repository_id: ["1"], repository_owner_id: ["2"], environment: ["local"] },
        policies: ["keyplane.deploy"],
        tokenType: "service",
        ttl: 900,
        maxTtl: 3600,
      },
      {
        name: "titan.ci.deploy",
        of: { kind: "ci", id: "titan/ci/deploy" },
        audience: "https://github.com/acme",
        userClaim: "repository_id",
        boundClaims: {
          repository_id: ["821093847"],
          repository_owner_id: ["5544123"],
          environment: ["local"],
          job_workflow_ref: [
            "acme/titan/.github/workflows/deploy.yml@refs/heads/main",
            "acme/titan/.github/workflows/deploy.yml@refs/heads/stable",
          ],
        },
        policies: ["titan.ci.deploy"],
        tokenType: "batch",
        ttl: 600,
        maxTtl: 600,
      },
    ],
    appRoles: [
      {
        name: "titan.quant",
        service: "titan/quant",
        deliveredBy: "ada",
        policies: ["titan.quant"],
        secretIdTtl: 86_400,
        secretIdUses: 1,
        cidrs: ["127.0.0.1/32"],
        ttl: 3600,
        maxTtl: 86_400,
      },
    ],
    kubernetesRoles: [
      {
        name: "soma.gateway",
        service: "soma/gateway",
        namespace: "soma",
        serviceAccount: "gateway",
        audience: "vault",
        policies: ["soma.gateway"],
        ttl: 3600,
        maxTtl: 86_400,
      },
    ],
    quotas: [{ name: "everyone", path: "", rate: 500, interval: 1 }],
    recipients: [],
    contacts: { security: "security@acme.example", onCall: "oncall@acme.example" },
    settings: [],
    exceptions: [],
    parts: ["first", "second"],
    ...change,
  };
}
