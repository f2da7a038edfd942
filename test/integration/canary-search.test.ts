import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { patterns } from "./support/canary-patterns.ts";
import { CanarySearch, filesBelow, formsOf, Sampler } from "./support/canary-search.ts";

const value = `canary-7Q"2\\k'<&>%+/ é-${"0123456789abcdef"}`;
const search = new CanarySearch([{ name: "planted", value, allowed: /^safe/ }], patterns);

test("the search finds a canary in every form, wherever it stands (R54)", () => {
  for (const [form, text] of formsOf(value)) {
    for (const before of ["", "x", "xy", "xyz", "before the value: "]) {
      const findings = search.in({ name: "log", content: Buffer.from(`${before}${text} and after`) });
      assert.ok(
        findings.some((finding) => finding.canary === "planted" && finding.form === form),
        `${form} after ${before.length} characters`,
      );
    }
  }
});

test("the search finds a canary inside a longer text that was encoded as a whole (R54)", () => {
  for (const encoding of ["base64", "base64url", "hex"] as const) {
    for (let before = 0; before < 7; before++) {
      const whole = Buffer.from(`${"y".repeat(before)}${value}, more`).toString(encoding);
      assert.notDeepEqual(
        search.in({ name: "log", content: Buffer.from(whole) }),
        [],
        `${encoding}, ${before}`,
      );
    }
  }
});

test("the search looks into compressed files and passes over what is meant to hold the value", () => {
  const content = gzipSync(`{"value":${JSON.stringify(value)}}`);
  assert.equal(search.in({ name: "state.json.gz", content }).length > 0, true);
  assert.deepEqual(search.in({ name: "safe/value", content }), []);
});

test("the search finds nothing where nothing was planted", () => {
  const content = Buffer.from(
    `${value.slice(0, -1)} ${Buffer.from(value.slice(2)).toString("hex").slice(1)}`,
  );
  assert.deepEqual(search.in({ name: "log", content }), []);
});

test("credentials that nobody planted are found by their form (R54)", () => {
  for (const [name, text] of [
    ["Vault token", "token=hvs.CAESIJ1234567890abcdefghij"],
    ["Vault token", "hvb.AAAAAQ1234567890abcdefghijklmnop"],
    ["signed JWT", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl"],
    ["private key", `-----BEGIN PRIVATE KEY-----\n${"MIGHAgEAMBMGByqG"}`],
    ["age key", "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ"],
    ["second factor", "otpauth://totp/ada?secret=JBSWY3DPEHPK3PXP&issuer=x"],
    ["address with a password", "postgresql://user:not-a-template@127.0.0.1/db"],
  ] as const) {
    const findings = search.in({ name: "log", content: Buffer.from(`a line: ${text} …`) });
    assert.deepEqual(
      findings.map(({ canary }) => canary),
      [name],
    );
  }
  const harmless = "postgresql://{{username}}:{{password}}@127.0.0.1/db hmac-sha256:00aa eyJ";
  assert.deepEqual(search.in({ name: "log", content: Buffer.from(harmless) }), []);
});

test("files below a folder are found, hidden and nested ones too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-canary-"));
  try {
    await mkdir(join(folder, "a", ".hidden"), { recursive: true });
    await writeFile(join(folder, "a", ".hidden", "leak"), value);
    const findings = [];
    for await (const place of filesBelow(folder, "home")) findings.push(...search.in(place));
    assert.equal(findings[0]?.place, "home/a/.hidden/leak");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the sampler sees arguments, environment and short-lived files of running processes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-canary-"));
  const sampler = new Sampler([{ folder, label: "temporary files" }]);
  sampler.start();
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 1_500)", value], {
    env: { PLANTED: value },
  });
  await writeFile(join(folder, "moment"), value);
  await sleep(1_000);
  await rm(join(folder, "moment"), { force: true });
  await once(child, "exit");
  const places = await sampler.stop();
  await rm(folder, { recursive: true, force: true });
  const found = places.flatMap((place) => search.in(place).map(({ place: name }) => name));
  for (const expected of [
    /^process arguments of node/,
    /^process environment/,
    /^temporary files\/moment$/,
  ]) {
    assert.ok(
      found.some((name) => expected.test(name)),
      String(expected),
    );
  }
});
