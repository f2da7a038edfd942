import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { keyplane } from "../../integration/support/keyplane.ts";
import { GitHubServer } from "./server.ts";

let server: GitHubServer;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-post-"));
  server = await GitHubServer.start();
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  server.entries = [];
  server.asked = [];
  server.status = 200;
});

const marker = "<!-- keyplane review -->";

async function post(text: string, ...args: string[]) {
  const file = join(folder, "comment.md");
  await writeFile(file, text);
  return keyplane(folder, ["post", file, ...args], { environment: server.environment });
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
      server.entries.map(({ body }) => body),
      [`${marker}\nsecond\n`],
    );
    assert.equal(server.asked.filter((each) => each.startsWith("POST")).length, 1);
  });

  test("finds its comment behind a hundred others", async () => {
    for (let id = 1; id <= 130; id++) server.entries.push(server.entry(id, `comment ${id}`, "User"));
    server.entries.push(server.entry(131, `${marker}\nold\n`));
    assert.equal((await post(`${marker}\nnew\n`, "--pull-request", "12")).code, 0);
    assert.equal(server.entries.at(-1)?.body, `${marker}\nnew\n`);
    assert.equal(server.entries.length, 131);
  });

  test("never touches a person's comment that quotes the marker", async () => {
    server.entries.push(server.entry(1, `${marker}\nwhat is this?`, "User"));
    assert.equal((await post(`${marker}\nnew\n`, "--pull-request", "12")).code, 0);
    assert.deepEqual(
      server.entries.map(({ body }) => body),
      [`${marker}\nwhat is this?`, `${marker}\nnew\n`],
    );
  });

  test("keeps one issue, and takes no pull request for it", async () => {
    server.entries.push({ ...server.entry(1, `${marker}\nof a pull request`), pull_request: {} });
    for (const text of ["first", "second"]) {
      assert.equal((await post(`${marker}\n${text}\n`, "--issue", "Drift in staging")).code, 0);
    }
    assert.deepEqual(
      server.entries.map(({ body }) => body),
      [`${marker}\nof a pull request`, `${marker}\nsecond\n`],
    );
  });

  test("closes the issue whose matter has ended, and makes another one when it comes again", async () => {
    const drift = ["--issue", "Drift in staging"];
    const close = () =>
      keyplane(folder, ["post", ...drift, "--marker", "review", "--close"], {
        environment: server.environment,
      });
    assert.equal((await close()).stdout, "no issue is open\n");
    assert.equal((await post(`${marker}\nfirst\n`, ...drift)).code, 0);
    assert.equal((await close()).stdout, "closed: https://github.example/1\n");
    assert.equal((await post(`${marker}\nagain\n`, ...drift)).stdout, "created: https://github.example/2\n");
    assert.deepEqual(
      server.entries.map(({ body, state }) => [body, state]),
      [
        [`${marker}\nfirst\n`, "closed"],
        [`${marker}\nagain\n`, "open"],
      ],
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
      assert.deepEqual(server.asked, []);
    });
  }

  test("says which permission is missing, and not the token", async () => {
    server.status = 403;
    const { code, stderr } = await post(`${marker}\nx\n`, "--pull-request", "12");
    assert.equal(code, 3);
    assert.match(stderr, /answered GET .* with 403: give the job the permission pull-requests: write/);
    assert.doesNotMatch(stderr, /token-of-the-job/);
  });

  test("asks nothing in a dry run", async () => {
    const { code, stdout } = await post(`${marker}\nx\n`, "--pull-request", "12", "--dry-run");
    assert.deepEqual([code, server.asked], [0, []]);
    assert.match(stdout, /Would put \d+ characters into pull request 12\./);
  });
});
