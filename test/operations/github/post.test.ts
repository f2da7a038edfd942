import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { keyplane } from "../../integration/support/keyplane.ts";

interface Comment {
  id: number;
  number: number;
  body: string;
  html_url: string;
  user: { type: string };
  pull_request?: object;
}

/** The part of GitHub's REST API that is used, on a local port. */
let server: Server;
let folder: string;
let address: string;
let entries: Comment[];
let asked: string[];
let status: number;

async function bodyOf(request: IncomingMessage): Promise<{ body: string }> {
  let text = "";
  for await (const part of request) text += String(part);
  return JSON.parse(text) as { body: string };
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-post-"));
  server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://github");
    asked.push(`${request.method} ${pathname}`);
    const answer = (code: number, value: unknown) =>
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (status !== 200) return void answer(status, { message: "no" });
    if (request.headers.authorization !== "Bearer token-of-the-job") return void answer(401, {});
    if (request.method === "GET") {
      const page = Number(searchParams.get("page"));
      return void answer(200, entries.slice((page - 1) * 100, page * 100));
    }
    const { body } = await bodyOf(request);
    if (request.method === "PATCH") {
      const id = Number(pathname.split("/").at(-1));
      const found = entries.find((entry) => entry.id === id);
      if (found === undefined) return void answer(404, {});
      found.body = body;
      return void answer(200, found);
    }
    const made = { ...entry(entries.length + 1, body) };
    entries.push(made);
    answer(201, made);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  address = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`;
});
after(async () => {
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  entries = [];
  asked = [];
  status = 200;
});

function entry(id: number, body: string, type = "Bot"): Comment {
  return { id, number: id, body, html_url: `https://github.example/${id}`, user: { type } };
}

const marker = "<!-- keyplane review -->";

async function post(text: string, ...args: string[]) {
  const file = join(folder, "comment.md");
  await writeFile(file, text);
  const environment = {
    GITHUB_TOKEN: "token-of-the-job",
    GITHUB_REPOSITORY: "acme/secrets",
    GITHUB_API_URL: address,
  };
  return keyplane(folder, ["post", file, ...args], { environment });
}

suite("keyplane post", () => {
  test("makes the comment once, updates it, and leaves it when nothing has changed", async () => {
    const first = await post(`${marker}\nfirst\n`, "--pull-request", "12");
    assert.deepEqual([first.code, first.stdout], [0, "created: https://github.example/1\n"], first.stderr);
    const second = await post(`${marker}\nsecond\n`, "--pull-request", "12");
    assert.equal(second.stdout, "updated: https://github.example/1\n");
    const third = await post(`${marker}\nsecond\n`, "--pull-request", "12");
    assert.equal(third.stdout, "unchanged: https://github.example/1\n");
    assert.deepEqual(
      entries.map(({ body }) => body),
      [`${marker}\nsecond\n`],
    );
    assert.equal(asked.filter((each) => each.startsWith("POST")).length, 1);
  });

  test("finds its comment behind a hundred others", async () => {
    for (let id = 1; id <= 130; id++) entries.push(entry(id, `comment ${id}`, "User"));
    entries.push(entry(131, `${marker}\nold\n`));
    assert.equal((await post(`${marker}\nnew\n`, "--pull-request", "12")).code, 0);
    assert.equal(entries.at(-1)?.body, `${marker}\nnew\n`);
    assert.equal(entries.length, 131);
  });

  test("never touches a person's comment that quotes the marker", async () => {
    entries.push(entry(1, `${marker}\nwhat is this?`, "User"));
    assert.equal((await post(`${marker}\nnew\n`, "--pull-request", "12")).code, 0);
    assert.deepEqual(
      entries.map(({ body }) => body),
      [`${marker}\nwhat is this?`, `${marker}\nnew\n`],
    );
  });

  test("keeps one issue, and takes no pull request for it", async () => {
    entries.push({ ...entry(1, `${marker}\nof a pull request`), pull_request: {} });
    for (const text of ["first", "second"]) {
      assert.equal((await post(`${marker}\n${text}\n`, "--issue", "Drift in staging")).code, 0);
    }
    assert.deepEqual(
      entries.map(({ body }) => body),
      [`${marker}\nof a pull request`, `${marker}\nsecond\n`],
    );
  });

  for (const [what, text, args] of [
    ["a text without a marker", "hello\n", ["--pull-request", "12"]],
    ["no place", `${marker}\nx\n`, []],
    ["two places", `${marker}\nx\n`, ["--pull-request", "12", "--issue", "x"]],
    ["a pull request that is no number", `${marker}\nx\n`, ["--pull-request", "twelve"]],
  ] as const) {
    test(`refuses ${what} before it asks GitHub`, async () => {
      assert.equal((await post(text, ...args)).code, 2);
      assert.deepEqual(asked, []);
    });
  }

  test("says which permission is missing, and not the token", async () => {
    status = 403;
    const { code, stderr } = await post(`${marker}\nx\n`, "--pull-request", "12");
    assert.equal(code, 3);
    assert.match(stderr, /answered GET .* with 403: give the job the permission pull-requests: write/);
    assert.doesNotMatch(stderr, /token-of-the-job/);
  });

  test("asks nothing in a dry run", async () => {
    const { code, stdout } = await post(`${marker}\nx\n`, "--pull-request", "12", "--dry-run");
    assert.deepEqual([code, asked], [0, []]);
    assert.match(stdout, /Would put \d+ characters into pull request 12\./);
  });
});
