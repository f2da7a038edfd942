/** A small catalogue whose positions tests can count on. Everything in it is right. */
export const organization = `organization: acme
platform:
  repository: { name: acme/secrets, id: 1, owner-id: 2 }
people:
  ada: { email: ada@acme.example, groups: [platform] }
  ben: { email: ben@acme.example }
administrators: [ada, ben]
contacts: { security: security@acme.example, on-call: oncall@acme.example }
groups:
  platform: { purpose: Runs it, operates: [shop] }
providers:
  openai: { name: OpenAI, api: false, rotate-within: 90d }
environments:
  local: {}
  production:
    vault:
      address: https://vault.acme.example
      audit:
        one: { type: file, path: /var/log/vault/audit.log }
        two: { type: syslog, facility: AUTH }
      cidrs: [10.0.0.0/16]
    postgres: { host: db.acme.example }
`;

export const shop = `system: shop
owner: ada
repository: { name: acme/shop, id: 3, owner-id: 2 }
ci:
  deploy: { workflow: deploy.yml, reads: [signing] }
services:
  api: { runs-on: compose, user: 1000, reload: restart }
  worker:
    runs-on: compose
    user: 1000
    reload: watch
settings:
  LOG_LEVEL: info
secrets:
  signing:
    class: critical
    kind: hmac
    idle: none
    rotate: { every: 30d, overlap: 24h }
    consumers:
      worker: { role: listener, as: { SIGNING_FILE: primary, SIGNING_BEFORE_FILE: secondary } }
      api: { role: signer, as: { SIGNING_FILE: primary } }
  openai:
    class: critical
    kind: api-key
    provider: openai
    rotate: { by: hand, every: 90d }
    consumers:
      api: { as: { OPENAI_API_KEY: key } }
databases:
  orders:
    engine: postgres
    at: { local: {}, production: {} }
    groups:
      orders_reader: { grants: [{ schema: public, tables: [select] }] }
    users:
      worker: { member-of: orders_reader, ttl: 15m }
      api:
        member-of: orders_reader
        rotate: { every: 30d, method: alternating }
        as: { DB_PASSWORD_FILE: password }
encryption-keys:
  documents:
    rotate: { every: 90d }
    retain: 30d
    consumers: { api: [encrypt] }
`;
