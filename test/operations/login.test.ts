import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, test } from "node:test";
import { VaultError } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { LoginError, login } from "../../operations/login.ts";
import { localModel, makePlatform, type SignJob, startTestVault, type TestVault } from "./vault.ts";

let server: TestVault;
let model: Model;
let sign: SignJob;
let gitHub: Server;
let env: NodeJS.ProcessEnv;
let workflow = "rotate.yml";
const asked: { audience: string | null; authorization: string | undefined; kept: string | null }[] = [];

before(async () => {
  server = await startTestVault();
  model = await localModel(server);
  sign = await makePlatform(server, model);
  // GitHub's token service: https://docs.github.com/en/actions/reference/security/oidc
  gitHub = createServer(async (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://127.0.0.1");
    asked.push({
      audience: searchParams.get("audience"),
      authorization: request.headers.authorization,
      kept: searchParams.get("api-version"),
    });
    if (request.headers.authorization !== "bearer job-token") return response.writeHead(401).end("{}");
    return response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ count: 1, value: await sign(workflow) }));
  });
  await new Promise<void>((resolve) => gitHub.listen(0, "127.0.0.1", resolve));
  const address = gitHub.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-token",
  };
});
after(async () => {
  gitHub.closeAllConnections();
  await new Promise((resolve) => gitHub.close(resolve));
  await server.stop();
});

const anonymous = () => server.root.with(undefined);

test("in CI it asks GitHub for a token with the role's audience and logs in with it (R11)", async () => {
  const session = await login({ model, vault: anonymous(), role: "rotate", env });
  assert.equal(session.who, "keyplane.rotate");
  assert.deepEqual(asked.at(-1), {
    audience: "https://github.com/acme",
    authorization: "bearer job-token",
    kept: "2.0",
  });
  const self = await session.vault.read<{ policies: string[] }>("auth/token/lookup-self");
  assert.deepEqual(self?.policies, ["default", "keyplane.rotate"]);
  await session.end();
});

test("a token that it got for itself is dead after the command (R13)", async () => {
  const session = await login({ model, vault: anonymous(), role: "rotate", env });
  await session.end();
  await assert.rejects(
    session.vault.read("auth/token/lookup-self"),
    (error) => error instanceof VaultError && error.status === 403,
  );
});

test("another workflow of the same repository does not become the rotation role (R11)", async () => {
  workflow = "deploy.yml";
  try {
    await assert.rejects(
      login({ model, vault: anonymous(), role: "rotate", env }),
      (error) => error instanceof VaultError && error.status === 400,
    );
  } finally {
    workflow = "rotate.yml";
  }
});

test("a person's own token is used, and goes on after the command", async () => {
  const { auth } = await server.root.write("auth/token/create", {
    policies: ["default"],
    display_name: "ada",
  });
  const session = await login({
    model,
    vault: anonymous(),
    role: "rotate",
    env: { VAULT_TOKEN: auth?.client_token },
  });
  await session.end();
  assert.equal(session.who, "token-ada");
  assert.ok(await session.vault.read("auth/token/lookup-self"));
});

test("in CI a stray VAULT_TOKEN does not take the place of the job's identity", async () => {
  const session = await login({
    model,
    vault: anonymous(),
    role: "rotate",
    env: { ...env, VAULT_TOKEN: server.rootToken },
  });
  assert.equal(session.who, "keyplane.rotate");
  await session.end();
});

test("the local issuer's signature is used where there is one", async () => {
  const session = await login({
    model,
    vault: anonymous(),
    role: "enrol",
    env: { VAULT_TOKEN: server.rootToken },
    sign: (role) => sign(`${role}.yml`),
  });
  assert.equal(session.who, "keyplane.enrol");
  await session.end();
});

test("without any way to log in it says the ways there are", async () => {
  await assert.rejects(login({ model, vault: anonymous(), role: "rotate", env: {} }), (error) => {
    assert.ok(error instanceof LoginError);
    return /id-token: write/.test(error.message) && /VAULT_TOKEN/.test(error.message);
  });
});

test("a job without the permission is told which one, without a token in the message", async () => {
  await assert.rejects(
    login({
      model,
      vault: anonymous(),
      role: "rotate",
      env: { ...env, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "wrong-token" },
    }),
    (error) => {
      assert.ok(error instanceof LoginError);
      assert.match(error.message, /\(401\).*id-token: write/);
      return !error.message.includes("wrong-token");
    },
  );
});
