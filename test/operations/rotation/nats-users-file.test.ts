import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { findTool } from "../../../local/toolchain/index.ts";
import {
  sameRights,
  UsersFileError,
  usersIn,
  withoutUser,
  withUser,
} from "../../../operations/rotation/nats/users-file.ts";

const hash = `$2b$04$${"a".repeat(53)}`;
const file = `# The users of titan
READS = { subscribe: ["signals.>"] } // shared
users = [
  { user: grafana, password: "$2b$04$${"b".repeat(53)}", permissions: $READS }
  # the signer
  {
    user = "titan-a"  // first
    password = '$2b$04$${"c".repeat(53)}'
    permissions: { publish: ["signals.>", "_INBOX.>"], subscribe: { allow: ">", deny: [ "secret.}{" ] } }
  },
  { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 }
]
`;

test("a new user is a copy of the old one's entry, and nothing else in the file changes (R33)", () => {
  const changed = withUser(file, "titan-b", { like: "titan-a", hash });
  assert.deepEqual(
    usersIn(changed).map(({ name }) => name),
    ["grafana", "titan-a", "titan-b"],
  );
  assert.ok(sameRights(changed, "titan-a", "titan-b"));
  assert.equal(withoutUser(changed, "titan-b"), file);
  const entry = usersIn(changed).find(({ name }) => name === "titan-b");
  assert.equal(
    changed.slice(entry?.span.start, entry?.span.end),
    `{
    user = "titan-b"  // first
    password = "${hash}"
    permissions: { publish: ["signals.>", "_INBOX.>"], subscribe: { allow: ">", deny: [ "secret.}{" ] } }
  }`,
  );
});

test("a user that is there already gets the new hash and stays where it is", () => {
  const once = withUser(file, "titan-b", { like: "titan-a", hash });
  const again = withUser(once, "titan-b", { like: "titan-a", hash: hash.replaceAll("a", "d") });
  assert.equal(again, once.replace(hash, hash.replaceAll("a", "d")));
});

test("removing a user that is not there changes nothing", () => {
  assert.equal(withoutUser(file, "nobody"), file);
});

test("a file whose old user is missing is left alone, and the error says what to add", () => {
  assert.throws(() => withUser(file, "titan-b", { like: "titan-x", hash }), {
    name: "UsersFileError",
    message:
      "the users file has no user titan-x, whose permissions the next one gets: add it there with its permissions",
  });
});

for (const [what, text, line] of [
  ["an include", 'include "more.conf"\nusers = []', 1],
  ["a second list of users", "users = []\nusers = []", 2],
  ["a user that is no { user: …, password: … }", "users = [\n  somebody\n]", 2],
  ["the same user twice", "users = [ {user: a, password: b}\n{user: a, password: c} ]", 2],
  ["a user with a field twice", "users = [ {user: a, password: b, pass: c} ]", 1],
  ["a user's name with an escape or variable", "users = [ {user: $NAME, password: b} ]", 1],
  ["a brace that is not closed", "users = [ {user: a", 1],
  ["a bracket that is not closed", "users = [ {user: a, password: b}", 1],
  ["a quotation that is not closed", 'users = [ {user: "a\n} ]', 1],
  ["what cannot be read", "users = [ {user: a, password: b} ] )", 1],
] as const)
  test(`refuses a users file with ${what}, and names the line`, () => {
    assert.throws(() => usersIn(text), {
      name: "UsersFileError",
      message: `line ${line} of the users file holds ${what}: the engine writes none that it does not understand`,
    });
  });

test("refuses a file without a list of users", () => {
  assert.throws(() => usersIn("authorization { user: a, password: b }"), {
    message: "the users file has no list `users = [ … ]`",
  });
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const blank = fc.constantFrom("", " ", "\n", "\n  ", " # a } comment ]\n ", " // and { another\n");
const separator = fc.constantFrom(",", "\n", ", \n", " # x\n", ",\n\n");
const quote = fc.constantFrom('"', "'");
const rights = fc.constantFrom(
  "",
  ', permissions: { publish: "a.>", subscribe: ["b", "c.*"] }',
  "\n permissions = { subscribe { deny: [ 'x.}' ] } }",
  ", allowed_connection_types: [STANDARD, WEBSOCKET]",
  "\n permissions $SHARED",
);
const entry = fc
  .tuple(name, quote, rights, blank, fc.constantFrom(":", "=", " ", " : "))
  .map(([user, mark, may, space, is]) => ({
    user,
    text: `{${space}user${is}${mark}${user}${mark},${space} password: ${mark}$2b$04$${"e".repeat(53)}${mark}${may}${space}}`,
  }));
const files = fc
  .tuple(
    fc.uniqueArray(entry, { minLength: 1, maxLength: 5, selector: ({ user }) => user }),
    separator,
    blank,
    fc.boolean(),
  )
  .map(([entries, between, space, trailing]) => ({
    users: entries.map(({ user }) => user),
    text: `SHARED = { publish: ">" }\ndefault_permissions = $SHARED\n${space}users = [${space}${entries.map(({ text }) => text).join(between)}${trailing ? between : ""}${space}]\n`,
  }));

test("in any users file, adding a user keeps every other byte, and removing it gives the file back", () => {
  fc.assert(
    fc.property(files, fc.nat(), ({ users, text }, at) => {
      const like = users[at % users.length] ?? "";
      const changed = withUser(text, "the-next", { like, hash });
      assert.deepEqual(
        usersIn(changed).map((user) => user.name),
        users.flatMap((user) => (user === like ? [user, "the-next"] : [user])),
      );
      assert.ok(sameRights(changed, like, "the-next"));
      const left = usersIn(withoutUser(changed, like)).map((user) => user.name);
      assert.deepEqual(
        left,
        users.map((user) => (user === like ? "the-next" : user)),
      );
      const back = withoutUser(changed, "the-next");
      assert.deepEqual(
        usersIn(back).map((user) => back.slice(user.span.start, user.span.end)),
        usersIn(text).map((user) => text.slice(user.span.start, user.span.end)),
      );
    }),
    { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 10_000 : 500 },
  );
});

test("what is written is what a real nats-server accepts, whatever the file's form", async () => {
  const executable = await findTool("nats-server", () => {});
  const folder = await mkdtemp(join(tmpdir(), "keyplane-nats-"));
  try {
    await writeFile(join(folder, "nats.conf"), 'authorization { include "users.conf" }\n');
    const accepted = async (text: string) => {
      await writeFile(join(folder, "users.conf"), text);
      const result = await promisify(execFile)(executable, ["-c", join(folder, "nats.conf"), "-t"]).catch(
        (error: Error & { stderr: string }) => error,
      );
      return result instanceof Error ? result.stderr : "";
    };
    for (const { users, text } of fc.sample(files, process.env.KEYPLANE_SCALE === "prove" ? 300 : 12)) {
      assert.equal(await accepted(text), "", text);
      const changed = withUser(text, "the-next", { like: users[0] ?? "", hash });
      assert.equal(await accepted(changed), "", changed);
      const kept = withoutUser(changed, users[0] ?? "");
      assert.equal(await accepted(kept), "", kept);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("whatever is not understood is refused, never guessed: no input makes anything but a UsersFileError", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."users=[{user:a,password:b}]\"'#/\n ()$\\".split("")) }),
      (text) => {
        try {
          usersIn(text);
        } catch (error) {
          assert.ok(error instanceof UsersFileError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
