import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { inCompose } from "../../../operations/scan/checks/compose.ts";
import { inDockerfile } from "../../../operations/scan/checks/dockerfile.ts";
import { inEnvExample } from "../../../operations/scan/checks/env-example.ts";
import { required } from "../../../operations/scan/checks/ignore-rules.ts";
import { archiveExcludes, isSecretFile } from "../../../operations/scan/checks/secret-files.ts";
import { inWorkflow } from "../../../operations/scan/checks/workflow.ts";
import type { Finding } from "../../../operations/scan/finding.ts";
import { scanStaged, scanTracked } from "../../../operations/scan/scan.ts";
import { TestRepository } from "./repositories.ts";

async function found(repository: TestRepository): Promise<string[]> {
  const { findings } = await scanTracked({ cwd: repository.root });
  return findings.map(({ kind, path, message }) => `${path}: ${kind.id}: ${message}`);
}

const place = ({ line, column, message }: Finding) => [line, column, message];

const rules = required.map(({ rule }) => rule);

test("a repository with every rule has no finding", async () => {
  assert.deepEqual(await found(await TestRepository.make()), []);
});

suite("a missing ignore rule is named (R6)", () => {
  for (const rule of rules) {
    test(rule, async () => {
      const rest = rules.filter((each) => each !== rule);
      const repository = await TestRepository.make({ ".gitignore": rest.join("\n") });
      assert.deepEqual(await found(repository), [`.gitignore: ignore-rule-missing: nothing ignores ${rule}`]);
    });
  }
});

test("a rule that holds in the root only, that is taken back, or that only this machine has, is none (R6)", async () => {
  for (const gitignore of [
    rules.map((rule) => (rule === "*.pem" ? "/*.pem" : rule)),
    [...rules, "!server.pem"],
    rules.filter((rule) => rule !== "*.pem"),
  ]) {
    const repository = await TestRepository.make({ ".gitignore": gitignore.join("\n") });
    await repository.write({ ".git/info/exclude": "*.pem\n" });
    assert.deepEqual(await found(repository), [".gitignore: ignore-rule-missing: nothing ignores *.pem"]);
  }
});

test("a wider rule is as good", async () => {
  const repository = await TestRepository.make({
    ".gitignore": ".env*\n*.pem\n*.key\n*credentials.json\n**/secrets.json\n",
  });
  assert.deepEqual(await found(repository), []);
});

test("where there is a Git bootstrap, decrypted files must be ignored (R6)", async () => {
  const repository = await TestRepository.make({ "bootstrap/production.enc.yaml": "a: 1\n" });
  assert.deepEqual(await found(repository), [".gitignore: ignore-rule-missing: nothing ignores bootstrap/*"]);
});

test("files that are secret by their names are none of Git's, and their examples are (R6)", () => {
  const secret =
    ".env .env.production a/.env.local server.pem b/tls.key credentials.json a/secrets.json id_ed25519 x.p12 bootstrap/local.yaml bootstrap/local.dec.yaml app/terraform.tfstate .netrc";
  const fine =
    ".env.example a/.env.local.example environment.ts keys.ts pem.md credentials.ts bootstrap/local.enc.yaml test/key.test.ts";
  assert.deepEqual(
    secret.split(" ").filter((path) => !isSecretFile(path)),
    [],
  );
  assert.deepEqual(fine.split(" ").filter(isSecretFile), []);
});

test("a tracked secret file and a tracked file that a rule names are findings (R6)", async () => {
  const repository = await TestRepository.make({ "deploy/tls.key": "x\n", "notes.local": "x\n" });
  await repository.commit({ ".gitignore": `${rules.join("\n")}\n*.local\n` });
  assert.deepEqual(await found(repository), [
    "deploy/tls.key: secret-file-tracked: a tracked file whose content is secret by its name",
    "notes.local: ignored-file-tracked: a tracked file that .gitignore names",
  ]);
});

suite("a missing rule for archives is named (R58)", () => {
  for (const rule of rules) {
    test(rule, async () => {
      const rest = rules.filter((each) => each !== rule).map((each) => `${each} export-ignore`);
      const repository = await TestRepository.make({ ".gitattributes": rest.join("\n") });
      assert.deepEqual(await found(repository), [
        `.gitattributes: archive-rule-missing: nothing keeps ${rule} out of an archive: ${rule} export-ignore`,
      ]);
    });
  }
});

test("`git archive` leaves out what the rules name, also below (R58)", async () => {
  const repository = await TestRepository.make({ "a/server.pem": "x\n", ".env": "x\n", "a/file.txt": "x\n" });
  const listed = repository.git("archive", "--format=tar", "HEAD");
  assert.match(listed, /a\/file\.txt/);
  assert.doesNotMatch(listed, /server\.pem|\.env\0/);
});

test("the list for tar leaves out every file that is secret by its name (R58)", async () => {
  const secret = [
    ...[
      ".env",
      ".env.production",
      "a/.env.local",
      "server.pem",
      "tls.key",
      "api/store.p12",
      "store.jks",
      "x.kdbx",
    ],
    ...[
      "credentials.json",
      "service-account.json",
      "serviceaccount_key.json",
      "client_secret_1.json",
      "secret.json",
    ],
    ...[
      "id_rsa",
      "a/id_ed25519",
      ".pgpass",
      ".netrc",
      ".vault-token",
      "keys.txt",
      "terraform.tfstate.backup",
    ],
    ...["local.dec.yaml", "a/local.plain.env"],
  ];
  assert.deepEqual(
    secret.filter((path) => !isSecretFile(path)),
    [],
  );
  const repository = await TestRepository.make({}, { bare: true });
  await repository.write(
    Object.fromEntries([...secret, "src/keys.ts", "env.md"].map((path) => [path, "x\n"])),
  );
  const input = archiveExcludes.join("\n");
  const archive = execFileSync("tar", ["--exclude-from=-", "--exclude=.git", "-cf", "-", "."], {
    cwd: repository.root,
    input,
  });
  const listed = execFileSync("tar", ["-tf", "-"], { input: archive, encoding: "utf8" }).split("\n");
  assert.deepEqual(listed.filter((path) => path !== "" && !path.endsWith("/")).sort(), [
    "./README.md",
    "./env.md",
    "./src/keys.ts",
  ]);
});

test("a build is not sent secret files: .dockerignore beside a Dockerfile (R55, R58)", async () => {
  const repository = await TestRepository.make({
    Dockerfile: "FROM scratch\n",
    ".dockerignore": rules
      .filter((rule) => rule !== "*.key")
      .map((rule) => `**/${rule}`)
      .join("\n"),
  });
  assert.deepEqual(await found(repository), [
    ".dockerignore: build-context-rule-missing: nothing keeps *.key out of what Dockerfile is sent: **/*.key",
  ]);
  await repository.commit({ ".dockerignore": "**\n!src\n" });
  assert.deepEqual(await found(repository), []);
});

test("values in a Compose file are found at their place, references are none (R42)", () => {
  const text = [
    "services:",
    "  api:",
    "    environment:",
    "      DB_PASSWORD: plain",
    "      DB_PASSWORD_FILE: /run/secrets/db",
    `      API_KEY: \${API_KEY}`,
    `      API_TOKEN: \${API_TOKEN:?set it}`,
    `      SMTP_PASSWORD: \${SMTP_PASSWORD:-mail}`,
    "      LOG_LEVEL: debug",
    "  worker:",
    "    environment:",
    "      - REDIS_PASSWORD=redis",
    `      - AUTH_TOKEN=\${AUTH_TOKEN}`,
    "      - PASSTHROUGH_TOKEN",
    "    build:",
    "      args: { NPM_TOKEN: word }",
    "secrets:",
    "  db: { file: ./secrets/db }",
  ].join("\n");
  assert.deepEqual(inCompose("compose.yaml", text).map(place), [
    [4, 20, "DB_PASSWORD has its value in the file"],
    [8, 22, "SMTP_PASSWORD has its value in the file"],
    [12, 9, "REDIS_PASSWORD has its value in the file"],
    [16, 26, "NPM_TOKEN has its value in the file"],
  ]);
});

test("values that aliases and merges bring into a service are found where they stand, once (R42)", () => {
  const text = [
    "x-common: &common",
    "  DB_PASSWORD: summerhouse",
    "x-base: &base",
    "  environment: { API_TOKEN: plain }",
    "x-unused: &unused { SMTP_PASSWORD: mail }",
    "services:",
    "  api: { environment: *common }",
    "  worker:",
    "    environment:",
    "      <<: *common",
    "      LOG_LEVEL: info",
    "  job:",
    "    <<: [*base]",
  ].join("\n");
  assert.deepEqual(inCompose("compose.yaml", text).map(place), [
    [2, 16, "DB_PASSWORD has its value in the file"],
    [4, 29, "API_TOKEN has its value in the file"],
  ]);
});

test("aliases of aliases end, and aliases of themselves", () => {
  const names = "abcdefghijklmnopqrstuvwxyz".split("");
  const bomb = names.map((name, at) =>
    at === 0 ? "x-a: &a {}" : `x-${name}: &${name} [${`*${names[at - 1]},`.repeat(9)}]`,
  );
  const own = [
    "x-own: &own { <<: *own, DB_PASSWORD: summerhouse }",
    "services: { api: { environment: *own } }",
  ];
  for (const [lines, found] of [
    [[...bomb, "services: { api: { environment: *z } }"], 0],
    [own, 1],
  ] as const) {
    assert.equal(inCompose("compose.yaml", lines.join("\n")).length, found);
  }
});

test("values in a CI file are found, expressions are none (R56)", () => {
  const text = [
    "on: push",
    "permissions: { id-token: write }",
    "env:",
    "  API_TOKEN: plain",
    "jobs:",
    "  deploy:",
    "    secrets: inherit",
    "    steps:",
    "      - uses: acme/deploy@v1",
    "        with:",
    `          token: \${{ secrets.DEPLOY_TOKEN }}`,
    "          password: word",
  ].join("\n");
  assert.deepEqual(
    inWorkflow(".github/workflows/ci.yml", text).map(({ line, message }) => [line, message]),
    [
      [4, "API_TOKEN has its value in the file"],
      [12, "password has its value in the file"],
    ],
  );
});

test("secrets in ARG, ENV and COPY of a Dockerfile are found, mounts are none (R55)", () => {
  const text = [
    "FROM node:24",
    "ARG NPM_TOKEN",
    "ENV LOG_LEVEL=info DB_PASSWORD=x",
    "ENV API_KEY value",
    "ENV DB_PASSWORD_FILE=/run/secrets/db",
    "COPY --chown=node .env ./",
    "COPY package.json tls.key /app/",
    "RUN --mount=type=secret,id=npm npm ci",
    "ENV LOG_LEVEL=info \\",
    "    # between",
    "",
    "    SMTP_PASSWORD=summerhouse \\",
    "    LOG_FORMAT=json",
    "ARG VERSION=1 API_TOKEN",
    "env note DB_PASSWORD=x",
    "COPY a.txt \\",
    "  id_rsa ./",
  ].join("\n");
  assert.deepEqual(inDockerfile("Dockerfile", text).map(place), [
    [2, 5, "ARG NPM_TOKEN stays in the image's history"],
    [3, 20, "ENV DB_PASSWORD stays in the image's history"],
    [4, 5, "ENV API_KEY stays in the image's history"],
    [6, 19, ".env becomes a part of the image"],
    [7, 19, "tls.key becomes a part of the image"],
    [12, 5, "ENV SMTP_PASSWORD stays in the image's history"],
    [14, 15, "ARG API_TOKEN stays in the image's history"],
    [17, 3, "id_rsa becomes a part of the image"],
  ]);
});

test("an example of an environment file holds placeholders only (R63)", () => {
  const text =
    "DB_PASSWORD=\nAPI_KEY=<api key>\nJWT_SECRET=changeme\nPORT=8080\nADMIN_PASSWORD=Winter2026!\nexport TOKEN='t0k3n-value-77'\n";
  assert.deepEqual(
    inEnvExample(".env.example", text).map(({ line, message }) => [line, message]),
    [
      [5, "ADMIN_PASSWORD has a value that is no placeholder"],
      [6, "TOKEN has a value that is no placeholder"],
    ],
  );
});

test("a hook judges the staged file, not the one in the folder", async () => {
  const repository = await TestRepository.make();
  await repository.write({ "compose.yaml": "services: { a: { environment: { DB_PASSWORD: plain } } }\n" });
  repository.git("add", "compose.yaml");
  await repository.write({ "compose.yaml": "services: {}\n" });
  const { findings } = await scanStaged({ cwd: repository.root });
  assert.deepEqual(
    findings.map(({ kind }) => kind.id),
    ["compose-inline-secret"],
  );
});
