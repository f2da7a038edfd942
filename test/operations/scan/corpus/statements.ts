import { alnum, base64, digits, hex, lowerAlnum, type Random, word, words } from "./random.ts";
import { chosen } from "./secrets.ts";

/** A value in a statement that a tool or protocol prescribes, of a form and name that are not in the other lists. */
export interface Statement {
  name: string;
  file: string;
  /** The lines, and the value in them. */
  make(random: Random): { text: string; value: string };
}

const of = (
  name: string,
  file: string,
  value: (r: Random) => string,
  text: (value: string, r: Random) => string,
): Statement => ({
  name,
  file,
  make(random) {
    const made = value(random);
    return { value: made, text: text(made, random) };
  },
});

const generated = (length: number) => (r: Random) => r.text(alnum, length);
const host = (r: Random) => `${r.pick(words)}.${r.pick(words)}.internal`;
const basic = (r: Random) => Buffer.from(`${r.pick(words)}:${r.text(alnum, 16)}`).toString("base64");

/** What the tools' own documentation has people write. */
export const statements: readonly Statement[] = [
  of(
    "npmrc token",
    ".npmrc",
    (r) => `${[8, 4, 4, 4, 12].map((length) => r.text(hex, length)).join("-")}`,
    (v) => `//registry.example/:_authToken=${v}`,
  ),
  of(
    "npmrc password",
    ".npmrc",
    (r) => Buffer.from(r.text(alnum, 18)).toString("base64"),
    (v) => `//registry.example/:_password=${v}`,
  ),
  of(
    "netrc",
    ".netrc.txt",
    generated(20),
    (v, r) => `machine ${host(r)} login ${r.pick(words)} password ${v}`,
  ),
  of(
    "pgpass",
    "pgpass.conf",
    generated(18),
    (v, r) => `${host(r)}:5432:${r.pick(words)}:${r.pick(words)}:${v}`,
  ),
  of(
    "curl with a user",
    "deploy.sh",
    generated(16),
    (v, r) => `curl -fsS -u ${r.pick(words)}:${v} https://${host(r)}/v1/deploy`,
  ),
  of(
    "curl with a bearer token",
    "deploy.sh",
    (r) => r.text(word, 48),
    (v, r) => `curl -H "Authorization: Bearer ${v}" https://${host(r)}/v1/me`,
  ),
  of(
    "curl with a header",
    "deploy.sh",
    generated(32),
    (v, r) => `curl -H 'X-Api-Key: ${v}' https://${host(r)}/v1/me`,
  ),
  of("basic header", "client.py", basic, (v) => `headers = {"Authorization": "Basic ${v}"}`),
  of(
    "bearer token in a log",
    "api.log",
    (r) => r.text(word, 40),
    (v) => `DEBUG request headers: authorization=Bearer ${v} accept=*/*`,
  ),
  of(
    "token in a query",
    "api.log",
    (r) => r.text(lowerAlnum, 40),
    (v, r) => `GET /v1/${r.pick(words)}?page=2&access_token=${v}&limit=10 200`,
  ),
  of(
    "API key in a query",
    "api.log",
    generated(32),
    (v, r) => `GET https://${host(r)}/data?api_key=${v} 403`,
  ),
  of(
    "password in a log",
    "api.log",
    chosen,
    (v, r) => `ERROR cannot connect: user=${r.pick(words)} password=${v} host=${host(r)}`,
  ),
  of(
    "connection string",
    "appsettings.json",
    (r) => `${r.text(alnum, 12)}!${r.int(99)}`,
    (v, r) =>
      `    "Main": "Server=${host(r)};Database=${r.pick(words)};User Id=${r.pick(words)};Password=${v};",`,
  ),
  of(
    "JDBC address",
    "application.yml",
    generated(18),
    (v, r) => `    url: jdbc:postgresql://${host(r)}/${r.pick(words)}?user=${r.pick(words)}&password=${v}`,
  ),
  of(
    "libpq string",
    "main.go",
    generated(18),
    (v, r) =>
      `\tdb, err := sql.Open("postgres", "host=${host(r)} user=${r.pick(words)} password=${v} sslmode=require")`,
  ),
  of(
    "XML element",
    "server.xml",
    (r) => `${r.text(alnum, 10)}#${r.int(99)}x`,
    (v) => `    <password>${v}</password>`,
  ),
  of("XML attribute", "web.config", generated(20), (v) => `    <add key="ApiSecret" value="${v}" />`),
  of(
    "XML attribute of a user",
    "tomcat-users.xml",
    (r) => `${r.text(alnum, 12)}-${r.int(99)}`,
    (v, r) => `  <user username="${r.pick(words)}" password="${v}" roles="admin"/>`,
  ),
  of(
    "Kubernetes secret",
    "secret.yaml",
    (r) => Buffer.from(r.text(alnum, 24)).toString("base64"),
    (v) => `apiVersion: v1\nkind: Secret\nmetadata:\n  name: api\ndata:\n  db-password: ${v}`,
  ),
  of(
    "Docker's login",
    "config.json",
    basic,
    (v, r) => `    "registry.${r.pick(words)}.example": { "auth": "${v}" },`,
  ),
  of(
    "docker login",
    "deploy.sh",
    (r) => r.text(alnum, 24),
    (v, r) => `docker login registry.example --username ${r.pick(words)} --password ${v}`,
  ),
  of(
    "PGPASSWORD",
    "backup.sh",
    generated(20),
    (v, r) => `PGPASSWORD=${v} pg_dump -h ${host(r)} ${r.pick(words)} > dump.sql`,
  ),
  of(
    "SQL password",
    "roles.sql",
    (r) => `${r.text(alnum, 14)}!`,
    (v, r) => `ALTER USER ${r.pick(words)} WITH PASSWORD '${v}';`,
  ),
  of(
    "SQL identified by",
    "roles.sql",
    (r) => `${r.text(alnum, 14)}!`,
    (v, r) => `CREATE USER '${r.pick(words)}'@'%' IDENTIFIED BY '${v}';`,
  ),
  of(
    "Django key",
    "settings.py",
    (r) => `django-insecure-${r.text("abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)", 50)}`,
    (v) => `SECRET_KEY = '${v}'`,
  ),
  of(
    "WordPress salt",
    "wp-config.php",
    (r) => r.text(`${alnum}!@#%^*-_[]{}<>~+=,.;:/?|`, 64),
    (v, r) => `define('${r.pick(["AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY"])}', '${v}');`,
  ),
  of(
    "kubeconfig token",
    "kubeconfig.yaml",
    (r) => r.text(word, 64),
    (v) => `- name: ci\n  user:\n    token: ${v}`,
  ),
  of(
    "Terraform variable",
    "prod.tfvars",
    (r) => r.text(alnum, 24),
    (v) => `db_master_password = "${v}"`,
  ),
  of(
    "Ansible variable",
    "group_vars.yml",
    (r) => r.text(alnum, 22),
    (v, r) => `${r.pick(words)}_admin_pass: "${v}"`,
  ),
  of(
    "PowerShell",
    "deploy.ps1",
    (r) => `${r.text(alnum, 12)}$`,
    (v) => `$AdminPassword = ConvertTo-SecureString "${v}" -AsPlainText -Force`,
  ),
  of(
    "C string",
    "wifi.h",
    (r) => `${r.text(alnum, 14)}`,
    (v) => `#define WIFI_PASSWORD "${v}"`,
  ),
  of(
    "Rust constant",
    "config.rs",
    (r) => r.text(hex, 48),
    (v) => `const API_SECRET: &str = "${v}";`,
  ),
  of(
    "JSON in JSON",
    "events.log",
    (r) => r.text(alnum, 32),
    (v) => `{"message":"{\\"client_secret\\":\\"${v}\\",\\"scope\\":\\"all\\"}"}`,
  ),
  of(
    "private JSON Web Key",
    "jwk.json",
    (r) => r.bytes(32).toString("base64url"),
    (v, r) =>
      `{ "kty": "EC", "crv": "P-256", "x": "${r.bytes(32).toString("base64url")}", "y": "${r.bytes(32).toString("base64url")}", "d": "${v}" }`,
  ),
  of(
    "service account",
    "account.txt",
    (r) => r.bytes(300).toString("base64"),
    (v, r) =>
      `{ "type": "service_account", "private_key_id": "${r.text(hex, 40)}", "private_key": "-----BEGIN PRIV${"ATE"} KEY-----\\n${v}\\n-----END PRIV${"ATE"} KEY-----\\n" }`,
  ),
  of(
    "Azure signature",
    "links.md",
    (r) => encodeURIComponent(r.bytes(32).toString("base64")),
    (v, r) =>
      `https://${r.pick(words)}.blob.core.windows.net/c/f.zip?sv=2024-11-04&se=2027-01-01&sr=b&sp=r&sig=${v}`,
  ),
  of(
    "Git remote",
    "notes.md",
    (r) => r.text(alnum, 24),
    (v, r) => `git clone https://oauth2:${v}@git.${r.pick(words)}.example/acme/app.git`,
  ),
  of(
    "TOTP secret",
    "users.json",
    (r) => r.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32),
    (v, r) => `  { "user": "${r.pick(words)}", "otp_secret": "${v}" },`,
  ),
  of(
    "recovery code",
    "notes.md",
    (r) => `${r.text(digits, 5)}-${r.text(digits, 5)}`,
    (v) => `Recovery code of the admin account: ${v}`,
  ),
  of(
    "plain base64 without a name",
    "blob.py",
    (r) => r.text(base64, 44),
    (v) => `cipher = AES.new(b64decode("${v}"), AES.MODE_GCM)`,
  ),
  of(
    "key below its service",
    "settings.yaml",
    generated(28),
    (v, r) => `${r.pick(["stripe", "api", "jwt", "sendgrid"])}:\n  region: ${r.pick(words)}\n  key: ${v}`,
  ),
  of(
    "key in its section",
    "settings.toml",
    generated(28),
    (v, r) => `[${r.pick(["stripe", "api", "jwt"])}]\nkey = "${v}"`,
  ),
  of(
    "value on the next line",
    "values.yaml",
    generated(24),
    (v, r) => `  ${r.pick(["password", "apiToken", "client_secret"])}: ${r.pick([">-", "|", ""])}\n    ${v}`,
  ),
  of(
    "value in a map of its own",
    "values.yaml",
    generated(24),
    (v, r) => `  ${r.pick(["password", "token"])}:\n    value: ${v}`,
  ),
  of(
    "application password in groups",
    "mail.env",
    (r) => [4, 4, 4, 4].map((length) => r.text("bcdfghjkmnpqrstvwxz", length)).join(" "),
    (v) => `SMTP_PASSWORD="${v}"`,
  ),
  of(
    "passphrase of words",
    "backup.yaml",
    (r) => [0, 0, 0, 0, 0].map(() => r.pick(words)).join(" "),
    (v, r) => r.pick([`passphrase: "${v}"`, `backup_passphrase: ${v}`]),
  ),
  of(
    "password with an ampersand",
    "mail.env",
    (r) => `${r.text(alnum, 5)}7&${r.text(alnum, 9)}`,
    (v) => `MAIL_PASSWORD=${v}`,
  ),
  of(
    "a placeholder's word by chance",
    "app.env",
    (r) => `${r.text(alnum, 9)}7${r.pick(["example", "todo", "fake", "dummy"])}4${r.text(alnum, 14)}`,
    (v) => `API_KEY=${v}`,
  ),
];
