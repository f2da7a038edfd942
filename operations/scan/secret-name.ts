/** How much a name says that its value is secret: `password` ones are also secret when a person chose them. */
export type Secrecy = "password" | "key" | "none";

const passwords = /^(?:password|passwd|passphrase|passwort|pwd|passw|pass|contrasena|userpass|dbpass)s?$/;
const keys = /^(?:secrets?|tokens?|credentials?|creds?|apikeys?|authkeys?|pat|hmac|dsn)$/;
/** A key is a secret one only beside one of these. */
const ofKeys =
  /^(?:api|access|secret|private|priv|signing|sign|signature|encryption|encrypt|encrypted|crypto|cipher|aes|fernet|hmac|jwt|jwk|auth|authentication|master|account|client|service|server|session|cookie|storage|shared|admin|root|deploy|webhook|license|licence|app|application|consumer|integration|ingest|write|rest|sas|data|db|database|kms|ssh|rsa|user|personal|live|prod|production|stripe|openai|anthropic|gemini|binance|bybit|kalshi|coinbase|sendgrid|nonce|secure|logged|twilio|datadog|heroku|cloudflare|mailgun|newrelic|algolia|sentry|grafana|railway|render|supabase|vault|minio|aws|azure|gcp|google)$/;
/** With one of these at the end the name means something about the secret, not the secret. */
const about =
  /^(?:ids?|names?|files?|filenames?|paths?|dirs?|folders?|urls?|uris?|urn|arns?|endpoints?|hosts?|types?|kinds?|length|len|size|sizes|ttl|age|expiry|expires|expiration|exp|at|in|on|by|for|from|count|counts|limit|limits|max|min|hint|policy|policies|fields?|labels?|titles?|prompts?|placeholders?|versions?|algorithms?|alg|algo|public|pub|refs?|references?|regex|patterns?|headers?|prefix|suffix|index|format|class|enabled|required|valid|validator|validation|strength|error|errors|message|messages|msg|text|description|desc|help|button|link|input|form|page|screen|view|route|manager|provider|providers|store|stores|service|services|rotation|rotate|schedule|status|state|stats|issuer|audience|scope|scopes|usage|use|used|mode|method|methods|backend|engine|mount|reset|forgot|forgotten|change|changed|confirm|confirmation|confirmed|mismatch|match|matches|new|old|current|show|hide|toggle|visible|visibility|generator|parser|reader|writer|handler|helper|factory|builder|model|schema|table|column|list|lists|map|set|lifetime|duration|interval|timeout|period|env|environ|variable|var|owner|group|role|user|username|email|mail|fingerprint|thumbprint|digest|checksum|hash|hashes|hashed|sum|sha|sha1|sha256|sha512|md5|salt|rounds|cost|bits|accessor|bucket|region|template|example|sample|default|defaults|option|options|config|settings|rule|rules|check|checks|test|tests|mask|masked|redacted|placeholder|icon|color|style|css|locale|lang|display|tip|tooltip|spec|specs|selector|source|sources|binding|request|response|result|results|loader|cache|context|frequency|sort|order|algorithmic|encoding|encoded|separator|delimiter|char|chars|start|end|position|offset|kid|authentication|encryption|hashing)$/;
/** And with one of these anywhere. */
const never =
  /^(?:hashed|public|pub|publishable|csrf|xsrf|tokenizer|tokenize|tokenized|bos|eos|pad|unk|sep|primary|foreign|partition|sort|cache|translation|i18n|map|design|keyword|continuation|page|next|cursor|sync|resume|cancellation|cancel|anti|forgery|idempotency|dedupe|row|object|react|widget|hot|short)$/;

const together =
  /(?:password|passwd|passphrase|apikey|apitoken|apisecret|authtoken|accesstoken|accesskey|secretkey|privatekey|clientsecret|refreshtoken|bottoken|dbpass|userpass|masterkey|signingkey|encryptionkey)$/;

const seen = new Map<string, Secrecy>();

/**
 * What a name in a file says of its value. Words are told apart by case and signs: `dbPassword`, `DB_PASSWORD`,
 * `spring.datasource.password`, `PGPASSWORD`.
 */
export function secrecyOf(name: string): Secrecy {
  const known = seen.get(name);
  if (known !== undefined) return known;
  // A shell's own names of its folder.
  const secrecy = /^(?:OLD)?PWD$/.test(name) ? "none" : judge(wordsOf(name));
  if (seen.size < 20_000) seen.set(name, secrecy);
  return secrecy;
}

function judge(words: string[]): Secrecy {
  // PRIMARY and SECONDARY, 1 and 2, PROD and B64 say which one it is, or how it is written.
  while (
    /^(?:\d+|primary|secondary|previous|next|prod|production|staging|dev|local|b64|base64|hex|value|v\d|string|str|plain|raw|live|main)$/.test(
      words.at(-1) ?? "",
    ) &&
    words.length > 1
  )
    words = words.slice(0, -1);
  const last = words.at(-1) ?? "";
  if (about.test(last)) return "none";
  if (words.some((word) => passwords.test(word) || /(?:password|passwd|passphrase)$/.test(word))) {
    return words.some((word) => never.test(word)) ? "none" : "password";
  }
  if (words.some((word) => never.test(word))) return "none";
  if (words.some((word) => keys.test(word) || together.test(word))) return "key";
  if (/^(?:keys?)$/.test(last) && words.slice(0, -1).some((word) => ofKeys.test(word))) return "key";
  return "none";
}

function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}
