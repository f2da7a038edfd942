import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createSocketServer, type Server } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { Vault, VaultError, VaultUnreachableError } from "../../clients/vault.ts";
import { makeCa, makeLeaf } from "../../local/services/certificate-authority.ts";

const token = "hvs.the-token-of-this-test";

/** What the server says next; it never answers where this is undefined. */
let answer: { status: number; headers?: Record<string, string>; body?: string } | undefined;
let asked: {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}[];
const servers: Server[] = [];
const clients: Vault[] = [];
let plain: string;
let tls: string;
let ca: string;
let otherCa: string;

const listener: RequestListener = async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  asked.push({ method: request.method, url: request.url, headers: request.headers, body });
  if (answer === undefined) return;
  response.writeHead(answer.status, answer.headers).end(answer.body);
};

before(async () => {
  const [key, other] = await Promise.all([makeCa(Date.now()), makeCa(Date.now())]);
  [ca, otherCa] = [new X509Certificate(key).toString(), new X509Certificate(other).toString()];
  const leaf = await makeLeaf("vault", "server", key, Date.now());
  plain = `http://127.0.0.1:${await listen(createServer(listener))}`;
  tls = `https://127.0.0.1:${await listen(createTlsServer({ key: leaf, cert: leaf }, listener))}`;
});
after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
});
beforeEach(() => {
  asked = [];
  answer = undefined;
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

function client(options: { address?: string; token?: string; ca?: string; timeout?: number } = {}): Vault {
  const made = new Vault({ address: plain, token, ...options });
  clients.push(made);
  return made;
}

/** The failure of a call; nothing in it, its cause or its stack is the token. */
async function failure(call: Promise<unknown>): Promise<Error> {
  const error = await call.then(
    (value) => assert.fail(`must fail, and says ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Error);
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    assert.doesNotMatch(`${each.stack} ${JSON.stringify(each)}`, /the-token-of-this-test/);
  }
  return error;
}

const html = { "content-type": "text/html" };

test("returns what Vault answers, and asks with the token", async () => {
  answer = { status: 200, body: '{"data":{"keys":["a"]},"lease_id":""}' };
  assert.deepEqual(await client().list("kv/metadata/source/"), ["a"]);
  assert.equal(asked[0]?.method, "GET");
  assert.equal(asked[0]?.url, "/v1/kv/metadata/source/?list=true");
  assert.equal(asked[0]?.headers["x-vault-token"], token);
  assert.equal(asked[0]?.headers["x-vault-request"], "true");
});

test("sends no token where it has none, and asks for no wrapping", async () => {
  answer = { status: 200, body: "{}" };
  await client().with(undefined).write("auth/github/login", { role: "x" });
  assert.equal(asked[0]?.headers["x-vault-token"], undefined);
  assert.equal(asked[0]?.headers["x-vault-wrap-ttl"], undefined);
  assert.equal(asked[0]?.body, '{"role":"x"}');
});

test("asks for a wrapped answer", async () => {
  answer = { status: 200, body: '{"wrap_info":{"token":"w"}}' };
  await client().write("auth/approle/role/x/secret-id", {}, { wrapTtl: "5m" });
  assert.equal(asked[0]?.headers["x-vault-wrap-ttl"], "5m");
});

test("takes an answer without content for done", async () => {
  answer = { status: 204 };
  await client().delete("sys/policies/acl/x");
  assert.equal(asked[0]?.method, "DELETE");
});

test("a read finds nothing where Vault says that there is nothing", async () => {
  answer = { status: 404, body: '{"errors":[]}' };
  assert.equal(await client().read("kv/data/x"), undefined);
  assert.deepEqual(await client().list("kv/metadata/x"), []);
});

test("says what Vault says when it refuses", async () => {
  answer = { status: 403, body: '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}' };
  const error = await failure(client().read("kv/data/x"));
  assert.ok(error instanceof VaultError);
  assert.equal(error.status, 403);
  assert.equal(error.message, "Vault: GET kv/data/x: 403: 1 error occurred:\n\t* permission denied");
});

test("a standby that sends us on is no success: neither a read nor a revocation", async () => {
  const location = "https://other:secret@10.0.0.7:8200/v1/auth/token/revoke-self?x=1";
  for (const status of [301, 302, 307, 308]) {
    answer = { status, headers: { location } };
    const error = await failure(client().write("auth/token/revoke-self"));
    assert.ok(error instanceof VaultError);
    assert.equal(error.status, status);
    assert.equal(
      error.message,
      `Vault: POST auth/token/revoke-self: ${status}: ${plain} sends us on to https://10.0.0.7:8200 and did nothing itself: set the address of the active node, or of a load balancer that finds it`,
    );
    assert.ok((await failure(client().read("kv/data/x"))) instanceof VaultError);
  }
});

test("a redirect without a readable place is no success either", async () => {
  for (const headers of [{}, { location: "http://[" }]) {
    answer = { status: 307, headers };
    const error = await failure(client().read("kv/data/x"));
    assert.match(error.message, /^Vault: GET kv\/data\/x: 307: .* sends us on and did nothing itself: set /);
  }
});

test("a page of something else that answers is no success, and no absence", async () => {
  for (const status of [200, 404, 502]) {
    answer = { status, headers: html, body: "<html>hvs.the-token-of-this-test</html>" };
    for (const call of [client().read("kv/data/x"), client().write("auth/token/revoke-self")]) {
      const error = await failure(call);
      assert.ok(error instanceof VaultUnreachableError);
      assert.match(
        error.message,
        new RegExp(`^${plain} answers ${status} with something that is not Vault's JSON`),
      );
    }
  }
});

test("JSON that is no object is not Vault's", async () => {
  for (const body of ['"ok"', "null", "[]"]) {
    answer = { status: 200, body };
    assert.ok((await failure(client().read("kv/data/x"))) instanceof VaultUnreachableError);
  }
});

test("does not repeat its token when the answer does", async () => {
  answer = { status: 400, body: JSON.stringify({ errors: [`bad request: X-Vault-Token: ${token}`] }) };
  const error = await failure(client().read("kv/data/x"));
  assert.equal(error.message, "Vault: GET kv/data/x: 400: bad request: X-Vault-Token: [token]");
});

test("gives up on a server that does not answer in time", { timeout: 20_000 }, async () => {
  const error = await failure(client({ timeout: 50 }).read("kv/data/x"));
  assert.ok(error instanceof VaultUnreachableError);
  assert.match(error.message, /^Vault at http:\/\/127\.0\.0\.1:\d+ could not be reached: .*timeout/);
});

test("says that nobody listens", async () => {
  const gone = createSocketServer();
  const port = await listen(gone);
  await new Promise((resolve) => gone.close(resolve));
  const error = await failure(client({ address: `https://127.0.0.1:${port}` }).read("kv/data/x"));
  assert.ok(error instanceof VaultUnreachableError);
  assert.match(error.message, /ECONNREFUSED/);
});

test("trusts the CA that it was given and no other; to others it sends nothing", async () => {
  answer = { status: 200, body: '{"data":{"a":1}}' };
  assert.deepEqual(await client({ address: tls, ca }).read("x"), { a: 1 });
  asked = [];
  for (const options of [{ ca: otherCa }, {}]) {
    const error = await failure(client({ address: tls, ...options }).read("x"));
    assert.ok(error instanceof VaultUnreachableError);
    assert.match(error.message, /certificate/);
  }
  assert.deepEqual(asked, []);
});

test("a token that no header can carry is refused unread", async () => {
  const error = await failure(client({ token: `${token}\nx` }).read("x"));
  assert.ok(error instanceof VaultUnreachableError);
  assert.deepEqual(asked, []);
});
