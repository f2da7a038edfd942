import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type EmulatorSettings, installEmulator } from "../../../local/toolchain/emulator.ts";
import type { Step } from "../../../operations/progress.ts";
import { folder, place, platform } from "./fakes.ts";

/** A `python3` that makes virtual environments and installs in them as far as these tests look. */
function fakePython(
  options: { version?: string; pip?: string; install?: string; says?: string } = {},
): string {
  const { version = "3.12.1", pip = "pip 24.0 from /usr/lib (python 3.12)", install = "exit 0" } = options;
  return `#!/bin/sh
case "$*" in
  --version) echo "Python ${version}" ;;
  "-m pip --version") echo "${pip}" ;;
  "-m venv "*) for last; do :; done; mkdir -p "$last/bin" && cp "$0" "$last/bin/python3" ;;
  "-m pip "*) ${install} ;;
  "-I -c "*) echo "${options.says ?? "1.2.3"}" ;;
esac
`;
}

async function machine(t: TestContext, python?: string) {
  const at = await folder(t);
  if (python !== undefined) await place(join(at, "bin", "python3"), python);
  const requirements = await place(join(at, "requirements.txt"), "ministack==1.2.3 --hash=sha256:00\n");
  const steps: Step[] = [];
  const settings: EmulatorSettings = {
    cache: join(at, "cache"),
    platform,
    // `sh` and `cp` are the machine's; its own python3 is not to be found.
    environment: { PATH: join(at, "bin") },
    requirements,
  };
  for (const tool of ["mkdir", "cp"])
    await place(join(at, "bin", tool), `#!/bin/sh\nexec /bin/${tool} "$@"\n`);
  return {
    at,
    steps,
    settings,
    install: (changes: Partial<EmulatorSettings> = {}) =>
      installEmulator({ ...settings, ...changes }, (step) => steps.push(step)),
    cached: async () => (await readdir(settings.cache)).filter((name) => !name.endsWith(".lock")),
  };
}

test("installs the emulator once, and takes it from the cache without any Python afterwards", async (t) => {
  const { at, install, steps } = await machine(t, fakePython());
  const python = await install();
  assert.equal(python, join(at, "cache", `ministack-1.2.3-${platform}`, "bin", "python3"));
  assert.deepEqual(
    steps.map(({ state, text }) => `${state}: ${text}`),
    ["started: installing 1.2.3 with pip", "done: 1.2.3, installed with pip"],
  );
  steps.length = 0;
  assert.equal(await install({ environment: { PATH: "" } }), python);
  assert.deepEqual(steps, [{ subject: "ministack", state: "unchanged", text: "1.2.3, from the cache" }]);
});

test("installs again where the list of files has changed, or the machine's Python was replaced", async (t) => {
  const { at, install, steps } = await machine(t, fakePython());
  const python = await install();
  await place(join(at, "requirements.txt"), "ministack==1.2.3 --hash=sha256:11\n");
  steps.length = 0;
  await install();
  assert.equal(steps.at(-1)?.text, "1.2.3, installed with pip");
  await rm(python);
  steps.length = 0;
  await install();
  assert.equal(steps.at(-1)?.text, "1.2.3, installed with pip");
});

for (const [what, python, reason] of [
  ["without a python3", undefined, /there is no python3 on PATH/],
  ["with a Python that is too old", fakePython({ version: "3.9.2" }), /bin\/python3 is 3\.9\.2/],
  [
    "whose pip cannot install",
    fakePython({ install: "echo 'ERROR: No matching distribution found for ministack' >&2; exit 1" }),
    /-m pip .*No matching distribution found for ministack/,
  ],
  [
    "whose pip finds a file that is not the pinned one",
    fakePython({ install: "echo 'THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1" }),
    /DO NOT MATCH THE HASHES/,
  ],
  ["that gets another version", fakePython({ says: "9.9.9" }), /it says that it is 9\.9\.9/],
] as const) {
  test(`a machine ${what} is told so and what to do, and nothing half-made stays`, async (t) => {
    const { install, cached } = await machine(t, python);
    await assert.rejects(install(), (error: Error) => {
      assert.equal(error.name, "ToolchainError");
      assert.match(error.message, /^The AWS emulator, ministack 1\.2\.3, could not be installed\.\n/);
      assert.match(error.message, reason);
      assert.match(error.message, /Python 3\.10 or later .*apt install python3-venv/);
      return true;
    });
    assert.deepEqual(await cached(), []);
  });
}

test("a machine without pip gets one in the virtual environment", async (t) => {
  const { install, steps } = await machine(t, fakePython({ pip: "" }));
  await install();
  assert.equal(steps.at(-1)?.text, "1.2.3, installed with pip");
});
