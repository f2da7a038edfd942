import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { loadCatalogueFrom } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";

const readme = await readFile("README.md", "utf8");

async function catalogueFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of await readdir("catalogue", { recursive: true })) {
    if (name.endsWith(".yaml")) files[name] = await readFile(`catalogue/${name}`, "utf8");
  }
  return files;
}

test("the README's few lines add a secret that its two consumers alone read", async () => {
  const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? [];
  assert.equal(example.trim().split("\n").length, 8);
  const files = await catalogueFiles();
  const titan = files["systems/titan.yaml"] ?? "";
  files["systems/titan.yaml"] = titan.replace(/^secrets:\n/m, (line) => line + example);

  const model = derive(loadCatalogueFrom(files), "local");

  const secret = model.secrets.find(({ id }) => id === "titan/relay-token");
  assert.deepEqual(
    secret?.consumers.map(({ id }) => id),
    ["titan/titan-brain", "titan/titan-sentinel"],
  );
  const paths = secret?.consumers.map(({ path }) => `kv/data/${path}`);
  assert.deepEqual(
    model.policies
      .filter(({ rules }) => rules.some(({ path }) => paths?.includes(path)))
      .map(({ name }) => name)
      .sort(),
    ["titan.titan-brain", "titan.titan-sentinel"],
  );
});

test("every folder and file that the README points at is there", async () => {
  const linked = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => path ?? "");
  const folders = [...readme.matchAll(/`([a-z]+)\/`/g)].map(([, folder]) => folder ?? "");
  for (const path of [...linked, ...folders].filter((path) => path !== "")) {
    await assert.doesNotReject(
      readdir(path).catch(() => readFile(path)),
      `${path} is there`,
    );
  }
});
