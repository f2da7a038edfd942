import type { Format } from "./format.ts";

/** Clouds, hosting and infrastructure. Forms are those that the issuers document or their scanning partners publish. */
export const clouds: readonly Format[] = [
  {
    kind: {
      id: "aws-access-key",
      what: "an AWS access key",
      revoke: "deactivate and delete it in IAM (aws iam update-access-key), with its secret",
    },
    prefixes: ["AKIA", "ASIA", "ABIA", "ACCA"],
    body: /[A-Z0-9]{16}/,
  },
  {
    kind: {
      id: "aws-bedrock-key",
      what: "an Amazon Bedrock key",
      revoke: "delete it in IAM, service credentials",
    },
    prefixes: ["ABSK"],
    body: /[A-Za-z0-9+/]{109,269}={0,2}/,
  },
  {
    kind: {
      id: "google-api-key",
      what: "a Google API key",
      revoke: "delete it in Google Cloud, APIs & Services, Credentials",
    },
    prefixes: ["AIza"],
    body: /[\w-]{35}/,
  },
  {
    kind: {
      id: "google-oauth-secret",
      what: "a Google OAuth client secret",
      revoke: "reset it in Google Cloud, APIs & Services, Credentials",
    },
    prefixes: ["GOCSPX-"],
    body: /[\w-]{28}/,
  },
  {
    kind: {
      id: "google-oauth-token",
      what: "a Google access token",
      revoke: "revoke the grant in the Google account; it ends within the hour",
    },
    prefixes: ["ya29."],
    body: /[\w-]{60,400}/,
  },
  {
    kind: { id: "alibaba-access-key", what: "an Alibaba Cloud access key", revoke: "disable it in RAM" },
    prefixes: ["LTAI"],
    body: /[A-Za-z0-9]{16,20}/,
  },
  {
    kind: { id: "digitalocean-token", what: "a DigitalOcean token", revoke: "delete it under API, Tokens" },
    prefixes: ["dop_v1_", "doo_v1_", "dor_v1_"],
    body: /[a-f0-9]{64}/,
  },
  {
    kind: {
      id: "cloudflare-token",
      what: "a Cloudflare token",
      revoke: "roll or delete it under My Profile, API Tokens",
    },
    prefixes: ["cfk_", "cfut_", "cfat_"],
    body: /[A-Za-z0-9]{40}[0-9a-f]{8}/,
  },
  {
    kind: {
      id: "cloudflare-origin-key",
      what: "a Cloudflare Origin CA key",
      revoke: "change it under My Profile, API Tokens",
    },
    prefixes: ["v1.0-"],
    body: /[a-f0-9]{24}-[a-f0-9]{146}/,
  },
  {
    kind: {
      id: "heroku-token",
      what: "a Heroku token",
      revoke: "revoke it with heroku authorizations:revoke",
    },
    prefixes: ["HRKU-"],
    body: /[\w-]{36,65}/,
  },
  {
    kind: { id: "fly-token", what: "a Fly.io token", revoke: "revoke it with fly tokens revoke" },
    prefixes: ["fo1_", "fm1r_", "fm1a_", "fm2_"],
    body: /[\w+/-]{43,2000}={0,3}/,
  },
  {
    kind: {
      id: "render-token",
      what: "a Render API key",
      revoke: "revoke it under Account Settings, API Keys",
    },
    prefixes: ["rnd_"],
    body: /[A-Za-z0-9]{28,40}/,
  },
  {
    kind: { id: "vercel-token", what: "a Vercel token", revoke: "delete it under Account Settings, Tokens" },
    prefixes: ["vcp_", "vci_", "vca_", "vcr_", "vck_"],
    body: /[A-Za-z0-9]{20,60}/,
  },
  {
    kind: {
      id: "netlify-token",
      what: "a Netlify token",
      revoke: "delete it under User settings, Applications",
    },
    prefixes: ["nfp_", "nfc_", "nfo_", "nfu_"],
    body: /[A-Za-z0-9_]{36}/,
  },
  {
    kind: {
      id: "planetscale-token",
      what: "a PlanetScale token or password",
      revoke: "delete it in the PlanetScale dashboard",
    },
    prefixes: ["pscale_tkn_", "pscale_pw_", "pscale_oauth_"],
    body: /[\w=.-]{32,64}/,
  },
  {
    kind: {
      id: "supabase-token",
      what: "a Supabase token",
      revoke: "revoke it under Account, Access Tokens",
    },
    prefixes: ["sbp_", "sb_secret_"],
    body: /[A-Za-z0-9_]{28,64}/,
  },
  {
    kind: { id: "neon-key", what: "a Neon API key", revoke: "revoke it under Account settings, API keys" },
    prefixes: ["napi_"],
    body: /[a-z0-9]{40,80}/,
  },
  {
    kind: {
      id: "pulumi-token",
      what: "a Pulumi access token",
      revoke: "delete it under Personal access tokens",
    },
    prefixes: ["pul-"],
    body: /[a-f0-9]{40}/,
  },
  {
    kind: {
      id: "databricks-token",
      what: "a Databricks token",
      revoke: "revoke it under User settings, Developer",
    },
    prefixes: ["dapi"],
    body: /[a-f0-9]{32}(?:-\d)?/,
  },
  {
    kind: {
      id: "openshift-token",
      what: "an OpenShift token",
      revoke: "delete it with oc delete oauthaccesstoken",
    },
    prefixes: ["sha256~"],
    body: /[\w-]{43}/,
  },
  {
    kind: { id: "tailscale-key", what: "a Tailscale key", revoke: "revoke it under Settings, Keys" },
    prefixes: ["tskey-"],
    body: /[a-z]{2,20}-[0-9A-Za-z_]{8,40}-[0-9A-Za-z_]{16,60}/,
  },
  {
    kind: {
      id: "vault-token",
      what: "a Vault token",
      revoke: "revoke it with vault token revoke, or by its accessor",
    },
    prefixes: ["hvs.", "hvb.", "hvr."],
    body: /[\w-]{24,400}/,
    entropy: 3.3,
  },
  {
    kind: {
      id: "nats-seed",
      what: "a NATS seed",
      revoke: "make another with nsc, sign for it, and revoke the old one's public key",
    },
    // The kind (user, account, operator, server, cluster, curve) and the zero bits behind it, in base32.
    prefixes: ["SUA", "SAA", "SOA", "SNA", "SCA", "SXA"],
    body: /[A-P][A-Z2-7]{54}/,
    entropy: 3.3,
  },
  {
    kind: { id: "doppler-token", what: "a Doppler token", revoke: "revoke it in the Doppler dashboard" },
    prefixes: ["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
    body: /(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}/,
  },
  {
    kind: {
      id: "1password-token",
      what: "a 1Password service account token",
      revoke: "revoke it under Developer, Service accounts",
    },
    prefixes: ["ops_eyJ"],
    body: /[A-Za-z0-9+/]{100,2000}={0,3}/,
  },
  {
    kind: {
      id: "1password-secret-key",
      what: "a 1Password secret key",
      revoke: "make a new one under My profile",
    },
    prefixes: ["A3-"],
    body: /[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}/,
  },
  {
    kind: {
      id: "age-key",
      what: "an age private key",
      revoke: "take its recipient out, encrypt anew, and rotate what it could open",
    },
    prefixes: ["AGE-SECRET-KEY-1", "AGE-SECRET-KEY-PQ-1"],
    body: /[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/,
  },
];
