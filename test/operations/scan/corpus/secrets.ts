import {
  alnum,
  base32,
  base64,
  digits,
  hex,
  letters,
  lower,
  lowerAlnum,
  type Random,
  upperAlnum,
  word,
  words,
} from "./random.ts";

/** A kind of value that must be found. */
export interface Family {
  name: string;
  make(random: Random): string;
  /** Names that such a value is given, as in an environment file. */
  names: readonly string[];
  /** The value has a form of its own: it is also planted where no name tells of it. */
  formed: boolean;
}

/** Written so that no line of this file is what it makes. */
const join = (...parts: string[]) => parts.join("");

function formed(name: string, names: string, make: (random: Random) => string): Family {
  return { name, names: names.split(" "), formed: true, make };
}

/** A value that only its name tells of. */
function named(name: string, names: string, make: (random: Random) => string): Family {
  return { name, names: names.split(" "), formed: false, make };
}

/** Base64url JSON with the given members. */
const json = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

const uuid = (random: Random) => [8, 4, 4, 4, 12].map((length) => random.text(hex, length)).join("-");

const host = (random: Random) => `${random.pick(words)}.${random.pick(words)}.internal`;

/** What a person thinks of and a form accepts. */
export function chosen(random: Random): string {
  const [first, second] = [random.pick(words), random.pick(words)];
  const capital = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}`;
  return random.pick([
    `${capital(first)}${random.pick([..."!$@"])}${random.int(9000) + 1000}`,
    `${capital(first)}-${second}-${random.int(90) + 10}`,
    `${first.replace("a", "4").replace("e", "3")}${capital(second)}${random.pick([..."!?*"])}`,
    `${random.text(alnum, 5)}${random.pick([..."!@%^*"])}${random.text(alnum, 6)}${random.int(10)}`,
  ]);
}

/** Forms as their issuers document them, and as gitleaks, secretlint and detect-secrets look for them. */
export const families: readonly Family[] = [
  formed("AWS access key id", "AWS_ACCESS_KEY_ID aws_access_key", (r) =>
    join(r.pick(["AK", "AS"]), "IA", r.text(base32, 16)),
  ),
  named("AWS secret access key", "AWS_SECRET_ACCESS_KEY aws_secret_access_key", (r) => r.text(base64, 40)),
  formed("Google API key", "GOOGLE_API_KEY MAPS_KEY", (r) => join("AI", "zaSy", r.text(word, 33))),
  formed("Google OAuth client secret", "GOOGLE_CLIENT_SECRET", (r) => join("GOCS", "PX-", r.text(word, 28))),
  formed("Azure storage key", "AZURE_STORAGE_CONNECTION_STRING", (r) =>
    join(
      "DefaultEndpointsProtocol=https;AccountName=",
      r.pick(words),
      ";Account",
      "Key=",
      r.bytes(64).toString("base64"),
      ";EndpointSuffix=core.windows.net",
    ),
  ),
  formed("Azure client secret", "AZURE_CLIENT_SECRET", (r) =>
    join(r.text(alnum, 3), "8", "Q~", r.text(`${alnum}_~.-`, 34)),
  ),
  formed("Alibaba access key", "ALIBABA_ACCESS_KEY_ID", (r) => join("LT", "AI", r.text(alnum, 20))),
  formed("DigitalOcean token", "DIGITALOCEAN_TOKEN DO_PAT", (r) => join("do", "p_v1_", r.text(hex, 64))),
  named("Cloudflare API token", "CLOUDFLARE_API_TOKEN CF_API_KEY", (r) => r.text(word, 40)),
  named("Heroku API key", "HEROKU_API_KEY", uuid),
  formed("Heroku token", "HEROKU_TOKEN", (r) => join("HR", "KU-AA", r.text(word, 58))),
  formed("Fly.io token", "FLY_API_TOKEN", (r) => join("f", "o1_", r.text(alnum, 43))),
  named("Railway token", "RAILWAY_TOKEN", uuid),
  formed("Render key", "RENDER_API_KEY", (r) => join("rn", "d_", r.text(alnum, 32))),
  formed("PlanetScale password", "PLANETSCALE_PASSWORD", (r) => join("psc", "ale_pw_", r.text(word, 43))),
  formed("Databricks token", "DATABRICKS_TOKEN", (r) => join("da", "pi", r.text(hex, 32))),
  formed("Pulumi token", "PULUMI_ACCESS_TOKEN", (r) => join("pu", "l-", r.text(hex, 40))),
  formed("Terraform Cloud token", "TFE_TOKEN", (r) =>
    join(r.text(alnum, 14), ".atl", "asv1.", r.text(alnum, 67)),
  ),
  formed("Vault service token", "VAULT_TOKEN", (r) => join("hv", "s.", r.text(word, 95))),
  formed("Vault batch token", "VAULT_TOKEN", (r) => join("hv", "b.", r.text(word, 160))),
  formed("NATS seed", "NATS_SEED NKEY_SEED", (r) =>
    join("S", r.pick(["UA", "AA", "OA"]), r.text("ABCDEFGHIJKLMNOP", 1), r.text(base32, 54)),
  ),
  formed("Doppler token", "DOPPLER_TOKEN", (r) => join("dp", ".pt.", r.text(alnum, 43))),
  formed("age private key", "SOPS_AGE_KEY", (r) =>
    join("AGE-SEC", "RET-KEY-1", r.text("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
  ),
  formed("1Password service account token", "OP_SERVICE_ACCOUNT_TOKEN", (r) =>
    join(
      "op",
      "s_",
      Buffer.from(
        JSON.stringify({
          signInAddress: "my.1password.com",
          userAuth: { method: "SRPg-4096" },
          muk: r.text(word, 60),
          secretKey: r.text(upperAlnum, 30),
          srpX: r.text(hex, 64),
          throttle: r.text(hex, 8),
          deviceUuid: r.text(lower, 26),
        }),
      ).toString("base64"),
    ),
  ),
  formed("GitHub personal token", "GITHUB_TOKEN GH_PAT", (r) => join("gh", "p_", r.text(alnum, 36))),
  formed("GitHub app token", "GITHUB_APP_TOKEN", (r) => join("gh", "s_", r.text(alnum, 36))),
  formed("GitHub fine-grained token", "GH_TOKEN", (r) =>
    join("github", "_pat_", r.text(alnum, 22), "_", r.text(alnum, 59)),
  ),
  formed("GitLab personal token", "GITLAB_TOKEN", (r) => join("gl", "pat-", r.text(word, 20))),
  formed("GitLab runner token", "CI_RUNNER_TOKEN", (r) => join("gl", "rt-", r.text(word, 20))),
  formed("npm token", "NPM_TOKEN NODE_AUTH_TOKEN", (r) => join("np", "m_", r.text(alnum, 36))),
  formed("PyPI token", "TWINE_PASSWORD PYPI_TOKEN", (r) =>
    join("py", "pi-AgEIcHlwaS5vcmc", r.text(word, 150)),
  ),
  formed("RubyGems key", "GEM_HOST_API_KEY", (r) => join("ruby", "gems_", r.text(hex, 48))),
  formed("Docker Hub token", "DOCKERHUB_TOKEN", (r) => join("dck", "r_pat_", r.text(word, 27))),
  formed("Artifactory key", "ARTIFACTORY_API_KEY", (r) => join("AK", "Cp", r.text(alnum, 69))),
  formed("Atlassian token", "JIRA_API_TOKEN", (r) => join("ATA", "TT3", r.text(word, 186))),
  named("Bitbucket app password", "BITBUCKET_APP_PASSWORD", (r) => r.text(alnum, 20)),
  formed("Sentry token", "SENTRY_AUTH_TOKEN", (r) => join("sntry", "u_", r.text(hex, 64))),
  formed("SonarQube token", "SONAR_TOKEN", (r) => join("sq", "p_", r.text(hex, 40))),
  formed("Postman key", "POSTMAN_API_KEY", (r) => join("PM", "AK-", r.text(hex, 24), "-", r.text(hex, 34))),
  formed("Linear key", "LINEAR_API_KEY", (r) => join("lin", "_api_", r.text(alnum, 40))),
  formed("Figma token", "FIGMA_TOKEN", (r) => join("fi", "gd_", r.text(word, 43))),
  formed("Grafana service account token", "GRAFANA_TOKEN", (r) =>
    join("gl", "sa_", r.text(alnum, 32), "_", r.text(hex, 8)),
  ),
  formed("New Relic key", "NEW_RELIC_API_KEY", (r) => join("NR", "AK-", r.text(upperAlnum, 27))),
  named("Datadog key", "DATADOG_API_KEY DD_APP_KEY", (r) => r.text(hex, 40)),
  formed("Dynatrace token", "DT_API_TOKEN", (r) =>
    join("dt0", "c01.", r.text(base32, 24), ".", r.text(base32, 64)),
  ),
  formed("OpenAI project key", "OPENAI_API_KEY", (r) =>
    join("sk-", "proj-", r.text(word, 74), "T3Blb", "kFJ", r.text(word, 74)),
  ),
  formed("OpenAI key", "OPENAI_API_KEY", (r) =>
    join("sk", "-", r.text(alnum, 20), "T3Blb", "kFJ", r.text(alnum, 20)),
  ),
  formed("Anthropic key", "ANTHROPIC_API_KEY", (r) => join("sk-", "ant-api03-", r.text(word, 93), "AA")),
  formed("Groq key", "GROQ_API_KEY", (r) => join("gs", "k_", r.text(alnum, 52))),
  formed("Hugging Face token", "HF_TOKEN", (r) => join("h", "f_", r.text(letters, 34))),
  formed("Perplexity key", "PERPLEXITY_API_KEY", (r) => join("pp", "lx-", r.text(alnum, 48))),
  named("Cohere key", "COHERE_API_KEY CO_API_KEY", (r) => r.text(alnum, 40)),
  formed("Stripe key", "STRIPE_SECRET_KEY STRIPE_API_KEY", (r) =>
    join(r.pick(["s", "r"]), "k_", "live_", r.text(alnum, r.pick([24, 99]))),
  ),
  formed("Stripe webhook secret", "STRIPE_WEBHOOK_SECRET", (r) => join("wh", "sec_", r.text(alnum, 32))),
  formed("Square token", "SQUARE_ACCESS_TOKEN", (r) => join("sq0", "atp-", r.text(word, 22))),
  formed("Shopify token", "SHOPIFY_TOKEN", (r) => join("shp", "at_", r.text(hex, 32))),
  formed("Slack bot token", "SLACK_BOT_TOKEN", (r) =>
    join("xo", "xb-", r.text(digits, 12), "-", r.text(digits, 12), "-", r.text(alnum, 24)),
  ),
  formed("Slack user token", "SLACK_TOKEN", (r) =>
    join(
      "xo",
      "xp-",
      r.text(digits, 12),
      "-",
      r.text(digits, 12),
      "-",
      r.text(digits, 12),
      "-",
      r.text(hex, 32),
    ),
  ),
  formed("Slack webhook", "SLACK_WEBHOOK_URL", (r) =>
    join(
      "https://hooks.sl",
      "ack.com/services/T",
      r.text(upperAlnum, 8),
      "/B",
      r.text(upperAlnum, 8),
      "/",
      r.text(alnum, 24),
    ),
  ),
  formed("Discord bot token", "DISCORD_TOKEN BOT_TOKEN", (r) =>
    join(
      Buffer.from(`1${r.text(digits, 17)}`)
        .toString("base64")
        .replaceAll("=", ""),
      ".",
      "G",
      r.text(word, 5),
      ".",
      r.text(word, 38),
    ),
  ),
  formed("Discord webhook", "DISCORD_WEBHOOK", (r) =>
    join("https://disc", "ord.com/api/webhooks/1", r.text(digits, 17), "/", r.text(word, 68)),
  ),
  formed("Telegram bot token", "TELEGRAM_BOT_TOKEN TG_TOKEN", (r) =>
    join("5", r.text(digits, 9), ":A", "A", r.text(word, 33)),
  ),
  formed("SendGrid key", "SENDGRID_API_KEY", (r) => join("S", "G.", r.text(word, 22), ".", r.text(word, 43))),
  formed("Twilio key", "TWILIO_API_KEY", (r) => join("S", "K", r.text(hex, 32))),
  named("Twilio auth token", "TWILIO_AUTH_TOKEN", (r) => r.text(hex, 32)),
  formed("Mailchimp key", "MAILCHIMP_API_KEY", (r) =>
    join(r.text(hex, 32), "-u", "s", String(r.int(20) + 1)),
  ),
  formed("Mailgun key", "MAILGUN_API_KEY", (r) => join("ke", "y-", r.text(hex, 32))),
  formed("Brevo key", "BREVO_API_KEY", (r) => join("xke", "ysib-", r.text(hex, 64), "-", r.text(alnum, 16))),
  formed("Notion token", "NOTION_TOKEN", (r) => join("nt", "n_", r.text(digits, 11), r.text(alnum, 35))),
  formed("Airtable token", "AIRTABLE_TOKEN", (r) => join("pa", "t", r.text(alnum, 14), ".", r.text(hex, 64))),
  named("Algolia admin key", "ALGOLIA_ADMIN_KEY ALGOLIA_API_KEY", (r) => r.text(hex, 32)),
  formed("signed JSON Web Token", "SESSION_TOKEN ACCESS_TOKEN", (r) =>
    join(
      json({ alg: "HS256", typ: "JWT" }),
      ".",
      json({ sub: r.text(digits, 6), name: r.pick(words), iat: 1_700_000_000 + r.int(9_000_000) }),
      ".",
      r.bytes(32).toString("base64url"),
    ),
  ),
  formed("database address", "DATABASE_URL", (r) =>
    join(
      r.pick(["postgresql", "mysql", "mongodb+srv", "amqp"]),
      "://",
      r.pick(words),
      ":",
      r.text(alnum, 14),
      "@",
      host(r),
      ":5432/",
      r.pick(words),
    ),
  ),
  formed("Redis address", "REDIS_URL", (r) => join("redis://:", r.text(alnum, 20), "@", host(r), ":6379/0")),
  formed("address with basic authentication", "REGISTRY_URL", (r) =>
    join("https://", r.pick(words), ":", r.text(alnum, 16), "@", r.pick(words), ".example-corp.com/simple"),
  ),
  named(
    "Fernet key",
    "ENCRYPTION_KEY FERNET_KEY SA01_CRYPTO_FERNET_KEY",
    (r) => `${r.bytes(32).toString("base64url")}=`,
  ),
  named("hex secret", "JWT_SECRET SESSION_SECRET TITAN_HMAC_SECRET_PRIMARY SIGNING_KEY", (r) =>
    r.text(hex, 64),
  ),
  named("base64 secret", "APP_SECRET CLIENT_SECRET COOKIE_SECRET", (r) => r.bytes(32).toString("base64")),
  named("token", "AUTH_TOKEN INTERNAL_TOKEN SERVICE_TOKEN DEPLOY_TOKEN", (r) => r.text(word, 43)),
  named("lower-case token", "API_TOKEN ACCESS_TOKEN API_SECRET", (r) => r.text(lowerAlnum, 32)),
  named("exchange key", "BINANCE_API_SECRET BYBIT_API_KEY KALSHI_API_SECRET COINBASE_API_KEY", (r) =>
    r.text(alnum, 64),
  ),
  named(
    "password",
    "DB_PASSWORD POSTGRES_PASSWORD ADMIN_PASSWORD MINIO_ROOT_PASSWORD REDIS_PASSWORD SMTP_PASS",
    chosen,
  ),
  named("generated password", "DB_PASSWORD MYSQL_PASSWORD GRAFANA_ADMIN_PASSWORD", (r) =>
    r.text(`${alnum}!#%*+-_=?`, 24),
  ),
];

/** Keys that fill several lines. */
export const keys: readonly { name: string; make(random: Random): string[] }[] = [
  "RSA ",
  "EC ",
  "OPENSSH ",
  "",
].map((kind) => ({
  name: `${kind}private key`,
  make(random: Random) {
    const length = kind === "EC " ? 120 : kind === "OPENSSH " ? 280 : 1190;
    const begin = kind === "OPENSSH " ? "openssh-key-v1\0" : "\x30\x82\x04\xa4\x02";
    const body = Buffer.concat([Buffer.from(begin, "latin1"), random.bytes(length)]).toString("base64");
    const dashes = "-".repeat(5);
    return [
      `${dashes}BEGIN ${kind}PRIV${"ATE"} KEY${dashes}`,
      ...(body.match(/.{1,64}/g) ?? []),
      `${dashes}END ${kind}PRIV${"ATE"} KEY${dashes}`,
    ];
  },
}));
