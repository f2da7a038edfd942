import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseEnv, promisify } from "node:util";
import { parse } from "dotenv";
import fc from "fast-check";
import { EnvFileError, envText } from "../../../operations/delivery/env-text.ts";

const runs = process.env.KEYPLANE_SCALE === "prove" ? 3000 : 60;

/** Values of what breaks parsers, and of anything else. */
const hard = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      ..."'\"`\\$#=! \t\n\r{}()&;|<>*?~é\u0085\u2028a1".split(""),
      "$" + "{A}",
      "$(id)",
      "\\n",
      "export ",
      "\nB=",
      "🔑",
    ),
    maxLength: 24,
  }),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const variables = fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/), hard, { maxKeys: 6 });

describe("the text of an env-file", () => {
  test("a value arrives exactly, or is refused, in a real shell (R42)", async () => {
    await using files = await folder();
    let carried = 0;
    await fc.assert(
      fc.asyncProperty(variables, async (asked) => {
        const wanted = carriable(asked);
        carried += Object.keys(wanted).length;
        const path = join(files.path, "env");
        await writeFile(path, envText(wanted));
        assert.deepEqual(await inShell(path), wanted);
      }),
      { numRuns: runs },
    );
    assert.ok(carried > runs, `${carried} values were carried`);
  });

  test("a value arrives exactly, or is refused, in dotenv parsers (R42)", () => {
    fc.assert(
      fc.property(variables, (asked) => {
        const wanted = carriable(asked);
        const text = envText(wanted);
        assert.deepEqual({ ...parse(text) }, wanted);
        assert.deepEqual({ ...parseEnv(text) }, wanted);
      }),
      { numRuns: runs * 10 },
    );
  });

  test("what every machine-made value consists of is carried", () => {
    assert.equal(envText({ B: "it's", A: "-_=+/09azAZ" }), "A='-_=+/09azAZ'\nB=\"it's\"\n");
    assert.equal(envText({ A: 'two\nlines $HOME `id` "quoted" # no comment ' }).length, 48);
  });

  for (const [value, because] of [
    ["x\0", /NUL/],
    ["x\r\n", /carriage return/],
    ["x\\", /backslash/],
    [`'"`, /both ' and "/],
    ["'$", /both ' and \$/],
    ["\ud800", /Unicode/],
  ] as const) {
    test(`${JSON.stringify(value)} is refused with the reason, and not repeated`, () => {
      const secret = `canary${value}`;
      assert.throws(
        () => envText({ FINE: "x", WRONG: secret }),
        (error) =>
          error instanceof EnvFileError &&
          because.test(error.message) &&
          error.message.includes("WRONG") &&
          !error.message.includes("FINE") &&
          !error.message.includes("canary"),
      );
    });
  }

  test("a name that would be read as something else is refused", () => {
    assert.throws(() => envText({ "A=B": "x" }), EnvFileError);
  });
});

/** The variables that are not refused, each by itself. */
function carriable(asked: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(asked).filter(([name, value]) => {
      try {
        envText({ [name]: value });
        return true;
      } catch (error) {
        assert.ok(error instanceof EnvFileError);
        // Few are: what people and machines use as values is carried.
        assert.match(value, /[\0\r'\\]|[\ud800-\udfff]/);
        return false;
      }
    }),
  );
}

/** What a POSIX shell has in its environment after it read the file. */
async function inShell(path: string): Promise<Record<string, string>> {
  const print = `process.stdout.write(JSON.stringify(process.env))`;
  const script = 'set -a; . "$0"; unset PWD OLDPWD SHLVL _; exec "$1" -e "$2"';
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", script, path, process.execPath, print], {
    env: {},
  });
  return JSON.parse(stdout);
}

async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "keyplane-env-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
