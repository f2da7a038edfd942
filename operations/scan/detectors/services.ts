import type { Format } from "./format.ts";

/** Models, payment, mail and chat. */
export const services: readonly Format[] = [
  {
    kind: { id: "openai-key", what: "an OpenAI key", revoke: "revoke it under API keys" },
    prefixes: ["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"],
    body: /[\w-]{40,200}/,
  },
  {
    kind: { id: "openai-legacy-key", what: "an OpenAI key", revoke: "revoke it under API keys" },
    prefixes: ["sk-"],
    body: /[A-Za-z0-9]{32,64}/,
    entropy: 3.5,
  },
  {
    kind: { id: "anthropic-key", what: "an Anthropic key", revoke: "disable it under API keys" },
    prefixes: ["sk-ant-"],
    body: /[a-z]{3,8}\d{2}-[\w-]{80,120}/,
  },
  {
    kind: { id: "openrouter-key", what: "an OpenRouter key", revoke: "delete it under Keys" },
    prefixes: ["sk-or-v1-"],
    body: /[a-f0-9]{64}/,
  },
  {
    kind: { id: "groq-key", what: "a Groq key", revoke: "delete it under API keys" },
    prefixes: ["gsk_"],
    body: /[A-Za-z0-9]{52}/,
  },
  {
    kind: { id: "xai-key", what: "an xAI key", revoke: "delete it under API keys" },
    prefixes: ["xai-"],
    body: /[A-Za-z0-9]{80}/,
  },
  {
    kind: {
      id: "hugging-face-token",
      what: "a Hugging Face token",
      revoke: "revoke it under Settings, Access tokens",
    },
    prefixes: ["hf_", "api_org_"],
    body: /[A-Za-z]{34}/,
  },
  {
    kind: { id: "perplexity-key", what: "a Perplexity key", revoke: "delete it under API" },
    prefixes: ["pplx-"],
    body: /[A-Za-z0-9]{48}/,
  },
  {
    kind: { id: "replicate-token", what: "a Replicate token", revoke: "disable it under API tokens" },
    prefixes: ["r8_"],
    body: /[A-Za-z0-9]{37}/,
  },
  {
    kind: { id: "stripe-key", what: "a Stripe key", revoke: "roll it under Developers, API keys" },
    prefixes: ["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"],
    body: /[A-Za-z0-9]{16,120}/,
  },
  {
    kind: {
      id: "webhook-secret",
      what: "a webhook's signing secret",
      revoke: "roll it at the webhook's endpoint",
    },
    prefixes: ["whsec_"],
    body: /[A-Za-z0-9+/]{32,64}={0,2}/,
  },
  {
    kind: { id: "square-token", what: "a Square token", revoke: "revoke it in the developer console" },
    prefixes: ["sq0atp-", "sq0csp-", "EAAA"],
    body: /[\w-]{22,60}/,
    entropy: 3.5,
  },
  {
    kind: { id: "paypal-token", what: "a Braintree access token", revoke: "revoke it in the control panel" },
    prefixes: ["access_token$production$", "access_token$sandbox$"],
    body: /[0-9a-z]{16}\$[0-9a-f]{32}/,
  },
  {
    kind: {
      id: "shopify-token",
      what: "a Shopify token",
      revoke: "uninstall or rotate the app's credentials",
    },
    prefixes: ["shpat_", "shpca_", "shppa_", "shpss_"],
    body: /[a-fA-F0-9]{32}/,
  },
  {
    kind: { id: "flutterwave-key", what: "a Flutterwave key", revoke: "make new ones under Settings, API" },
    prefixes: ["FLWSECK_TEST-", "FLWSECK-"],
    body: /[a-hA-H0-9]{12,32}(?:-X)?/,
    entropy: 2.5,
  },
  {
    kind: { id: "easypost-key", what: "an EasyPost key", revoke: "delete it under API keys" },
    prefixes: ["EZAK", "EZTK"],
    body: /[A-Za-z0-9]{54}/,
  },
  {
    kind: { id: "shippo-token", what: "a Shippo token", revoke: "delete it under API" },
    prefixes: ["shippo_live_", "shippo_test_"],
    body: /[a-fA-F0-9]{40}/,
  },
  {
    kind: { id: "duffel-token", what: "a Duffel token", revoke: "delete it under Access tokens" },
    prefixes: ["duffel_test_", "duffel_live_"],
    body: /[\w=-]{43}/,
  },
  {
    kind: {
      id: "slack-token",
      what: "a Slack token",
      revoke: "revoke it with auth.revoke, or reinstall the app",
    },
    prefixes: [
      "xoxb-",
      "xoxp-",
      "xoxa-",
      "xoxr-",
      "xoxs-",
      "xoxo-",
      "xoxe-",
      "xoxc-",
      "xoxd-",
      "xoxe.xoxb-",
      "xoxe.xoxp-",
    ],
    body: /[A-Za-z0-9%-]{20,255}/,
  },
  {
    kind: { id: "slack-app-token", what: "a Slack app token", revoke: "revoke it under Basic information" },
    prefixes: ["xapp-"],
    body: /\d-[A-Z0-9]{6,20}-\d{6,20}-[a-z0-9]{20,100}/i,
  },
  {
    kind: { id: "slack-webhook", what: "a Slack webhook", revoke: "delete it under Incoming webhooks" },
    prefixes: ["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
    body: /[A-Za-z0-9+/]{40,80}/,
  },
  {
    kind: { id: "discord-webhook", what: "a Discord webhook", revoke: "delete it under Integrations" },
    prefixes: ["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
    body: /\d{17,20}\/[\w-]{60,72}/,
  },
  {
    kind: { id: "teams-webhook", what: "a Microsoft Teams webhook", revoke: "remove the connector" },
    prefixes: [".webhook.office.com/webhookb2/"],
    body: /[a-z0-9@-]{70,80}\/IncomingWebhook\/[a-z0-9]{32}\/[a-z0-9-]{36}/,
  },
  {
    kind: { id: "sendgrid-key", what: "a SendGrid key", revoke: "delete it under Settings, API keys" },
    prefixes: ["SG."],
    body: /[\w-]{16,32}\.[\w-]{16,64}/,
  },
  {
    kind: { id: "sendinblue-key", what: "a Brevo key", revoke: "delete it under SMTP & API" },
    prefixes: ["xkeysib-", "xsmtpsib-"],
    body: /[a-f0-9]{64}-[A-Za-z0-9]{16}/,
  },
  {
    kind: { id: "mailgun-key", what: "a Mailgun key", revoke: "delete it under API keys" },
    prefixes: ["key-"],
    body: /[a-f0-9]{32}/,
  },
  {
    kind: { id: "resend-key", what: "a Resend key", revoke: "delete it under API keys" },
    prefixes: ["re_"],
    body: /[A-Za-z0-9]{8}_[A-Za-z0-9]{24}/,
  },
  {
    kind: { id: "twilio-key", what: "a Twilio API key", revoke: "delete it under Account, API keys" },
    prefixes: [
      "SK0",
      "SK1",
      "SK2",
      "SK3",
      "SK4",
      "SK5",
      "SK6",
      "SK7",
      "SK8",
      "SK9",
      "SKa",
      "SKb",
      "SKc",
      "SKd",
      "SKe",
      "SKf",
    ],
    body: /[0-9a-f]{31}/,
  },
  {
    kind: { id: "notion-token", what: "a Notion token", revoke: "refresh it under My integrations" },
    prefixes: ["ntn_"],
    body: /[0-9]{11}[A-Za-z0-9]{35}/,
  },
  {
    kind: { id: "notion-legacy-token", what: "a Notion token", revoke: "refresh it under My integrations" },
    prefixes: ["secret_"],
    body: /[A-Za-z0-9]{43}/,
    entropy: 3.8,
  },
  {
    kind: { id: "typeform-token", what: "a Typeform token", revoke: "delete it under Personal tokens" },
    prefixes: ["tfp_"],
    body: /[\w=.-]{59}/,
  },
  {
    kind: { id: "facebook-token", what: "a Facebook token", revoke: "invalidate it in the app's dashboard" },
    prefixes: ["EAAC", "EAAM", "EAAG"],
    body: /[A-Za-z0-9]{100,300}/,
  },
  {
    kind: { id: "airtable-token", what: "an Airtable token", revoke: "delete it under Developer hub" },
    prefixes: ["pat"],
    body: /[A-Za-z0-9]{14}\.[a-f0-9]{64}/,
  },
  {
    kind: {
      id: "intra-secret",
      what: "an Intra 42 client secret",
      revoke: "make a new one in the application",
    },
    prefixes: ["s-s4t2ud-", "s-s4t2af-"],
    body: /[a-f0-9]{64}/,
  },
  {
    kind: { id: "settlemint-token", what: "a SettleMint token", revoke: "delete it under Access tokens" },
    prefixes: ["sm_aat_", "sm_pat_", "sm_sat_"],
    body: /[A-Za-z0-9]{16}/,
  },
  {
    kind: { id: "scalingo-token", what: "a Scalingo token", revoke: "delete it under Account, Tokens" },
    prefixes: ["tk-us-"],
    body: /[\w-]{48}/,
  },
  {
    kind: { id: "frame-io-token", what: "a Frame.io token", revoke: "delete it under Tokens" },
    prefixes: ["fio-u-"],
    body: /[\w=-]{64}/,
  },
  {
    kind: { id: "clickhouse-key", what: "a ClickHouse Cloud key", revoke: "delete it under API keys" },
    prefixes: ["4b1d"],
    body: /[A-Za-z0-9]{38}/,
    entropy: 3.8,
  },
  {
    kind: { id: "yandex-key", what: "a Yandex Cloud key", revoke: "delete it with yc iam api-key delete" },
    prefixes: ["AQVN"],
    body: /[\w-]{35,38}/,
    entropy: 3.8,
  },
];
