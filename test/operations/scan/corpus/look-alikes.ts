import {
  alnum,
  base64,
  digits,
  hex,
  lower,
  lowerAlnum,
  type Random,
  upper,
  upperAlnum,
  word,
  words,
} from "./random.ts";

/** Text that is no secret, and the file that it stands in. Every line of it is one look-alike. */
export interface LookAlike {
  name: string;
  file: string;
  make(random: Random): string;
}

const uuid = (r: Random) => [8, 4, 4, 4, 12].map((length) => r.text(hex, length)).join("-");
const name = (r: Random) => `${r.pick(words)}-${r.pick(words)}`;
const capital = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}`;
const mask = (r: Random) =>
  r.pick(["****", "********", "[REDACTED]", "[MASKED]", "<redacted>", "xxxxxxxxxxxxxxxx"]);
const of = (kind: string, file: string, make: (r: Random) => string): LookAlike => ({
  name: kind,
  file,
  make,
});
const join = (...parts: string[]) => parts.join("");

/** What stands in repositories and logs and is like a secret in letters, in name, or in both. */
export const lookAlikes: readonly LookAlike[] = [
  of("commit hash", "CHANGELOG.md", (r) => `- ${r.text(hex, 40)} ${r.pick(words)} the ${r.pick(words)}`),
  of(
    "commit hash in an action",
    "ci.yml",
    (r) => `      - uses: actions/${r.pick(words)}@${r.text(hex, 40)} # v${r.int(9)}`,
  ),
  of(
    "revision in a lock file",
    "Cargo.lock",
    (r) => `source = "git+https://github.com/acme/${name(r)}?rev=${r.text(hex, 7)}#${r.text(hex, 40)}"`,
  ),
  of("checksum", "SHA256SUMS", (r) => `${r.text(hex, 64)}  ${name(r)}-${r.int(9)}.${r.int(20)}.tar.gz`),
  of("checksum in a lock file", "Cargo.lock", (r) => `checksum = "${r.text(hex, 64)}"`),
  of(
    "integrity in a lock file",
    "package-lock.json",
    (r) => `      "integrity": "sha512-${r.bytes(64).toString("base64")}",`,
  ),
  of(
    "integrity in a lock file",
    "yarn.lock",
    (r) =>
      `  resolved "https://registry.example/${name(r)}/-/${name(r)}-1.${r.int(9)}.0.tgz#${r.text(hex, 40)}"`,
  ),
  of(
    "Go checksum",
    "go.sum",
    (r) => `github.com/acme/${name(r)} v1.${r.int(30)}.0 h1:${r.bytes(32).toString("base64")}`,
  ),
  of(
    "hashes in requirements",
    "requirements.txt",
    (r) => `${name(r)}==${r.int(9)}.${r.int(9)} --hash=sha256:${r.text(hex, 64)}`,
  ),
  of("image digest", "values.yaml", (r) => `  image: registry.example/${name(r)}@sha256:${r.text(hex, 64)}`),
  of("id", "fixtures.json", (r) => `  { "id": "${uuid(r)}", "name": "${name(r)}" },`),
  of("id of a client", "config.ts", (r) => `  clientId: "${uuid(r)}",`),
  of(
    "id of a request",
    "api.log",
    (r) => `2026-03-01T10:22:${10 + r.int(49)}Z INFO request_id=${uuid(r)} status=200`,
  ),
  of(
    "trace",
    "api.log",
    (r) => `INFO traceparent=00-${r.text(hex, 32)}-${r.text(hex, 16)}-01 path=/v1/${r.pick(words)}`,
  ),
  of(
    "etag",
    "api.log",
    (r) => `GET /static/${r.pick(words)}.js 200 etag="${r.text(hex, 32)}" cache-key=${r.text(hex, 12)}`,
  ),
  of(
    "image as base64",
    "icons.css",
    (r) =>
      `.icon-${r.pick(words)} { background: url("data:image/png;base64,iVBORw0KGgo${r.bytes(120).toString("base64")}"); }`,
  ),
  of(
    "font as base64",
    "fonts.css",
    (r) => `  src: url(data:font/woff2;base64,d09GMgAB${r.bytes(180).toString("base64")});`,
  ),
  of(
    "file with a hash in its name",
    "index.html",
    (r) =>
      `<script src="/assets/${r.pick(words)}.${r.text(lowerAlnum, 8)}.js" integrity="sha384-${r.bytes(48).toString("base64")}"></script>`,
  ),
  of(
    "public SSH key",
    "authorized_keys",
    (r) =>
      `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${r.bytes(32).toString("base64").slice(0, 43)} ${r.pick(words)}@example.com`,
  ),
  of(
    "age recipient",
    ".sops.yaml",
    (r) => `      age: age1${r.text("qpzry9x8gf2tvdw0s3jn54khce6mua7l", 58)}`,
  ),
  of(
    "public JSON Web Key",
    "jwks.json",
    (r) =>
      `    { "kty": "EC", "crv": "P-256", "x": "${r.bytes(32).toString("base64url")}", "y": "${r.bytes(32).toString("base64url")}", "kid": "${r.text(hex, 8)}" },`,
  ),
  of(
    "publishable key",
    "config.ts",
    (r) => `export const stripePublishableKey = "pk_live_${r.text(alnum, 24)}";`,
  ),
  of(
    "address of Sentry, which is public",
    "config.ts",
    (r) =>
      `  sentry: "https://${r.text(hex, 32)}@o${r.text(digits, 6)}.ingest.sentry.io/${r.text(digits, 7)}",`,
  ),
  of(
    "analytics id",
    "index.html",
    (r) => `<script>gtag("config", "G-${r.text(upperAlnum, 10)}"); // UA-${r.text(digits, 8)}-1</script>`,
  ),
  of("certificate", "ca.yaml", (r) => `    MII${r.bytes(45).toString("base64")}`),
  of(
    "encrypted value",
    "production.enc.yaml",
    (r) =>
      `    password: ENC[AES256_GCM,data:${r.bytes(16).toString("base64")},iv:${r.bytes(32).toString("base64")},tag:${r.bytes(16).toString("base64")},type:str]`,
  ),
  of(
    "password's hash",
    "seed.sql",
    (r) => `INSERT INTO users VALUES (${r.int(999)}, '$2b$12$${r.text(`${alnum}./`, 53)}');`,
  ),
  of(
    "password's hash",
    "users.yaml",
    (r) => `  password_hash: "$argon2id$v=19$m=65536,t=3,p=4$${r.text(base64, 22)}$${r.text(base64, 43)}"`,
  ),
  of(
    "reference to a store",
    "values.yaml",
    (r) => `  password: vault:secret/data/${r.pick(words)}/${r.pick(words)}#password`,
  ),
  of(
    "reference to a variable",
    ".env.example",
    (r) => `${r.pick(words).toUpperCase()}_API_KEY=\${${r.pick(words).toUpperCase()}_API_KEY}`,
  ),
  of(
    "reference to a variable",
    "settings.py",
    (r) => `${r.pick(words).toUpperCase()}_SECRET = os.environ["${r.pick(words).toUpperCase()}_SECRET"]`,
  ),
  of(
    "reference to a variable",
    "config.js",
    (r) => `  ${r.pick(words)}Token: process.env.${r.pick(words).toUpperCase()}_TOKEN,`,
  ),
  of(
    "reference to a secret",
    "deployment.yaml",
    (r) =>
      `        - name: DB_PASSWORD\n          valueFrom: { secretKeyRef: { name: ${name(r)}, key: password } }`,
  ),
  of(
    "reference in a workflow",
    "ci.yml",
    (r) =>
      `          ${r.pick(words).toUpperCase()}_TOKEN: \${{ secrets.${r.pick(words).toUpperCase()}_TOKEN }}`,
  ),
  of("reference in a template", "values.yaml", (r) => `  apiKey: "{{ .Values.${r.pick(words)}.apiKey }}"`),
  of(
    "file of a secret",
    "docker-compose.yml",
    (r) => `      DB_PASSWORD_FILE: /run/secrets/${r.pick(words)}_db_password`,
  ),
  of("file of a secret", "settings.py", (r) => `PRIVATE_KEY_PATH = "/etc/ssl/private/${name(r)}.pem"`),
  of(
    "placeholder",
    ".env.example",
    (r) =>
      `${r.pick(words).toUpperCase()}_PASSWORD=${r.pick(["changeme", "your-password-here", "<password>", "CHANGE_ME", "xxxxxxxxxxxx", "replace-me-please"])}`,
  ),
  of("placeholder of a token", "README.md", (r) =>
    r.pick([
      `export GITHUB_TOKEN=ghp_${"x".repeat(36)}`,
      `api_key: YOUR_${r.pick(words).toUpperCase()}_API_KEY`,
      `OPENAI_API_KEY=sk-...`,
      `token = "<${r.pick(words)} token>"`,
    ]),
  ),
  of("AWS' example", "README.md", () => join("aws_access_key_id = AKIAIOSFODNN7", "EXAMPLE")),
  of("AWS' example", "README.md", () =>
    join("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY", "EXAMPLEKEY"),
  ),
  of(
    "address of documentation",
    "README.md",
    (r) =>
      `DATABASE_URL=postgres://${r.pick(["user:password", "username:password", "postgres:postgres", "root:secret", "<user>:<password>", ["$", "{USER}:$", "{PASSWORD}"].join("")])}@localhost:5432/${r.pick(words)}`,
  ),
  of(
    "address with an @ in its path",
    "api.log",
    (r) => `GET http://127.0.0.1:${3000 + r.int(999)}/users/@${r.pick(words)} 200`,
  ),
  of("mask", "api.log", (r) => `INFO login user=${r.pick(words)} password=${mask(r)} token=${mask(r)}`),
  of(
    "translation",
    "de.json",
    (r) =>
      `  "${r.pick(["password", "forgot_password", "token", "api_key", "secret_question"])}": "${r.pick(["Passwort vergessen?", "Bitte Kennwort eingeben", "Mot de passe oublié", "Zugangsschlüssel", "Contraseña incorrecta"])}",`,
  ),
  of(
    "label",
    "form.tsx",
    (r) =>
      `<Input name="password" label="${capital(r.pick(words))} password" placeholder="At least 12 characters" />`,
  ),
  of(
    "message",
    "errors.py",
    (r) =>
      `raise ValueError("password must differ from the last ${r.int(9) + 2} ${r.pick(words)} passwords")`,
  ),
  of(
    "call",
    "auth.py",
    (r) => `    password = ${r.pick(["get_password", "prompt", "vault.read", "generate"])}(${r.pick(words)})`,
  ),
  of(
    "call",
    "auth.ts",
    (r) => `  const token = await create${capital(r.pick(words))}Token(user, options.${r.pick(words)});`,
  ),
  of("type", "types.ts", (r) => `  ${r.pick(words)}Secret: SecretReference<"${name(r)}">;`),
  of("name of a setting", "config.go", (r) => `\tpasswordMinLength = "${r.pick(words)}.password.min-length"`),
  of(
    "name of a secret",
    "main.tf",
    (r) => `  secret_id = "projects/${r.pick(words)}/secrets/${name(r)}-api-key"`,
  ),
  of("name of a secret", "values.yaml", (r) => `  existingSecret: ${name(r)}-credentials-v${r.int(9)}`),
  of(
    "resource name",
    "main.tf",
    (r) => `  kms_key_arn = "arn:aws:kms:eu-west-1:${r.text(digits, 12)}:key/${uuid(r)}"`,
  ),
  of(
    "address of a token endpoint",
    "config.yaml",
    (r) => `  token_url: https://${r.pick(words)}.example.com/oauth2/v1/token`,
  ),
  of(
    "CSRF field",
    "form.html",
    (r) =>
      `<input type="hidden" name="authenticity_field" id="${r.text(lowerAlnum, 12)}" data-turbo="${r.pick(words)}">`,
  ),
  of(
    "minified code",
    "bundle.min.js",
    (r) =>
      `function ${r.text(lower, 1)}(e,t){return e.token===t.token&&e.key==="${r.text(lower, 3)}"||(t.password=e.secret)}var ${r.text(letters(), 2)}="${r.text(lowerAlnum, 6)}",${r.text(lower, 2)}=[${Array.from({ length: 12 }, () => r.int(65536)).join(",")}];`,
  ),
  of(
    "table of numbers",
    "table.c",
    (r) => `  ${Array.from({ length: 8 }, () => `0x${r.text(hex, 8)}`).join(", ")},`,
  ),
  of(
    "test vector",
    "vectors.json",
    (r) => `  { "input": "${r.text(hex, 64)}", "digest": "${r.text(hex, 64)}" },`,
  ),
  of(
    "source map",
    "bundle.js.map",
    (r) =>
      `{"version":3,"mappings":"${Array.from({ length: 30 }, () => r.text(`${letters()}`, 4)).join(",")};"}`,
  ),
  of(
    "colour",
    "theme.css",
    (r) => `  --${r.pick(words)}: #${r.text(hex, 6)}; --${r.pick(words)}: #${r.text(hex, 8)};`,
  ),
  of("nonce of a policy", "index.html", (r) => `<style nonce="${r.bytes(16).toString("base64")}">`),
  of(
    "public address of a chain",
    "tokens.json",
    (r) => `  { "symbol": "${r.text(upper, 4)}", "address": "0x${r.text(hex, 40)}" },`,
  ),
  of("transaction", "api.log", (r) => `INFO settled tx=0x${r.text(hex, 64)} block=${r.text(digits, 8)}`),
  of(
    "video id",
    "links.md",
    (r) =>
      `- https://www.youtube.com/watch?v=${r.text(word, 11)} and https://docs.google.com/document/d/1${r.text(word, 43)}/edit`,
  ),
  of(
    "fingerprint of a key",
    "audit.log",
    (r) => `sshd: Accepted publickey for ${r.pick(words)} ssh2: ED25519 SHA256:${r.text(base64, 43)}`,
  ),
  of(
    "accessor and lease",
    "audit.json",
    (r) =>
      `{"type":"response","auth":{"accessor":"hmac-sha256:${r.text(hex, 64)}"},"request":{"id":"${uuid(r)}"}}`,
  ),
  of(
    "keyed hash",
    "audit.json",
    (r) => `{"response":{"data":{"password":"hmac-sha256:${r.text(hex, 64)}"}}}`,
  ),
  of("page token", "client.go", (r) => `\tnextPageToken: "${r.pick(words)}-page-${r.int(99)}",`),
  of(
    "tokenizer",
    "model.json",
    (r) =>
      `  "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "${capital(r.pick(words))}TokenizerFast",`,
  ),
  of(
    "licence text",
    "LICENSE",
    (r) =>
      `The ${r.pick(words)} of the ${r.pick(words)} shall keep the secret token of the ${r.pick(words)}.`,
  ),
  of(
    "key of a map",
    "regions.yaml",
    (r) => `${r.pick(words)}:\n  key: ${r.pick(words)}/${r.text(lowerAlnum, 24)}`,
  ),
  of(
    "map below a secret's name",
    "compose.yaml",
    (r) => `secrets:\n  ${name(r)}:\n    file: ./secrets/${r.pick(words)}`,
  ),
  of("list below a secret's name", "roles.yaml", (r) => `tokens:\n  - ${name(r)}-${r.pick(words)}`),
  of("sentence about a password", "messages.yaml", (r) =>
    r.pick([
      `password: "Enter the ${r.pick(words)} password of at least 12 characters"`,
      `passphrase: "the passphrase of your ${r.pick(words)} key"`,
      `token: see the ${r.pick(words)} page for Version2Tokens`,
      `secret: rotate ${r.pick(words)} every 30d after release 2026.11`,
    ]),
  ),
  of("name of a store's entry", "values.yaml", (r) => `password:\n    value: ${name(r)}-${r.pick(words)}`),
  of(
    "documentation's key",
    "README.md",
    (r) => `API_KEY=${r.text(alnum, 20)}${r.pick(["EXAMPLE", "EXAMPLEKEY"])}`,
  ),
  of(
    "documentation's key",
    "README.md",
    (r) => `API_KEY=${r.pick(["example", "fake", "dummy"])}${r.text(alnum, 20)}`,
  ),
];

function letters(): string {
  return lower + upper;
}
